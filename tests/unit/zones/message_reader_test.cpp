#include "zones/dns/message_reader.hpp"

#include <doctest/doctest.h>

#include "wire.hpp"

using namespace fairlead;
using namespace fairlead::dns;
using wire::Octets;
using wire::Packet;

namespace {

constexpr unsigned recursion_desired = Header::rd;

Packet query(std::string_view qname = "web.default.svc.cluster.local", RRType type = RRType::a,
             unsigned additionals = 0) {
  return Packet().header(recursion_desired, 1, 0, 0, additionals).question(qname, type);
}

QueryFault fault_of(const Packet& packet) {
  const auto read = read_query(packet);
  REQUIRE_FALSE(read.has_value());
  return read.error().fault;
}

}  // namespace

TEST_CASE("a plain query is taken apart") {
  const Packet packet = query("Web.Default.svc.cluster.local", RRType::aaaa);
  const auto read = read_query(packet);
  REQUIRE(read.has_value());
  CHECK(read->header.id == 0x1234);
  CHECK(read->header.has(Header::rd));
  CHECK(read->qname.to_string() == "Web.Default.svc.cluster.local.");
  CHECK(read->qtype == RRType::aaaa);
  CHECK(read->qclass == RRClass::in);
  CHECK_FALSE(read->edns.has_value());
  CHECK(read->question.size() == packet.octets().size() - header_octets);
}

TEST_CASE("the root and the longest name can be asked for") {
  CHECK(read_query(query("."))->qname.is_root());
  std::string longest;
  for (int i = 0; i < 127; ++i) longest += "a.";
  CHECK(read_query(query(longest))->qname.size() == name_octets_max);
}

TEST_CASE("OPT is read: size, version, DO and options") {
  const Octets options{0, 10, 0, 2, 0xab, 0xcd, 0, 3, 0, 0};
  const Packet packet = query("a", RRType::a, 1).opt(4096, 0x00008000, options);
  const auto read = read_query(packet);
  REQUIRE(read.has_value());
  REQUIRE(read->edns.has_value());
  CHECK(read->edns->udp_octets == 4096);
  CHECK(read->edns->version == 0);
  CHECK(read->edns->dnssec_ok);
  CHECK(std::ranges::equal(read->edns->options, options));
  // RFC 6891 §6.2.3: sizes below 512 mean 512.
  CHECK(read_query(query("a", RRType::a, 1).opt(0))->edns->udp_octets == 512);
  CHECK_FALSE(read_query(query("a", RRType::a, 1).opt())->edns->dnssec_ok);
}

TEST_CASE("other additional records are walked over, before and behind OPT") {
  const Packet packet = query("a", RRType::a, 3)
                            .owner("key.example")
                            .record(static_cast<RRType>(250), 255, 0, Octets(40))
                            .opt()
                            .owner(".")
                            .record(RRType::a, 1, 0, {10, 0, 0, 1});
  const auto read = read_query(packet);
  REQUIRE(read.has_value());
  CHECK(read->edns.has_value());
}

TEST_CASE("what could feed a loop gets no reply") {
  for (std::size_t size = 0; size < header_octets; ++size) {
    CHECK(read_query(std::span(query().octets()).first(size)).error().fault == QueryFault::drop);
  }
  CHECK(fault_of(Packet().header(Header::qr, 1).question("a", RRType::a)) == QueryFault::drop);
  // A response with an unknown opcode is still a response.
  CHECK(fault_of(Packet().header(Header::qr | 0x7800, 1).question("a", RRType::a)) == QueryFault::drop);
}

TEST_CASE("every opcode but QUERY is NOTIMP") {
  for (unsigned opcode = 1; opcode < 16; ++opcode) {
    CHECK(fault_of(Packet().header(opcode << 11, 1).question("a", RRType::a)) == QueryFault::notimp);
  }
}

