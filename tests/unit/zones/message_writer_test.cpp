#include "zones/dns/message_writer.hpp"

#include <doctest/doctest.h>

#include "wire.hpp"

using namespace fairlead;
using namespace fairlead::dns;
using wire::Octets;
using wire::Packet;

namespace {

const Header plain_query{.id = 0x4711, .flags = Header::rd | Header::cd | Header::ad | Header::tc, .question_count = 1};
const Octets question{3, 'W', 'e', 'b', 7, 'e', 'x', 'a', 'm', 'p', 'l', 'e', 0, 0, 1, 0, 1};
const Octets address{10, 0, 0, 1};
const Octets owner{0xc0, 0x0c};

// The OPT record of a finished message, which stands last.
RecordView read_opt(std::span<const std::uint8_t> message) {
  auto reader = RecordReader::open(message);
  REQUIRE(reader.has_value());
  std::optional<RecordView> last;
  while (auto record = reader->next()) {
    if (!record->has_value()) break;
    last = **record;
  }
  REQUIRE(last.has_value());
  REQUIRE(last->type == RRType::opt);
  return *last;
}

struct Reply {
  explicit Reply(std::size_t limit = udp_octets_max, std::size_t capacity = message_octets_max)
      : buffer(capacity), writer(buffer, limit) {}
  Octets buffer;
  MessageWriter writer;
};

}  // namespace

TEST_CASE("a reply repeats id, opcode, RD, CD and the question, and nothing else of the query") {
  Reply reply;
  reply.writer.begin(plain_query, question, false);
  reply.writer.set_flag(Header::aa);
  reply.writer.set_rcode(Rcode::nxdomain);
  const auto message = reply.writer.finish();
  const Header header = read_header(message);
  CHECK(header.id == 0x4711);
  CHECK(header.flags == (Header::qr | Header::aa | Header::rd | Header::cd | 3));
  CHECK(header.question_count == 1);
  CHECK(header.additional_count == 0);
  CHECK(std::ranges::equal(message.subspan(header_octets), question));
  reply.writer.begin({.id = 1, .flags = 4 << 11}, {}, false);
  CHECK(read_header(reply.writer.finish()).opcode() == Opcode::notify);
  CHECK(read_header(reply.writer.finish()).question_count == 0);
}

TEST_CASE("records are written in wire order and counted by section") {
  Reply reply;
  reply.writer.begin(plain_query, question, true);
  CHECK(reply.writer.append(Section::answer, owner, RRType::a, 5, address));
  CHECK(reply.writer.append(Section::authority, owner, RRType::ns, 6, Octets{0xc0, 0x0c}));
  CHECK(reply.writer.append(Section::additional, Octets{0}, RRType::a, 7, address));
  const auto message = wire::read_strictly(reply.writer.finish());
  CHECK(message.texts(Section::answer) == std::vector<std::string>{"Web.example. 5 A 10.0.0.1"});
  CHECK(message.texts(Section::authority) == std::vector<std::string>{"Web.example. 6 NS Web.example."});
  CHECK(message.texts(Section::additional) == std::vector<std::string>{". 7 A 10.0.0.1", ". 0 OPT"});
}

TEST_CASE("a record fits whole or is refused, and room for OPT is kept") {
  for (const bool edns : {false, true}) {
    for (std::size_t limit = 512; limit < 512 + 16; ++limit) {
      CAPTURE(edns);
      CAPTURE(limit);
      Reply reply(limit);
      reply.writer.begin(plain_query, question, edns);
      std::size_t records = 0;
      while (reply.writer.append(Section::answer, owner, RRType::a, 5, address)) ++records;
      CHECK(records == (limit - header_octets - question.size() - (edns ? opt_octets : 0)) / 16);
      const auto message = reply.writer.finish();
      CHECK(message.size() <= limit);
      CHECK(wire::read_strictly(message).records.size() == records + (edns ? 1 : 0));
    }
  }
}

TEST_CASE("the limit is the smallest of what the client takes, the buffer and a message") {
  Reply small_buffer(65535, 600);
  small_buffer.writer.begin(plain_query, question, true);
  while (small_buffer.writer.append(Section::answer, owner, RRType::a, 5, address)) {
  }
  CHECK(small_buffer.writer.finish().size() <= 600);

  Reply huge(1'000'000, 1'000'000);
  huge.writer.begin(plain_query, question, true);
  while (huge.writer.append(Section::answer, owner, RRType::a, 5, address)) {
  }
  const auto message = huge.writer.finish();
  CHECK(message.size() <= message_octets_max);
  CHECK(message.size() > message_octets_max - 16);
  CHECK(read_header(message).answer_count == (message_octets_max - header_octets - question.size() - opt_octets) / 16);

  // A limit below what every client takes would leave no room for the question.
  Reply tiny(0, 512);
  tiny.writer.begin(plain_query, question, true);
  REQUIRE(tiny.writer.room() == 512 - header_octets - question.size() - opt_octets);
  CHECK(tiny.writer.append(Section::answer, owner, RRType::a, 5, address));
  CHECK(wire::read_strictly(tiny.writer.finish()).records.size() == 2);
}

