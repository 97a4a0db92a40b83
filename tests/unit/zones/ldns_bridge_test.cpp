#include "zones/dns/ldns_bridge.hpp"

#include <doctest/doctest.h>

#include "wire.hpp"

using namespace fairlead;
using namespace fairlead::dns;
using wire::Octets;
using wire::Packet;

TEST_CASE("records go from presentation form to wire form and back") {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"web.example. 5 IN A 10.0.0.1", "web.example.\t5\tIN\tA\t10.0.0.1"},
      {"web 5 IN AAAA 2001:DB8:0::1", "web.cluster.local.\t5\tIN\tAAAA\t2001:db8::1"},
      {"@ IN NS ns.dns", "cluster.local.\t60\tIN\tNS\tns.dns.cluster.local."},
      {"_http._tcp.web 5 IN SRV 0 100 80 web",
       "_http._tcp.web.cluster.local.\t5\tIN\tSRV\t0 100 80 web.cluster.local."},
      {"dns-version 28800 IN TXT \"1.1.0\"", "dns-version.cluster.local.\t28800\tIN\tTXT\t\"1.1.0\""},
      {"@ 30 IN SOA ns.dns hostmaster 1700000000 7200 1800 86400 30",
       "cluster.local.\t30\tIN\tSOA\tns.dns.cluster.local. hostmaster.cluster.local. 1700000000 7200 1800 86400 30"},
      {"ext 5 IN CNAME Example.COM.", "ext.cluster.local.\t5\tIN\tCNAME\tExample.COM."},
      {R"(a\.b 5 IN TYPE65280 \# 3 0a0b0c)", "a\\.b.cluster.local.\t5\tIN\tTYPE65280\t\\# 3 0a0b0c"},
  };
  const auto origin = wire::name("cluster.local");
  for (const auto& [line, written] : cases) {
    CAPTURE(line);
    const auto record = parse_record(line, {.origin = origin, .ttl = 60});
    REQUIRE_MESSAGE(record.has_value(), record.error());
    CHECK(to_string(*record) == written);
    CHECK(parse_record(to_string(*record)) == record);
  }
}

TEST_CASE("a line that is no record says why") {
  const std::string_view lines[] = {"",
                                    "web",
                                    "web 5 IN A",
                                    "web 5 IN A 10.0.0.256",
                                    "web 5 IN SRV 0 100 80",
                                    "web 5 IN NOTYPE x",
                                    std::string_view("web 5 IN A 10.0.0.1\0", 20),
                                    "web 5 IN TYPE65280 \\# 4 0a0b0c"};
  for (const auto line : lines) {
    CAPTURE(line);
    const auto record = parse_record(line);
    REQUIRE_FALSE(record.has_value());
    CHECK_FALSE(record.error().empty());
  }
  CHECK_FALSE(parse_record("web 5 IN TXT " + std::string(70000, 'x')).has_value());
  CHECK_FALSE(parse_record(std::string(70, 'x') + " 5 IN A 10.0.0.1").has_value());
}

TEST_CASE("RDATA that does not fit its type is written in the generic form, never lost (RFC 3597 §5)") {
  CHECK(rdata_to_string(RRType::a, Octets{10, 0, 0, 1}) == "10.0.0.1");
  CHECK(rdata_to_string(RRType::a, Octets{10, 0, 0}) == "\\# 3 0a0000");
  CHECK(rdata_to_string(RRType::a, Octets{10, 0, 0, 1, 9}) == "\\# 5 0a00000109");
  CHECK(rdata_to_string(RRType::a, {}) == "\\# 0");
  CHECK(rdata_to_string(RRType::ns, Octets{0xc0, 0x0c}) == "\\# 2 c00c");
  CHECK(rdata_to_string(RRType::ns, Octets{3, 'w'}) == "\\# 2 0377");
  CHECK(rdata_to_string(RRType::txt, Octets{2, 'a', '"'}) == R"("a\"")");
  CHECK(rdata_to_string(static_cast<RRType>(65280), Octets{0xff}) == "\\# 1 ff");
  CHECK(rdata_to_string(RRType::txt, Octets(65535)).starts_with("\\# 65535 00"));
}

TEST_CASE("every type writes RDATA of any octets without loss or crash") {
  for (unsigned type = 0; type < 300; ++type) {
    for (const std::size_t size : {0u, 1u, 2u, 4u, 7u, 16u, 20u, 300u}) {
      for (const unsigned fill : {0u, 1u, 0x3fu, 0xc0u, 0xffu}) {
        const Octets rdata(size, static_cast<std::uint8_t>(fill));
        const std::string text = rdata_to_string(static_cast<RRType>(type), rdata);
        CHECK((text.starts_with("\\# ") || parse_rdata(static_cast<RRType>(type), text) == rdata));
      }
    }
  }
}

TEST_CASE("RDATA alone is read for its type") {
  CHECK(parse_rdata(RRType::a, "10.0.0.1") == Octets{10, 0, 0, 1});
  CHECK(parse_rdata(RRType::srv, "0 100 80 web", wire::name("a"))->size() == 6 + 7);
  CHECK_FALSE(parse_rdata(RRType::a, "10.0.0").has_value());
}

TEST_CASE("a compressed record of a message is spelled out") {
  const Packet packet = Packet()
                            .header(Header::qr, 1, 2)
                            .question("web.example", RRType::cname)
                            .u16(0xc00c)
                            .record(RRType::cname, 1, 5, {1, 'x', 0xc0, 0x10})
                            .u16(0xc00c)
                            .record(RRType::a, 1, 5, {1, 2, 3});
  auto reader = RecordReader::open(packet);
  REQUIRE(reader.has_value());
  const auto record = read_record(packet, **reader->next());
  REQUIRE(record.has_value());
  CHECK(to_string(*record) == "web.example.\t5\tIN\tCNAME\tx.example.");
  CHECK_FALSE(read_record(packet, **reader->next()).has_value());
}

TEST_CASE("ldns reads the messages that our writer makes") {
  Octets buffer(udp_octets_max);
  MessageWriter writer(buffer, udp_octets_max);
  const Packet question = Packet().question("web.example", RRType::a);
  writer.begin({.id = 4711}, question, true);
  writer.append(Section::answer, Octets{0xc0, 0x0c}, RRType::a, 5, Octets{10, 0, 0, 1});
  writer.set_extended_error({.code = ExtendedError::stale_answer, .text = "API server out of reach"});
  const auto text = message_to_string(writer.finish());
  CHECK(text.contains("id: 4711"));
  CHECK(text.contains("web.example.\t5\tIN\tA\t10.0.0.1"));
  CHECK(text.contains("rcode: NOERROR"));
  CHECK(message_to_string(Octets{1, 2, 3}).starts_with(";; no DNS message: "));
}
