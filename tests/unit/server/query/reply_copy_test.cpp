// loadbalance's rotation of replies that were not made here.

#include "server/query/reply_copy.hpp"

#include <doctest/doctest.h>

#include "support/message_text.hpp"
#include "support/query_packet.hpp"

namespace fairlead::test {
namespace {

using dns::RRType;
using Octets = std::vector<std::uint8_t>;

struct Record {
  const char* owner;  // "": a pointer to the question
  RRType type;
  Octets rdata;
};

Octets reply_with(const std::vector<Record>& records) {
  const auto packet = query_packet("www.example.org.", RRType::a);
  const auto query = *dns::read_query(packet);
  Octets buffer(dns::message_octets_max);
  dns::MessageWriter writer(buffer, buffer.size());
  writer.begin(query.header, query.question, query.edns);
  for (const auto& record : records) {
    const auto name = *dns::DomainName::parse(record.owner);
    const Octets owner =
        *record.owner == 0 ? Octets{0xc0, 0x0c} : Octets(name.view().wire().begin(), name.view().wire().end());
    REQUIRE(writer.append(dns::Section::answer, owner, record.type, 60, record.rdata));
  }
  const auto message = writer.finish();
  return {message.begin(), message.end()};
}

// The last octet of each answer's RDATA.
std::string order(const Octets& message) {
  std::string text;
  auto reader = *dns::RecordReader::open(message);
  while (const auto record = *reader.next()) text += static_cast<char>(record->rdata.back());
  return text;
}

std::string rotated(Octets message, std::uint32_t rotation) {
  server::rotate_addresses(message, rotation);
  return order(message);
}

Record a(char last, const char* owner = "") { return {owner, RRType::a, {192, 0, 2, static_cast<std::uint8_t>(last)}}; }
Record aaaa(char last) {
  Octets address(16, 0);
  address.back() = static_cast<std::uint8_t>(last);
  return {"", RRType::aaaa, address};
}

TEST_CASE("an RRset of addresses starts with each of them in turn and keeps the order round them") {
  const auto three = reply_with({a('1'), a('2'), a('3')});
  CHECK(rotated(three, 0) == "123");
  CHECK(rotated(three, 1) == "231");
  CHECK(rotated(three, 2) == "312");
  CHECK(rotated(three, 3) == "123");
  CHECK(rotated(three, 0xffffffff) == "123");
  CHECK(rotated(reply_with({aaaa('1'), aaaa('2')}), 1) == "21");
  CHECK(rotated(reply_with({a('1')}), 7) == "1");
  CHECK(rotated(reply_with({}), 7) == "");
}

TEST_CASE("RRsets are rotated each by itself, and what is no address stays where it is") {
  const Record alias{"", RRType::cname, {1, 'x', 0}};
  CHECK(rotated(reply_with({alias, a('1'), a('2')}), 1) == std::string("\0"
                                                                       "21",
                                                                       3));
  CHECK(rotated(reply_with({a('1'), a('2'), aaaa('3'), aaaa('4'), aaaa('5')}), 1) == "21453");
  CHECK(rotated(reply_with({a('1', "one.example"), a('2', "one.example"), a('3', "two.example")}), 1) == "213");
  // One owner, spelled and pointed to, in any case.
  CHECK(rotated(reply_with({a('1', "WWW.example.org"), a('2')}), 1) == "21");
  CHECK(rotated(reply_with({{"", RRType::a, {1, 2, '1'}}, a('2'), a('3')}), 1) == "132");
}

TEST_CASE("as many addresses as a message can hold are rotated") {
  const std::vector<Record> most(4080, a('1'));
  auto records = most;
  records.front() = a('0');
  CHECK(rotated(reply_with(records), 1).back() == '0');
}

TEST_CASE("a reply that does not parse is rotated as far as it does, without reading behind it") {
  auto message = reply_with({a('1'), a('2'), a('3')});
  for (std::size_t size = 0; size < message.size(); ++size) {
    Octets cut(message.begin(), message.begin() + static_cast<std::ptrdiff_t>(size));
    cut.shrink_to_fit();
    server::rotate_addresses(cut, 1);
  }
}

}  // namespace
}  // namespace fairlead::test