TEST_CASE("a query that does not parse is FORMERR") {
  SUBCASE("no question") { CHECK(fault_of(Packet().header(0, 0)) == QueryFault::formerr); }
  SUBCASE("two questions (RFC 9619)") {
    CHECK(fault_of(Packet().header(0, 2).question("a", RRType::a).question("b", RRType::a)) == QueryFault::formerr);
  }
  SUBCASE("65,535 questions") {
    CHECK(fault_of(Packet().header(0, 65535).question("a", RRType::a)) == QueryFault::formerr);
  }
  SUBCASE("an answer") {
    CHECK(
        fault_of(Packet().header(0, 1, 1).question("a", RRType::a).owner("a").record(RRType::a, 1, 0, {1, 2, 3, 4})) ==
        QueryFault::formerr);
  }
  SUBCASE("cut anywhere, OPT included") {
    const Packet whole = query("web.default.svc.cluster.local", RRType::a, 1).opt(1232, 0, {0, 3, 0, 1, 'x'});
    REQUIRE(read_query(whole).has_value());
    for (std::size_t size = header_octets; size < whole.octets().size(); ++size) {
      CAPTURE(size);
      const auto read = read_query(std::span(whole.octets()).first(size));
      REQUIRE_FALSE(read.has_value());
      CHECK(read.error().fault == QueryFault::formerr);
    }
  }
  SUBCASE("a compressed question name") {
    CHECK(fault_of(Packet().header(0, 1).u8(1).text("a").u16(0xc00c).u16(1).u16(1)) == QueryFault::formerr);
    CHECK(fault_of(Packet().header(0, 1).u16(0xc000).u16(1).u16(1)) == QueryFault::formerr);
  }
  SUBCASE("reserved label types") {
    CHECK(fault_of(Packet().header(0, 1).u8(0x41).text("a").u8(0).u16(1).u16(1)) == QueryFault::formerr);
    CHECK(fault_of(Packet().header(0, 1).u8(0x80).text("a").u8(0).u16(1).u16(1)) == QueryFault::formerr);
  }
  SUBCASE("a name of 257 octets") {
    Packet packet;
    packet.header(0, 1);
    for (int i = 0; i < 128; ++i) packet.u8(1).text("a");
    CHECK(fault_of(packet.u8(0).u16(1).u16(1)) == QueryFault::formerr);
  }
  SUBCASE("two OPT records") { CHECK(fault_of(query("a", RRType::a, 2).opt().opt()) == QueryFault::formerr); }
  SUBCASE("OPT below the root") {
    CHECK(fault_of(query("a", RRType::a, 1).owner("x").record(RRType::opt, 1232, 0, {})) == QueryFault::formerr);
    CHECK(fault_of(query("a", RRType::a, 1).u16(0xc00c).record(RRType::opt, 1232, 0, {})) == QueryFault::formerr);
  }
  SUBCASE("options that do not tile the OPT") {
    const Octets broken[] = {{0}, {0, 10, 0}, {0, 10, 0, 2, 1}, {0, 10, 0xff, 0xff, 1}, {0, 10, 0, 0, 0, 3, 0}};
    for (const auto& options : broken) {
      CHECK(fault_of(query("a", RRType::a, 1).opt(1232, 0, options)) == QueryFault::formerr);
    }
  }
  SUBCASE("octets behind the end") {
    CHECK(fault_of(query().u8(0)) == QueryFault::formerr);
    CHECK(fault_of(query("a", RRType::a, 1).opt().u8(0)) == QueryFault::formerr);
  }
  SUBCASE("counts that lie") {
    CHECK(fault_of(query("a", RRType::a, 1)) == QueryFault::formerr);
    CHECK(fault_of(query("a", RRType::a, 2).opt()) == QueryFault::formerr);
    CHECK(fault_of(query("a", RRType::a, 0).opt()) == QueryFault::formerr);
    CHECK(fault_of(Packet().header(0, 1, 0, 65535, 65535).question("a", RRType::a).opt()) == QueryFault::formerr);
  }
  SUBCASE("OPT outside of the additional section") {
    CHECK(fault_of(Packet().header(0, 1, 0, 1).question("a", RRType::a).opt()) == QueryFault::formerr);
  }
}

TEST_CASE("a later EDNS version is BADVERS, and the reply may carry OPT and the question") {
  const auto read = read_query(query("a", RRType::a, 1).opt(1400, 0x00018000));
  REQUIRE_FALSE(read.has_value());
  CHECK(read.error().fault == QueryFault::badvers);
  CHECK(read.error().question.size() == 7);
  REQUIRE(read.error().edns.has_value());
  CHECK(read.error().edns->udp_octets == 1400);
  CHECK(read.error().edns->dnssec_ok);
}

