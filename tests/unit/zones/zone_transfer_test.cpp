#include "zones/zone_transfer.hpp"

#include <doctest/doctest.h>

#include <string>

#include "support/message_text.hpp"
#include "support/query_packet.hpp"
#include "wire.hpp"

using namespace fairlead;
using namespace fairlead::zones;
using dns::RRType;
using wire::name;
using Octets = std::vector<std::uint8_t>;

namespace {

struct Record {
  std::string owner;
  RRType type = RRType::a;
  Octets rdata = {10, 0, 0, 1};
};

Record soa(std::uint32_t serial = 7) {
  Octets rdata = {1, 'n', 0, 1, 'h', 0};
  rdata.resize(rdata.size() + 20);
  dns::write_u32(rdata.data() + 6, serial);
  return {"example.org", RRType::soa, rdata};
}

// Gives its records, and before them whatever steps it is told.
class ListedZone final : public ZoneReader {
 public:
  explicit ListedZone(std::vector<Record> records, std::vector<Step> steps = {})
      : records_(std::move(records)), steps_(std::move(steps)) {}
  Step next(ZoneRecord& record) override {
    if (!steps_.empty()) {
      const Step step = steps_.front();
      steps_.erase(steps_.begin());
      if (step != Step::record) return step;
    }
    if (at_ == records_.size()) return Step::end;
    const Record& listed = records_[at_++];
    owner_ = name(listed.owner);
    record = {.owner = owner_, .type = listed.type, .ttl = 5, .rdata = listed.rdata};
    return Step::record;
  }

 private:
  std::vector<Record> records_;
  std::vector<Step> steps_;
  std::size_t at_ = 0;
  dns::DomainName owner_;
};

struct Sent {
  std::vector<Octets> messages;
  TransferWriter::Step last{};
  int slices = 0;
};

Sent send(std::vector<Record> records, std::string_view qname = "example.org",
          test::QueryPacketOptions options = {.edns_octets = 1232}) {
  const auto packet = test::query_packet(qname, RRType::axfr, options);
  const auto query = dns::read_query(packet);
  TransferWriter writer(std::make_unique<ListedZone>(std::move(records)), query->header, query->question, query->edns);
  Sent sent;
  while (true) {
    std::span<const std::uint8_t> message;
    sent.last = writer.advance(message);
    ++sent.slices;
    if (sent.last == TransferWriter::Step::message) sent.messages.emplace_back(message.begin(), message.end());
    if (sent.last == TransferWriter::Step::end || sent.last == TransferWriter::Step::lost) return sent;
    REQUIRE(sent.slices < 100000);
  }
}

std::vector<std::string> owners(const Sent& sent) {
  std::vector<std::string> all;
  for (const auto& message : sent.messages) {
    auto reader = dns::RecordReader::open(message);
    while (true) {
      const auto record = reader->next();
      REQUIRE(record.has_value());
      if (!*record) break;
      if ((*record)->section == dns::Section::answer) all.push_back(test::name_text(message, (*record)->owner_offset));
    }
  }
  return all;
}

}  // namespace

TEST_CASE("a transfer begins and ends with the SOA and is authoritative (RFC 5936 §2.2)") {
  const Sent sent = send({soa(), {"www.example.org"}, {"example.org", RRType::aaaa, Octets(16)}});
  REQUIRE(sent.messages.size() == 1);
  CHECK(sent.last == TransferWriter::Step::end);
  CHECK(test::message_lines(sent.messages[0]) ==
        std::vector<std::string>{"NOERROR aa", "answer: example.org. 5 SOA n. h. SERIAL 0 0 0 0",
                                 "answer: www.example.org. 5 A 10.0.0.1",
                                 "answer: example.org. 5 AAAA ::", "answer: example.org. 5 SOA n. h. SERIAL 0 0 0 0"});
}

TEST_CASE("a zone of nothing but its SOA has it twice") {
  CHECK(owners(send({soa()})) == std::vector<std::string>{"example.org.", "example.org."});
}

