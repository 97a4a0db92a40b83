// `acl`: rules, clients and questions, and that nothing gets round them.
#include <doctest/doctest.h>

#include "unit/server/query/corefile_server.hpp"

namespace fairlead::test {
namespace {

using dns::RRType;

enum class Fate { passed, blocked, filtered, dropped };

Fate fate_of(CorefileServer& server, const char* client, const char* qname, RRType qtype,
             server::Transport transport = server::Transport::udp) {
  server.client = *base::IpAddress::parse(client);
  const Lines lines = server.ask(qname, qtype, {.edns_octets = 1232}, transport);
  if (lines.front() == "dropped") return Fate::dropped;
  if (lines.front() == "REFUSED" && server.says("blocked by acl", qname, qtype, transport)) return Fate::blocked;
  if (lines.front() == "NOERROR" && server.says("filtered by acl", qname, qtype, transport)) return Fate::filtered;
  return Fate::passed;
}

TEST_CASE("the first rule that matches client and type decides, in the zones of its directive") {
  struct Row {
    const char* rules;
    const char* client;
    const char* qname;
    RRType qtype;
    Fate fate;
  };
  const Row rows[] = {
      {"acl {\nblock type A net 192.168.0.0/16\n}", "192.168.3.4", "x.org.", RRType::a, Fate::blocked},
      {"acl {\nblock type A net 192.168.0.0/16\n}", "192.168.3.4", "x.org.", RRType::aaaa, Fate::passed},
      {"acl {\nblock type A net 192.168.0.0/16\n}", "192.169.0.1", "x.org.", RRType::a, Fate::passed},
      {"acl {\nfilter type A aaaa net 192.168.0.0/16 2001:db8::/32\n}", "2001:db8::1", "x.org.", RRType::aaaa,
       Fate::filtered},
      {"acl {\nALLOW NET 192.168.1.0/24\nblock net 192.168.0.0/16\n}", "192.168.1.9", "x.org.", RRType::a,
       Fate::passed},
      {"acl {\nallow net 192.168.1.0/24\nblock net 192.168.0.0/16\n}", "192.168.2.9", "x.org.", RRType::a,
       Fate::blocked},
      {"acl {\nallow net 192.168.1.1\nblock\n}", "192.168.1.1", "x.org.", RRType::a, Fate::passed},
      {"acl {\nallow net 192.168.1.1\nblock\n}", "192.168.1.2", "x.org.", RRType::a, Fate::blocked},
      {"acl {\nallow net 192.168.1.1\nblock\n}", "2001:db8::1", "x.org.", RRType::a, Fate::blocked},
      {"acl a.x.org {\nblock net 10.0.0.0/8\n}", "10.0.0.1", "a.X.org.", RRType::a, Fate::blocked},
      {"acl a.x.org {\nblock net 10.0.0.0/8\n}", "10.0.0.1", "b.a.x.org.", RRType::a, Fate::blocked},
      {"acl a.x.org {\nblock net 10.0.0.0/8\n}", "10.0.0.1", "ba.x.org.", RRType::a, Fate::passed},
      {"acl a.x.org {\nblock net 10.0.0.0/8\n}", "10.0.0.1", "a\\.x.org.", RRType::a, Fate::passed},
      {"acl {\ndrop net 192.0.2.0/24\n}", "192.0.2.1", "x.org.", RRType::a, Fate::dropped},
      {"acl {\nblock type * net *\n}", "192.0.2.1", "x.org.", RRType::txt, Fate::blocked},
      {"acl {\nblock type TYPE65 net 10.0.0.0/8 *\n}", "192.0.2.1", "x.org.", RRType::https, Fate::blocked},
      {"acl a.org {\nallow\n}\nacl {\nblock\n}", "192.0.2.1", "a.org.", RRType::a, Fate::passed},
      {"acl a.org {\nallow\n}\nacl {\nblock\n}", "192.0.2.1", "b.org.", RRType::a, Fate::blocked},
      {"acl {\nallow type A\n}\nacl {\nblock\n}", "192.0.2.1", "b.org.", RRType::aaaa, Fate::blocked},
  };
  for (const Row& row : rows) {
    CAPTURE(row.rules);
    CAPTURE(row.client);
    CAPTURE(row.qname);
    CorefileServer server(std::string(row.rules) + "\nwhoami");
    CHECK(fate_of(server, row.client, row.qname, row.qtype) == row.fate);
    CHECK(fate_of(server, row.client, row.qname, row.qtype, server::Transport::tcp) == row.fate);
  }
}

TEST_CASE("whatever the order in the file, acl comes before what answers") {
  CorefileServer server(
      "whoami\nhosts /nonexistent {\n10.0.0.1 a.org\n}\nheader {\nresponse set ra\n}\nminimal\ncache\nacl {\nblock net "
      "192.0.2.0/24\n}");
  CHECK(fate_of(server, "192.0.2.1", "a.org.", RRType::a) == Fate::blocked);
  CHECK(fate_of(server, "192.0.2.1", "1.0.0.10.in-addr.arpa.", RRType::ptr) == Fate::blocked);
  CHECK(fate_of(server, "192.0.3.1", "a.org.", RRType::a) == Fate::passed);
}

TEST_CASE("a question in another's place is decided on as well") {
  // `header` asks on in a question of its own.
  CorefileServer server("header {\nquery clear rd\n}\nacl {\nblock type A\ndrop type TXT\n}\nwhoami");
  CHECK(fate_of(server, "192.0.2.1", "a.org.", RRType::a) == Fate::blocked);
  CHECK(fate_of(server, "192.0.2.1", "a.org.", RRType::txt) == Fate::dropped);
  CHECK(fate_of(server, "192.0.2.1", "a.org.", RRType::aaaa) == Fate::passed);
}

TEST_CASE("no rewrite gets round acl: the name that is really asked is decided on") {
  CorefileServer server(
      "acl secret.org {\nblock\n}\nrewrite name open.org www.secret.org\nrewrite type TXT MX\nwhoami");
  CHECK(fate_of(server, "192.0.2.1", "open.org.", RRType::a) == Fate::blocked);
  CHECK(fate_of(server, "192.0.2.1", "www.secret.org.", RRType::a) == Fate::blocked);
  CHECK(fate_of(server, "192.0.2.1", "other.org.", RRType::a) == Fate::passed);
  CorefileServer types("rewrite type TXT MX\nacl {\nblock type MX\n}\nwhoami");
  CHECK(fate_of(types, "192.0.2.1", "a.org.", RRType::txt) == Fate::blocked);
}

TEST_CASE("what acl decided is counted") {
  CorefileServer server("prometheus :0\nacl {\nblock type A\nfilter type AAAA\ndrop type TXT\n}\nwhoami");
  for (const RRType qtype : {RRType::a, RRType::a, RRType::aaaa, RRType::txt, RRType::mx}) {
    server.ask("a.org.", qtype);
  }
  CHECK(server.metric("coredns_acl_") ==
        Lines{"coredns_acl_allowed_requests_total{server=\"dns://:53\",view=\"\"} 1",
              "coredns_acl_blocked_requests_total{server=\"dns://:53\",zone=\".\",view=\"\"} 2",
              "coredns_acl_dropped_requests_total{server=\"dns://:53\",zone=\".\",view=\"\"} 1",
              "coredns_acl_filtered_requests_total{server=\"dns://:53\",zone=\".\",view=\"\"} 1"});
}

}  // namespace
}  // namespace fairlead::test