TEST_CASE("the question of a broken query is kept when it could be read") {
  const auto read = read_query(query("a", RRType::a, 1));
  REQUIRE_FALSE(read.has_value());
  CHECK(read.error().question.size() == 7);
  CHECK(read_query(Packet().header(0, 1).u16(0xc00c)).error().question.empty());
}

TEST_CASE("IXFR carries its serial in the authority section (RFC 1995 §3)") {
  const auto soa = [](std::uint32_t serial) {
    return Packet().owner("ns.example").owner("host.example").u32(serial).u32(1).u32(2).u32(3).u32(4).octets();
  };
  const auto ixfr = [](unsigned authorities) {
    return Packet().header(0, 1, 0, authorities).question("example", RRType::ixfr);
  };
  CHECK(read_query(ixfr(1).u16(0xc00c).record(RRType::soa, 1, 0, soa(4000000000)))->ixfr_serial == 4000000000);
  CHECK_FALSE(read_query(ixfr(0))->ixfr_serial.has_value());
  // Another record behind it does not undo it.
  CHECK(read_query(
            ixfr(2).u16(0xc00c).record(RRType::soa, 1, 0, soa(7)).u16(0xc00c).record(RRType::a, 1, 0, {1, 2, 3, 4}))
            ->ixfr_serial == 7);
  // A SOA that does not hold two names and five numbers has no serial.
  Octets short_soa = soa(7);
  short_soa.pop_back();
  CHECK_FALSE(read_query(ixfr(1).u16(0xc00c).record(RRType::soa, 1, 0, short_soa))->ixfr_serial.has_value());
  CHECK_FALSE(read_query(ixfr(1).u16(0xc00c).record(RRType::soa, 1, 0, {}))->ixfr_serial.has_value());
  // Only IXFR looks there.
  CHECK_FALSE(
      read_query(
          Packet().header(0, 1, 0, 1).question("example", RRType::a).u16(0xc00c).record(RRType::soa, 1, 0, soa(7)))
          ->ixfr_serial.has_value());
}

TEST_CASE("a compressed name is followed backwards") {
  const Packet packet = Packet()
                            .header(0, 0)
                            .owner("cluster.local")
                            .u8(3)
                            .text("svc")
                            .u16(0xc00c)
                            .u8(3)
                            .text("web")
                            .u16(0xc000 | 27)
                            .u8(9);
  NameBuffer read;
  const auto end = read_name(packet, 33, read);
  REQUIRE(end.has_value());
  CHECK(read.view().to_string() == "web.svc.cluster.local.");
  CHECK(*end == 39);
  CHECK(skip_name(packet, 33) == 39);
}

TEST_CASE("pointers that do not lead backwards are refused, so no name loops") {
  NameBuffer name;
  const auto error_at = [&name](const Packet& packet, std::size_t offset) {
    const auto read = read_name(packet, offset, name);
    REQUIRE_FALSE(read.has_value());
    return read.error();
  };
  SUBCASE("to itself") { CHECK(error_at(Packet().header(0, 0).u16(0xc00c), 12) == MessageError::bad_name); }
  SUBCASE("forwards") { CHECK(error_at(Packet().header(0, 0).u16(0xc00e).owner("a"), 12) == MessageError::bad_name); }
  SUBCASE("two to each other") {
    CHECK(error_at(Packet().header(0, 0).u16(0xc00e).u16(0xc00c), 14) == MessageError::bad_name);
  }
  SUBCASE("back to a label that leads here again") {
    CHECK(error_at(Packet().header(0, 0).u8(1).text("a").u16(0xc00c), 14) == MessageError::bad_name);
    CHECK(error_at(Packet().header(0, 0).u8(1).text("a").u16(0xc00c), 12) == MessageError::bad_name);
  }
  SUBCASE("behind the message") { CHECK(error_at(Packet().header(0, 0).u16(0xffff), 12) == MessageError::bad_name); }
  SUBCASE("cut in half") { CHECK(error_at(Packet().header(0, 0).u8(0xc0), 12) == MessageError::truncated); }
  SUBCASE("at the end of the message") { CHECK(error_at(Packet().header(0, 0), 12) == MessageError::truncated); }
  SUBCASE("far behind the end") { CHECK(error_at(Packet().header(0, 0), 70000) == MessageError::truncated); }
  SUBCASE("a label over the end") {
    CHECK(error_at(Packet().header(0, 0).u8(5).text("abc"), 12) == MessageError::truncated);
  }
  SUBCASE("reserved label types") { CHECK(error_at(Packet().header(0, 0).u8(0x40), 12) == MessageError::bad_name); }
}