TEST_CASE("every message has the query's id and question, OPT when the query has, and at most 16 KiB") {
  std::vector<Record> records{soa()};
  std::vector<std::string> expected{"Example.ORG."};
  for (int i = 0; i < 5000; ++i) {
    const std::string owner = "host" + std::to_string(i) + (i % 3 == 0 ? ".a.long.branch" : "");
    records.push_back({owner + ".example.org"});
    expected.push_back(owner + ".Example.ORG.");
  }
  expected.push_back("Example.ORG.");
  for (const std::uint16_t edns_octets : {0, 1232}) {
    const Sent sent = send(records, "Example.ORG", {.id = 0xbeef, .edns_octets = edns_octets});
    // In the client's case, which the question has.
    CHECK(owners(sent) == expected);
    CHECK(sent.messages.size() > 5);
    for (const auto& message : sent.messages) {
      const auto header = dns::read_header(message);
      CHECK(message.size() <= transfer_message_octets);
      CHECK(header.id == 0xbeef);
      CHECK(header.question_count == 1);
      CHECK(test::name_text(message, dns::header_octets) == "Example.ORG.");
      CHECK(header.additional_count == (edns_octets > 0 ? 1 : 0));
      if (&message != &sent.messages.back()) CHECK(message.size() > transfer_message_octets - 512);
    }
    // No slice reads more than transfer_slice_records.
    CHECK(sent.slices > 5000 / static_cast<int>(transfer_slice_records));
  }
}

TEST_CASE("owners are compressed against the one before and the question") {
  const Sent plain = send({soa()});
  const auto octets_of = [&](std::vector<Record> records) {
    records.insert(records.begin(), soa());
    return send(records).messages.at(0).size() - plain.messages.at(0).size();
  };
  constexpr std::size_t fixed = 10 + 4;  // type, class, TTL, length, address
  CHECK(octets_of({{"example.org"}}) == fixed + 2);
  CHECK(octets_of({{"www.example.org"}}) == fixed + 4 + 2);
  CHECK(octets_of({{"a.b.c.example.org"}, {"d.B.c.EXAMPLE.org"}}) == 2 * fixed + 6 + 2 + 2 + 2);
  CHECK(octets_of({{"a.b.c.example.org"}, {"b.c.example.org"}, {"a.b.c.example.org"}}) == 3 * fixed + 8 + 2 + 4);
  // "b" of one branch is not "b" of the other.
  CHECK(owners(send({soa(), {"a.b.example.org"}, {"a.c.example.org"}, {"b.c.example.org"}})).at(3) ==
        "b.c.example.org.");
  // Not in the zone at all, and the root.
  CHECK(owners(send({soa(), {"a.example.net"}, {"."}})) ==
        std::vector<std::string>{"example.org.", "a.example.net.", ".", "example.org."});
}

TEST_CASE("a record that is larger than a usual message gets a larger one, and names behind 16 KiB are spelled out") {
  const Sent sent = send({soa(),
                          {"a.example.org"},
                          {"big.example.org", RRType::txt, Octets(60000)},
                          {"b.example.org"},
                          {"c.b.example.org"},
                          {"b.example.org"}});
  CHECK(sent.last == TransferWriter::Step::end);
  CHECK(owners(sent) == std::vector<std::string>{"example.org.", "a.example.org.", "big.example.org.", "b.example.org.",
                                                 "c.b.example.org.", "b.example.org.", "example.org."});
}

TEST_CASE("a record that no message can hold ends the transfer as lost") {
  CHECK(send({soa(), {"big.example.org", RRType::txt, Octets(65500)}}).last == TransferWriter::Step::lost);
}

TEST_CASE("a zone that does not begin with an SOA is not sent at all") {
  const Sent sent = send({{"www.example.org"}, soa()});
  CHECK(sent.last == TransferWriter::Step::lost);
  CHECK(sent.messages.empty());
  CHECK(send({}).last == TransferWriter::Step::lost);
  CHECK(send({{"example.org", RRType::soa, Octets(3)}}).last == TransferWriter::Step::lost);
}

TEST_CASE("a reader that works, waits or loses its version says so through the writer, and what was read stays") {
  using Step = ZoneReader::Step;
  const auto packet = test::query_packet("example.org", RRType::axfr);
  const auto query = dns::read_query(packet);
  const auto steps_of = [&](std::vector<Step> steps) {
    TransferWriter writer(std::make_unique<ListedZone>(std::vector<Record>{soa(), {"www.example.org"}}, steps),
                          query->header, query->question, query->edns);
    std::vector<TransferWriter::Step> seen;
    std::span<const std::uint8_t> message;
    do {
      seen.push_back(writer.advance(message));
    } while (seen.back() != TransferWriter::Step::end && seen.back() != TransferWriter::Step::lost);
    CHECK((seen.back() == TransferWriter::Step::lost || writer.records() == 3));
    CHECK(writer.serial() == (steps.empty() || steps.front() != Step::lost ? 7u : 0u));
    return seen;
  };
  using Seen = std::vector<TransferWriter::Step>;
  using enum TransferWriter::Step;
  CHECK(steps_of({}) == Seen{message, end});
  CHECK(steps_of({Step::waiting, Step::working, Step::record, Step::working}) ==
        Seen{waiting, working, working, message, end});
  CHECK(steps_of({Step::lost}) == Seen{lost});
  CHECK(steps_of({Step::record, Step::lost}) == Seen{lost});
}