TEST_CASE("the longest question, OPT and a whole reason never exceed 512 octets") {
  std::string longest;
  for (int i = 0; i < 127; ++i) longest += "a.";
  const Octets long_question = Packet().question(longest, RRType::a).octets();
  Reply reply(512, 512);
  reply.writer.begin(plain_query, long_question, true);
  const std::string reason(1000, 'x');
  reply.writer.set_extended_error({.code = ExtendedError::other, .text = reason});
  CHECK(reply.writer.finish().size() == 512);
}

TEST_CASE("an RCODE above 15 is split between header and OPT") {
  Reply reply;
  reply.writer.begin(plain_query, question, true);
  reply.writer.set_rcode(Rcode::badvers);
  const auto message = reply.writer.finish();
  CHECK(read_header(message).rcode() == Rcode::noerror);
  const RecordView opt = read_opt(message);
  CHECK(opt.ttl == 1u << 24);
  CHECK(opt.rrclass == udp_octets_max);
  CHECK(opt.rdata.empty());
}

TEST_CASE("an RCODE above 15 without OPT is SERVFAIL, never its lower half") {
  Reply reply;
  reply.writer.begin(plain_query, question, false);
  reply.writer.set_rcode(Rcode::badvers);
  CHECK(read_header(reply.writer.finish()).rcode() == Rcode::servfail);
}

TEST_CASE("the DO bit comes back as sent (RFC 3225 §3)") {
  Reply reply;
  reply.writer.begin(plain_query, question, std::optional(Edns{.dnssec_ok = true, .options = {}}));
  CHECK(read_opt(reply.writer.finish()).ttl == 0x8000);
  reply.writer.begin(plain_query, question, std::optional(Edns{}));
  CHECK(read_opt(reply.writer.finish()).ttl == 0);
  reply.writer.begin(plain_query, question, std::optional<Edns>());
  CHECK(wire::read_strictly(reply.writer.finish()).records.empty());
}

TEST_CASE("the reason is shown in OPT, cut between characters to what fits (RFC 8914 §2)") {
  Reply reply(512);
  const auto reason_of = [&](std::string_view text, std::size_t records) {
    reply.writer.begin(plain_query, question, true);
    for (std::size_t i = 0; i < records; ++i) reply.writer.append(Section::answer, owner, RRType::a, 5, address);
    reply.writer.set_extended_error({.code = ExtendedError::not_ready, .text = text});
    const auto message = reply.writer.finish();
    CHECK(message.size() <= 512);
    const auto rdata = read_opt(message).rdata;
    if (rdata.empty()) return std::string("none");
    CHECK(read_u16(rdata.data()) == 15);
    CHECK(read_u16(rdata.data() + 2) == rdata.size() - 4);
    CHECK(read_u16(rdata.data() + 4) == 14);
    return std::string(rdata.begin() + 6, rdata.end());
  };
  CHECK(reason_of("no such namespace", 0) == "no such namespace");
  CHECK(reason_of("", 0).empty());
  // 512 - 12 - 17 - 11 leaves 472 octets: 29 records of 16, then 8 for a reason with 6 octets of its own.
  CHECK(reason_of("abcdef", 29) == "ab");
  CHECK(reason_of("a\xc3\xa9", 29) == "a");
  CHECK(reason_of("\xc3\xa9x", 29) == "\xc3\xa9");
  CHECK(reason_of("\xe2\x82\xac", 29).empty());
  // 18 octets longer, and not even the code fits.
  reply.writer.begin(plain_query, question, true);
  for (int i = 0; i < 29; ++i) reply.writer.append(Section::answer, owner, RRType::a, 5, address);
  REQUIRE(reply.writer.room() == 8);
}

TEST_CASE("a reason without OPT is left out") {
  Reply reply;
  reply.writer.begin(plain_query, question, false);
  reply.writer.set_extended_error({.code = ExtendedError::blocked, .text = "blocked"});
  CHECK(reply.writer.finish().size() == header_octets + question.size());
}

TEST_CASE("dropping the records leaves header and question, and begin() forgets everything else") {
  Reply reply;
  reply.writer.begin(plain_query, question, true);
  reply.writer.append(Section::answer, owner, RRType::a, 5, address);
  reply.writer.clear_records();
  CHECK(reply.writer.count(Section::answer) == 0);
  reply.writer.set_extended_error({.code = ExtendedError::blocked, .text = "blocked"});
  reply.writer.set_rcode(Rcode::refused);
  reply.writer.set_flag(Header::aa);
  CHECK(wire::read_strictly(reply.writer.finish()).records.size() == 1);
  reply.writer.begin({.id = 5}, question, false);
  const auto message = reply.writer.finish();
  CHECK(read_header(message).flags == Header::qr);
  CHECK(message.size() == header_octets + question.size());
}