TEST_CASE("a chain of pointers is bounded by the length of a name") {
  // Each name is one label and a pointer to the one before it: 127 labels are a name, 128 are too long.
  Packet packet = Packet().header(0, 0).u8(0);
  std::vector<std::size_t> starts{12};
  for (int i = 0; i < 128; ++i) {
    const std::size_t start = packet.octets().size();
    packet.u8(1).text("a").u16(static_cast<unsigned>(0xc000 | starts.back()));
    starts.push_back(start);
  }
  NameBuffer name;
  REQUIRE(read_name(packet, starts[126], name).has_value());
  CHECK(name.view().label_count() == 126);
  CHECK_FALSE(read_name(packet, starts[128], name).has_value());
  // Pointers to pointers add no label, and end all the same.
  Packet bare = Packet().header(0, 0).u8(0);
  for (int i = 0; i < 1000; ++i) {
    const std::size_t before = i == 0 ? 12 : bare.octets().size() - 2;
    bare.u16(static_cast<unsigned>(0xc000 | before));
  }
  CHECK(read_name(bare, 13 + 2 * 100, name).has_value());
  CHECK_FALSE(read_name(bare, 13 + 2 * 999, name).has_value());
}

TEST_CASE("the records of a reply are walked by section, with their places in the message") {
  const Packet packet = Packet()
                            .header(Header::qr, 1, 1, 1, 1)
                            .question("a", RRType::a)
                            .u16(0xc00c)
                            .record(RRType::a, 1, 30, {10, 0, 0, 1})
                            .u16(0xc00c)
                            .record(RRType::ns, 1, 31, {0xc0, 0x0c})
                            .opt();
  auto reader = RecordReader::open(packet);
  REQUIRE(reader.has_value());
  const RecordView answer = reader->next()->value();
  CHECK(answer.section == Section::answer);
  CHECK(answer.owner_offset == 19);
  CHECK(answer.ttl == 30);
  CHECK(read_u32(packet.octets().data() + answer.ttl_offset) == 30);
  CHECK(packet.octets().data() + answer.rdata_offset == answer.rdata.data());
  CHECK(reader->next()->value().section == Section::authority);
  CHECK(reader->next()->value().section == Section::additional);
  CHECK_FALSE(reader->next()->has_value());
  CHECK_FALSE(reader->next()->has_value());
  CHECK(reader->offset() == packet.octets().size());
}

TEST_CASE("a reply whose counts lie or whose records are cut is refused, not read past") {
  const Packet whole = Packet()
                           .header(Header::qr, 1, 1, 0, 0)
                           .question("a", RRType::a)
                           .u16(0xc00c)
                           .record(RRType::a, 1, 30, {10, 0, 0, 1});
  for (std::size_t size = 0; size < whole.octets().size(); ++size) {
    CAPTURE(size);
    // A copy of its own, so that AddressSanitizer sees a read behind the end.
    const Octets part(whole.octets().begin(), whole.octets().begin() + static_cast<std::ptrdiff_t>(size));
    auto reader = RecordReader::open(part);
    CHECK((!reader.has_value() || !reader->next().has_value()));
  }
  const Packet liar = Packet().header(Header::qr, 0, 65535, 65535, 65535);
  auto reader = RecordReader::open(liar);
  REQUIRE(reader.has_value());
  CHECK(reader->next().error() == MessageError::truncated);
  CHECK_FALSE(RecordReader::open(Packet().header(Header::qr, 65535).question("a", RRType::a)).has_value());
}
