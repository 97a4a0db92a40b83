// `view`: several blocks of one zone, and which of them a query goes to.
#include <doctest/doctest.h>

#include "unit/server/query/corefile_server.hpp"

namespace fairlead::test {
namespace {

using dns::RRType;

std::string block(const std::string& zone, const std::string& view, const std::string& address,
                  const std::string& more = "") {
  return zone + " {\n" +
         (view.empty() ? "" : "view v" + address.substr(address.rfind('.') + 1) + " {\nexpr " + view + "\n}\n") +
         "hosts /nonexistent {\n" + address + " www.example.org a.b.c www.sub.example.org\n}\n" + more + "\n}\n";
}

std::string address_of(const Lines& lines) {
  return lines.size() < 2 ? lines.front() : lines[1].substr(lines[1].rfind(' ') + 1);
}

TEST_CASE("the first block whose condition holds takes the query, and the one without a view the rest") {
  CorefileServer server(block(".", "incidr(client_ip(), '127.0.0.0/24')", "192.0.2.1") +
                        block(".", "type() == 'A' && name() endsWith '.c.'", "192.0.2.2") +
                        block(".", "incidr(client_ip(), '2001:0DB8::/32')", "192.0.2.3") + block(".", "", "192.0.2.4"));
  const auto from = [&](const char* client, const char* qname) {
    server.client = *base::IpAddress::parse(client);
    return address_of(server.ask(qname, RRType::a));
  };
  CHECK(from("127.0.0.9", "www.example.org.") == "192.0.2.1");
  CHECK(from("127.0.0.9", "a.b.c.") == "192.0.2.1");
  CHECK(from("127.0.1.9", "A.b.C.") == "192.0.2.2");
  CHECK(from("2001:db8::1", "www.example.org.") == "192.0.2.3");
  CHECK(from("10.0.0.1", "www.example.org.") == "192.0.2.4");
}

TEST_CASE("a zone whose views take none of it leaves a query to shorter zones, and in the end it is REFUSED") {
  CorefileServer server(block(".", "do()", "192.0.2.1") + block("example.org", "bufsize() == 1232", "192.0.2.2") +
                        block("sub.example.org", "proto() == 'tcp'", "192.0.2.3"));
  CHECK(address_of(server.ask("www.sub.example.org.", RRType::a, {}, server::Transport::tcp)) == "192.0.2.3");
  CHECK(address_of(server.ask("www.sub.example.org.", RRType::a, {.edns_octets = 1232})) == "192.0.2.2");
  CHECK(address_of(server.ask("www.example.org.", RRType::a, {.edns_octets = 1000, .dnssec_ok = true})) == "192.0.2.1");
  CHECK(address_of(server.ask("www.example.org.", RRType::a)) == "REFUSED");
}

TEST_CASE("all conditions of a view must hold, and one that cannot be evaluated does not") {
  CorefileServer server(block(".", "size() > 0\nexpr server_port() == '53'", "192.0.2.1") +
                        block(".", "size() / 0 > 1 || id() % 0 == 0", "192.0.2.2"));
  CHECK(address_of(server.ask("www.example.org.", RRType::a)) == "192.0.2.1");
  CorefileServer other(block(".", "size() > 0\nexpr server_port() == '54'", "192.0.2.1") +
                       block(".", "id() % 0 == 0", "192.0.2.2"));
  CHECK(address_of(other.ask("www.example.org.", RRType::a)) == "REFUSED");
}

TEST_CASE("the name of a view is a label of metrics, and metadata") {
  const std::string more = "prometheus :0\nmetadata\nacl {\nblock type TXT\n}";
  CorefileServer server(block(".", "metadata('view/name') == 'v1' && type() != 'MX'", "192.0.2.1", more) +
                        block(".", "", "192.0.2.2", more));
  server.ask("www.example.org.", RRType::txt);
  server.ask("www.example.org.", RRType::a);
  server.ask("www.example.org.", RRType::mx);
  CHECK(server.metric("coredns_acl_blocked") ==
        Lines{"coredns_acl_blocked_requests_total{server=\"dns://:53\",zone=\".\",view=\"v1\"} 1"});
  CHECK(server.metric("coredns_dns_requests_total").size() == 3);
  CHECK(server.metric("coredns_dns_requests_total{server=\"dns://:53\",zone=\".\",view=\"v1\"").size() == 2);
  CHECK(server.metric("coredns_dns_requests_total{server=\"dns://:53\",zone=\".\",view=\"\"").size() == 1);
}

TEST_CASE("blocks of one zone do not share a cache") {
  CorefileServer server(". {\nview a {\nexpr type() == 'A'\n}\ncache\nwhoami\n}\n. {\ncache\nwhoami\n}\n");
  CHECK(server.plan->blocks[0].cache_signature != server.plan->blocks[1].cache_signature);
}

TEST_CASE("a block behind one without a view is a warning, and two of those are a fault") {
  const auto corefile = server::load_good(block(".", "", "192.0.2.1") + block(".", "do()", "192.0.2.2"));
  CHECK(to_string(corefile.warnings)
            .contains("this block never takes a query for zone '.': the one at Corefile:1 has no 'view' and comes "
                      "first; move it behind"));
  CHECK(
      server::load_good(block(".", "do()", "192.0.2.1") + block(".", "do()", "192.0.2.2") + block(".", "", "192.0.2.3"))
          .warnings.empty());
  CHECK(server::faults_of(block(".", "do()", "192.0.2.1") + block(".", "", "192.0.2.2") + block(".", "", "192.0.2.3"))
            .contains("is already served by the block at"));
  CHECK(
      server::faults_of(". {\nview a b {\nexpr nmae() == 'a'\nexpr id()\nfilter x\n}\n}\n") ==
      "Corefile:2: too many arguments for 'view'; write 'view NAME { expr EXPRESSION }'\n"
      "Corefile:3: bad expression: unknown function 'nmae'; did you mean 'name()'? (at 'nmae() == 'a'', octet 1)\n"
      "Corefile:4: bad expression: it is a number, and not yes or no; compare it with something (at 'id()', octet 1)\n"
      "Corefile:5: unknown option 'filter' of 'view'; write expr\n");
}

}  // namespace
}  // namespace fairlead::test
