#include "server/config/option_values.hpp"

#include <doctest/doctest.h>

#include "server/config/nearest_name.hpp"

namespace fairlead::server {
namespace {

using namespace std::chrono_literals;

std::string zones_of(std::string_view text) {
  const auto parsed = parse_zone(text);
  if (!parsed) return parsed.error();
  std::string shown;
  for (const auto& zone : parsed->zones) shown += (shown.empty() ? "" : " ") + zone.to_string();
  if (!parsed->scheme.empty()) shown += " scheme " + std::string(parsed->scheme);
  if (parsed->port) shown += " port " + std::to_string(*parsed->port);
  return shown;
}

TEST_CASE("durations are read as Go reads them") {
  CHECK(parse_duration("5s") == Duration(5s));
  CHECK(parse_duration("1h30m") == Duration(90min));
  CHECK(parse_duration("0.5s") == Duration(500ms));
  CHECK(parse_duration(".5s") == Duration(500ms));
  CHECK(parse_duration("1.5h") == Duration(90min));
  CHECK(parse_duration("0") == Duration(0s));
  CHECK(parse_duration("+2ms3us4ns") == Duration(2ms + 3us + 4ns));
  CHECK(parse_duration("7\u00b5s") == Duration(7us));
  CHECK(parse_duration("-0s") == Duration(0s));
}

TEST_CASE("what is no duration says what to write") {
  CHECK(parse_duration("30").error() == "'30' is not a duration; write a number with a unit, such as '30s'");
  for (const char* text : {"", "-", "s", ".s", "5", "5x", "5s5", "99999999999999999999s", "9999999h", "0x5s"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_duration(text));
  }
  CHECK(parse_duration("-1s").error() == "the duration '-1s' is negative; write one of 0 or more, such as '5s'");
}

TEST_CASE("addresses are made canonical, with and without ports") {
  CHECK(canonical_address("2001:DB8:0::1") == "2001:db8::1");
  CHECK(canonical_address("fe80::1%eth0") == "fe80::1%eth0");
  CHECK(canonical_address("10.0.0.1%eth0") == "");
  CHECK(canonical_address("10.0.0.256") == "");
  CHECK(canonical_address("fe80::1%") == "");
  CHECK(parse_endpoint("10.0.0.1", 53) == IpEndpoint{"10.0.0.1", 53});
  CHECK(parse_endpoint("10.0.0.1:5353", 53) == IpEndpoint{"10.0.0.1", 5353});
  CHECK(parse_endpoint("2001:db8::1", 53) == IpEndpoint{"2001:db8::1", 53});
  CHECK(parse_endpoint("[2001:db8::1]", 53) == IpEndpoint{"2001:db8::1", 53});
  CHECK(parse_endpoint("[2001:db8::1]:5353", 53) == IpEndpoint{"2001:db8::1", 5353});
  CHECK(parse_endpoint("[fe80::1%eth0]:53", 53) == IpEndpoint{"fe80::1%eth0", 53});
  for (const char* text : {"", "[", "[]", "[]:53", "10.0.0.1:", "10.0.0.1:65536", "10.0.0.1:-1", "[::1]53", "a:53"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_endpoint(text, 53));
  }
}

TEST_CASE("an address to listen on has a port, and a host or none") {
  CHECK(parse_http_address(":8080") == HttpAddress{"", 8080});
  CHECK(parse_http_address("localhost:9153") == HttpAddress{"localhost", 9153});
  CHECK(parse_http_address("[::1]:0") == HttpAddress{"::1", 0});
  CHECK(parse_http_address("9153").error() == "'9153' is not an address to listen on; write ':9153'");
  for (const char* text : {"", ":", "::1:8080", "a b:1", ":99999", "[a]:1", "http://x:1"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_http_address(text));
  }
}

TEST_CASE("a network is the reverse zone that holds it (RFC 1035 §3.5, RFC 3596 §2.5)") {
  CHECK(zones_of("10.0.0.0/24") == "0.0.10.in-addr.arpa.");
  CHECK(zones_of("10.1.2.3/8") == "10.in-addr.arpa.");
  CHECK(zones_of("0.0.0.0/0") == "in-addr.arpa.");
  CHECK(zones_of("10.0.0.7/32") == "7.0.0.10.in-addr.arpa.");
  CHECK(zones_of("2001:db8::/32") == "8.b.d.0.1.0.0.2.ip6.arpa.");
  CHECK(zones_of("fd00::/8") == "d.f.ip6.arpa.");
  CHECK(zones_of("fd00::/4") == "f.ip6.arpa.");
  CHECK(zones_of("::/0") == "ip6.arpa.");
}

TEST_CASE("a network between two labels is several reverse zones") {
  CHECK(zones_of("10.0.0.0/22") ==
        "0.0.10.in-addr.arpa. 1.0.10.in-addr.arpa. 2.0.10.in-addr.arpa. 3.0.10.in-addr.arpa.");
  CHECK(zones_of("192.168.1.5/31") == "4.1.168.192.in-addr.arpa. 5.1.168.192.in-addr.arpa.");
  CHECK(zones_of("2001:db8:8000::/33") == [] {
    std::string expected;
    for (const char nibble : {'8', '9', 'a', 'b', 'c', 'd', 'e', 'f'}) {
      expected += (expected.empty() ? "" : " ") + std::string(1, nibble) + ".8.b.d.0.1.0.0.2.ip6.arpa.";
    }
    return expected;
  }());
  CHECK(zones_of("2001:db8:1300::/39") == "2.1.8.b.d.0.1.0.0.2.ip6.arpa. 3.1.8.b.d.0.1.0.0.2.ip6.arpa.");
  CHECK(parse_zone("128.0.0.0/1")->zones.size() == 128);
  CHECK(parse_zone("128.0.0.0/1")->zones.back().to_string() == "255.in-addr.arpa.");
}

TEST_CASE("a key has a scheme, a zone and a port, all but one of them optional") {
  CHECK(zones_of(".") == ".");
  CHECK(zones_of(":53") == ". port 53");
  CHECK(zones_of("Example.ORG:1053") == "example.org. port 1053");
  CHECK(zones_of("dns://example.org") == "example.org. scheme dns");
  CHECK(zones_of("tls://.:853") == ". scheme tls port 853");
  CHECK(zones_of("10.0.0.0/24:5353") == "0.0.10.in-addr.arpa. port 5353");
  CHECK(zones_of("2001:db8::/32:5353") == "8.b.d.0.1.0.0.2.ip6.arpa. port 5353");
  for (const char* text : {"", "dns://", "://a", "a:", "a:b", "a:65536", "2001:db8::1", "10.0.0.0/33", "a/24", "a..b",
                           "10.0.0.0/", "10.0.0.0/0x8", "a\\"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_zone(text));
  }
}

TEST_CASE("reverse zones are known by their labels, not by their letters") {
  CHECK(is_reverse_zone(*dns::DomainName::parse("10.IN-ADDR.arpa")));
  CHECK(is_reverse_zone(*dns::DomainName::parse("ip6.arpa")));
  CHECK_FALSE(is_reverse_zone(*dns::DomainName::parse("notip6.arpa")));
  CHECK_FALSE(is_reverse_zone(*dns::DomainName::parse("arpa")));
}

TEST_CASE("a suggestion is at most two slips away") {
  const std::array<std::string_view, 3> names = {"kubernetes", "cache", "any"};
  CHECK(nearest_name("kubernets", names) == "kubernetes");
  CHECK(nearest_name("kuebrnetes", names) == "kubernetes");
  CHECK(nearest_name("catch", names) == "cache");
  CHECK(nearest_name("ayn", names) == "any");
  CHECK(nearest_name("xyz", names) == "");
  CHECK(nearest_name(std::string(1'000'000, 'k'), names) == "");
}

TEST_CASE("regular expressions are RE2's: checked when they are read, linear when they match") {
  CHECK(RegularExpression::parse("^a+$")->matches("aaa"));
  CHECK_FALSE(RegularExpression::parse("^a+$")->matches("aab"));
  CHECK(RegularExpression::parse("a|b")->matches("xbx"));
  CHECK(RegularExpression::parse("(a\n").error() == "missing ) in '(a\\n'");
  CHECK_FALSE(RegularExpression::parse("(?=a)"));
  CHECK_FALSE(RegularExpression::parse(std::string(10'001, 'a')));
}

}  // namespace
}  // namespace fairlead::server
