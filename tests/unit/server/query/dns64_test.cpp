// `dns64`: what is made of A records, for whom, and what is left alone; and the order of `loadbalance`.
#include "server/handlers/dns64_handler.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "server/control/weight_source.hpp"
#include "unit/server/query/corefile_server.hpp"

namespace fairlead::test {
namespace {

using dns::RRType;

constexpr QueryPacketOptions edns{.edns_octets = 1232};

CorefileServer& from(CorefileServer& server, const char* client) {
  server.client = *base::IpAddress::parse(client);
  return server;
}

const std::string names =
    "hosts /nonexistent {\n192.0.2.33 v4.test\n2001:db8::1 v6.test\n192.0.2.34 both.test\n2001:db8::2 both.test\n}";

TEST_CASE("octets go where RFC 6052 §2.4 shows them") {
  for (const auto& [prefix, made] :
       std::map<std::string, std::string>{{"2001:db8::/32", "2001:db8:c000:221::"},
                                          {"2001:db8:100::/40", "2001:db8:1c0:2:21::"},
                                          {"2001:db8:122::/48", "2001:db8:122:c000:2:2100::"},
                                          {"2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"},
                                          {"2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"},
                                          {"2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"},
                                          {"64:ff9b::/96", "64:ff9b::c000:221"}}) {
    CAPTURE(prefix);
    const auto network = *base::IpNetwork::parse(prefix);
    const auto v4 = *base::IpAddress::parse("192.0.2.33");
    const auto address = server::embed(network, std::span<const std::uint8_t, 4>(v4.octets().data(), 4));
    CHECK(address == *base::IpAddress::parse(made));
    CHECK(server::extract(network, address) == v4);
  }
  const auto network = *base::IpNetwork::parse("2001:db8::/32");
  CHECK_FALSE(server::extract(network, *base::IpAddress::parse("2001:db8:c000:221::1")));
  CHECK_FALSE(server::extract(network, *base::IpAddress::parse("2001:db9::")));
}

TEST_CASE("a client of IPv6 gets made addresses for names that have none of its own") {
  CorefileServer server("dns64\n" + names);
  from(server, "2001:db8::99");
  check_answers(server, {
                            {"V4.test.", RRType::aaaa, {"NOERROR aa", "answer: V4.test. 600 AAAA 64:ff9b::c000:221"}},
                            {"v6.test.", RRType::aaaa, {"NOERROR aa", "answer: v6.test. 3600 AAAA 2001:db8::1"}},
                            {"both.test.", RRType::aaaa, {"NOERROR aa", "answer: both.test. 3600 AAAA 2001:db8::2"}},
                            {"v4.test.", RRType::a, {"NOERROR aa", "answer: v4.test. 3600 A 192.0.2.33"}},
                            {"v4.test.", RRType::txt, {"NOERROR aa"}},
                            {"missing.test.", RRType::aaaa, {"SERVFAIL"}},
                        });
  CHECK(server.says("made from A records by dns64", "v4.test.", RRType::aaaa));
  CHECK_FALSE(server.says("dns64", "v6.test.", RRType::aaaa));
  CHECK(server.says("no such name in the hosts file", "missing.test.", RRType::aaaa));
  CHECK(server.metric("coredns_dns64_requests_translated_total") ==
        Lines{"coredns_dns64_requests_translated_total{server=\"dns://:53\"} 4"});
}

TEST_CASE("a client of IPv4 does only with allow_ipv4, and translate_all makes addresses beside others") {
  CorefileServer plain("dns64\n" + names);
  CHECK(plain.ask("v4.test.", RRType::aaaa) == Lines{"NOERROR aa"});
  CorefileServer allowed("dns64 {\nallow_ipv4\nprefix 2001:db8:64::/48\n}\n" + names);
  CHECK(allowed.ask("v4.test.", RRType::aaaa) ==
        Lines{"NOERROR aa", "answer: v4.test. 600 AAAA 2001:db8:64:c000:2:2100::"});
  CorefileServer all("dns64 2001:db8:64::/96 {\ntranslate_all\n}\n" + names);
  from(all, "2001:db8::99");
  CHECK(all.ask("both.test.", RRType::aaaa) ==
        Lines{"NOERROR aa", "answer: both.test. 600 AAAA 2001:db8:64::c000:222"});
  CHECK(all.ask("v6.test.", RRType::aaaa) == Lines{"NOERROR aa"});
}

TEST_CASE("a client that validates by itself is left alone (RFC 6147 §3)") {
  CorefileServer server("dns64\n" + names);
  from(server, "2001:db8::99");
  const std::uint16_t cd = dns::Header::rd | dns::Header::cd;
  CHECK(server.ask("v4.test.", RRType::aaaa, {.flags = cd, .edns_octets = 1232, .dnssec_ok = true}).size() <= 2);
  CHECK_FALSE(text_of(server.ask("v4.test.", RRType::aaaa, {.flags = cd, .edns_octets = 1232, .dnssec_ok = true}))
                  .contains("64:ff9b"));
  CHECK(text_of(server.ask("v4.test.", RRType::aaaa, {.flags = cd, .edns_octets = 1232})).contains("64:ff9b"));
  CHECK(text_of(server.ask("v4.test.", RRType::aaaa, {.edns_octets = 1232, .dnssec_ok = true})).contains("64:ff9b"));
}

TEST_CASE("the name of a made address is that of the IPv4 address (RFC 6147 §5.3.1)") {
  CorefileServer server("dns64\n" + names);
  const std::string zeros = "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.9.f.f.4.6.0.0.ip6.arpa.";
  CHECK(server.ask("1.2.2.0.0.0.0.c." + zeros, RRType::ptr) ==
        Lines{"NOERROR aa", "answer: 1.2.2.0.0.0.0.c." + zeros + " 3600 CNAME 33.2.0.192.in-addr.arpa.",
              "answer: 33.2.0.192.in-addr.arpa. 3600 PTR v4.test."});
  CHECK(server.ask("1.2.0.192.in-addr.arpa.", RRType::ptr) == Lines{"REFUSED"});
}

TEST_CASE("what acl refused is not made up") {
  for (const char* action : {"block", "filter"}) {
    CorefileServer server("dns64\nacl {\n" + std::string(action) + " type AAAA\n}\n" + names);
    from(server, "2001:db8::99");
    CHECK_FALSE(text_of(server.ask("v4.test.", RRType::aaaa, edns)).contains("64:ff9b"));
    CorefileServer other("dns64\nacl {\n" + std::string(action) + " type A\n}\n" + names);
    from(other, "2001:db8::99");
    CHECK_FALSE(text_of(other.ask("v4.test.", RRType::aaaa, edns)).contains("64:ff9b"));
  }
  CorefileServer server("dns64\nacl {\ndrop type AAAA\n}\n" + names);
  from(server, "2001:db8::99");
  CHECK(server.ask("v4.test.", RRType::aaaa) == Lines{"dropped"});
}

// --- loadbalance

std::map<std::string, int> firsts(CorefileServer& server, const char* qname, int count) {
  std::map<std::string, int> found;
  for (int i = 0; i < count; ++i) {
    const Lines lines = server.ask(qname, RRType::a);
    ++found[lines.at(1).substr(lines.at(1).rfind(' ') + 1)];
  }
  return found;
}

const std::string three = "hosts /nonexistent {\n192.0.2.1 www.test\n192.0.2.2 www.test\n10.0.0.3 www.test\n}";

TEST_CASE("preferred networks come first, the first of them before the others, and the rest rotates") {
  CorefileServer server("loadbalance {\nprefer 10.0.0.0/8\n}\n" + three);
  CHECK(firsts(server, "www.test.", 12) == std::map<std::string, int>{{"10.0.0.3", 12}});
  CorefileServer both("loadbalance round_robin {\nprefer 192.0.2.2/32 10.0.0.0/8\n}\n" + three);
  const Lines lines = both.ask("www.test.", RRType::a);
  CHECK(lines.at(1).ends_with("192.0.2.2"));
  CHECK(lines.at(2).ends_with("10.0.0.3"));
  CHECK(lines.at(3).ends_with("192.0.2.1"));
  CorefileServer none("loadbalance {\nprefer 172.16.0.0/12\n}\n" + three);
  CHECK(firsts(none, "www.test.", 12).size() == 3);
}

TEST_CASE("weights say how often an address comes first, and are read again when their file changed") {
  const std::string path =
      (std::filesystem::temp_directory_path() / ("fairlead-weights-" + std::to_string(::getpid()))).string();
  std::ofstream(path) << "# weights\nWWW.test\n192.0.2.1 200\n 10.0.0.3 100 \n\nother.test.\n192.0.2.2 255\n";
  CorefileServer server("loadbalance weighted " + path + " {\nreload 1s\n}\n" + three);
  const auto found = firsts(server, "www.test.", 3000);
  CHECK(found.at("192.0.2.1") > 1700);
  CHECK(found.at("10.0.0.3") > 700);
  CHECK(server.ask("www.test.", RRType::a).size() == 4);
  std::ofstream(path + ".new") << "www.test\n192.0.2.2 255\n";
  std::filesystem::rename(path + ".new", path);
  REQUIRE(server.plan->refreshes.size() == 2);  // of hosts, and of the weights
  server.plan->refreshes.back().run();
  CHECK(firsts(server, "www.test.", 1000).at("192.0.2.2") > 900);
  std::ofstream(path + ".new") << "www.test\n192.0.2.2 256\n";
  std::filesystem::rename(path + ".new", path);
  server.plan->refreshes.back().run();
  CHECK(firsts(server, "www.test.", 1000).at("192.0.2.2") > 900);
  std::filesystem::remove(path);
  // A file that is not there yet is waited for, all weights being 1.
  CorefileServer waiting("loadbalance weighted " + path + "\n" + three);
  CHECK(firsts(waiting, "www.test.", 200).size() == 3);
}

TEST_CASE("a weight file with a fault is told with its line") {
  const std::map<std::string, std::string> rows{
      {"192.0.2.1 3", "line 1: no name stands in front of the first address"},
      {"a\n192.0.2.1", "line 2: '192.0.2.1' has no weight; write one from 1 to 255 behind it"},
      {"a\n192.0.2 1", "line 2: '192.0.2' is not an IP address"},
      {"a\n\n192.0.2.1 0", "line 3: '0' is not a number from 1 to 255"},
      {"a..b", "line 1: 'a..b' is not a domain name"},
      {"a\n192.0.2.1 1 1", "line 2: write 'NAME', or 'ADDRESS WEIGHT'"},
  };
  for (const auto& [text, fault] : rows) {
    CAPTURE(text);
    const auto parsed = server::parse_weights(text);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error() == fault);
  }
}

}  // namespace
}  // namespace fairlead::test
