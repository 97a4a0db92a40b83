#include "zones/zone.hpp"

#include <doctest/doctest.h>

#include "zones/dns/ldns_bridge.hpp"

namespace fairlead::zones {
namespace {

using Lines = std::vector<std::string>;

const dns::DomainName apex = *dns::DomainName::parse("example.org.");
constexpr std::string_view soa = "$TTL 60\n@ SOA ns hostmaster 7 7200 1800 86400 30\n@ NS ns\n";

Zone::Made make(std::string_view text) {
  return Zone::make(apex, parse_zone_text(std::string(soa) + std::string(text), "db", apex));
}

std::string look_up(const Zone& zone, std::string_view text, bool is_parent_side = false) {
  const auto name = dns::DomainName::parse(text)->to_lower();
  const auto found = zone.look_up(name, is_parent_side);
  const auto at = found.node == nullptr ? std::string() : zone.name(*found.node).to_string();
  switch (found.kind) {
    case Zone::Lookup::Kind::no_name: return "no name";
    case Zone::Lookup::Kind::delegation: return "delegation at " + at;
    case Zone::Lookup::Kind::alias_tree: return "DNAME at " + at;
    case Zone::Lookup::Kind::name:
      return at + (found.is_wildcard ? " for it" : "") + (found.node->rrset_count == 0 ? ", empty" : "");
  }
  return {};
}

Lines warnings(std::string_view text) {
  Lines lines;
  for (const auto& warning : make(text).warnings) {
    lines.push_back(std::to_string(warning.at.line) + ": " + warning.message);
  }
  return lines;
}

}  // namespace

TEST_CASE("a lookup takes the steps of RFC 1034 §4.3.2 and RFC 4592 §2.2.1") {
  const auto zone = make(R"(
www A 192.0.2.1
*.wild TXT any
sub.*.wild TXT below
ssub.host.wild A 192.0.2.2
_tcp.host1 SRV 0 0 1 www
host2.wild A 192.0.2.2
a.b.c.deep A 192.0.2.3
cut NS ns.cut
ns.cut A 192.0.2.4
hidden.cut NS ns
tree DNAME example.net.
tree TXT beside
hidden.tree A 192.0.2.5
UPPER A 192.0.2.6
)")
                        .zone;
  REQUIRE(zone != nullptr);
  struct Row {
    const char* name;
    const char* expected;
  };
  for (const auto& [name, expected] : std::initializer_list<Row>{
           {"example.org.", "example.org."},
           {"WWW.Example.ORG.", "www.example.org."},
           {"upper.example.org.", "UPPER.example.org."},
           {"nobody.example.org.", "no name"},
           {"x.www.example.org.", "no name"},
           {"deep.example.org.", "deep.example.org., empty"},
           {"b.c.deep.example.org.", "b.c.deep.example.org., empty"},
           {"x.c.deep.example.org.", "no name"},
           {"wild.example.org.", "wild.example.org., empty"},
           {"x.wild.example.org.", "*.wild.example.org. for it"},
           {"y.x.wild.example.org.", "*.wild.example.org. for it"},
           {"*.wild.example.org.", "*.wild.example.org."},
           // The closest encloser is host.wild and *.wild: neither has a wildcard below.
           {"x.host.wild.example.org.", "no name"},
           {"ghost.*.wild.example.org.", "no name"},
           {"host.wild.example.org.", "host.wild.example.org., empty"},
           {"cut.example.org.", "delegation at cut.example.org."},
           {"ns.cut.example.org.", "delegation at cut.example.org."},
           {"x.hidden.cut.example.org.", "delegation at cut.example.org."},
           {"tree.example.org.", "tree.example.org."},
           {"hidden.tree.example.org.", "DNAME at tree.example.org."},
           {"x.y.tree.example.org.", "DNAME at tree.example.org."},
       }) {
    CAPTURE(name);
    CHECK(look_up(*zone, name) == expected);
  }
  CHECK(look_up(*zone, "cut.example.org.", true) == "cut.example.org.");
  CHECK(look_up(*zone, "x.cut.example.org.", true) == "delegation at cut.example.org.");
  CHECK(zone->serial() == 7);
  CHECK(zone->negative_ttl() == 30);
}

TEST_CASE("a zone without a proper SOA is none, and faults say why") {
  const auto faults = [](std::string_view text) {
    Lines lines;
    for (const auto& fault : Zone::make(apex, parse_zone_text(text, "db", apex)).faults) {
      lines.push_back(std::to_string(fault.at.line) + ": " + fault.message);
    }
    return lines;
  };
  CHECK(faults("") == Lines{"0: there is no SOA record for example.org."});
  CHECK(faults("x SOA a b 1 2 3 4 5\n") ==
        Lines{"1: the SOA is that of x.example.org., not of the zone example.org.; write '@' or the name with its "
              "final dot"});
  CHECK(faults("@ SOA a b 1 2 3 4 5\n@ SOA a b 2 2 3 4 5\n") ==
        Lines{"2: a zone has one SOA, and this is another one"});
  CHECK(make("x A bad\n").zone == nullptr);
}

TEST_CASE("what cannot be served is left out with a warning, and said once where it is repeated") {
  CHECK(warnings("other.test. A 192.0.2.1\n") == Lines{"4: other.test. is not in the zone example.org. and left out"});
  CHECK(warnings("x A 192.0.2.1\nx CNAME y\nx CNAME z\n") ==
        Lines{"4: A is left out: x.example.org. is an alias (CNAME), and has no other data",
              "6: CNAME is left out: x.example.org. has another CNAME already"});
  CHECK(warnings("@ CNAME y\n") == Lines{"4: CNAME is left out: example.org. is the apex, which can be no alias"});
  CHECK(warnings("x DNAME y\nx DNAME z\n") == Lines{"5: DNAME is left out: x.example.org. has another DNAME already"});
  const auto repeated = make("x A 192.0.2.1\nX 9 A 192.0.2.2\nx A 192.0.2.1\n").zone;
  const auto* const rrset = repeated->find(*repeated->find(*dns::DomainName::parse("x.example.org.")), dns::RRType::a);
  CHECK(rrset->count == 2);
  CHECK(rrset->ttl == 9);
}

TEST_CASE("a transfer reads the SOA first, and every record once") {
  const auto zone =
      make("b A 192.0.2.1\nb A 192.0.2.2\nb AAAA ::1\nx.a TXT x\ncut NS ns.cut\nns.cut A 192.0.2.3\n").zone;
  const auto reader = read_zone(zone);
  Lines lines;
  ZoneRecord record;
  while (reader->next(record) == ZoneReader::Step::record) {
    lines.push_back(record.owner.to_string() + ' ' + to_string(record.type) + ' ' +
                    dns::rdata_to_string(record.type, record.rdata));
  }
  CHECK(lines == Lines{"example.org. SOA ns.example.org. hostmaster.example.org. 7 7200 1800 86400 30",
                       "example.org. NS ns.example.org.", "x.a.example.org. TXT \"x\"", "b.example.org. A 192.0.2.1",
                       "b.example.org. A 192.0.2.2", "b.example.org. AAAA ::1",
                       "cut.example.org. NS ns.cut.example.org.", "ns.cut.example.org. A 192.0.2.3"});
  CHECK(reader->next(record) == ZoneReader::Step::end);
}

TEST_CASE("ten thousand names are found, and none beside them") {
  const auto zone = make("$GENERATE 0-9999 host-$.x A 10.0.0.1\n").zone;
  for (int i = 0; i < 10000; i += 7) {
    REQUIRE(zone->find(*dns::DomainName::parse("host-" + std::to_string(i) + ".x.example.org.")) != nullptr);
    REQUIRE(zone->find(*dns::DomainName::parse("host-" + std::to_string(i) + ".y.example.org.")) == nullptr);
  }
}

}  // namespace fairlead::zones
