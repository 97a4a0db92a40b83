// Messages for the resolver's tests, built in a line or two.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "zones/dns/domain_name.hpp"
#include "zones/dns/message_reader.hpp"
#include "zones/dns/message_writer.hpp"
#include "zones/dns/rr_type.hpp"

namespace fairlead::resolver::test {

using Octets = std::vector<std::uint8_t>;

inline dns::DomainName name(std::string_view text) { return dns::DomainName::parse(text).value(); }

inline Octets question(std::string_view qname, dns::RRType qtype, dns::RRClass qclass = dns::RRClass::in) {
  const dns::DomainName owner = name(qname);
  Octets octets(owner.view().wire().begin(), owner.view().wire().end());
  octets.resize(octets.size() + 4);
  dns::write_u16(&octets[octets.size() - 4], static_cast<std::uint16_t>(qtype));
  dns::write_u16(&octets[octets.size() - 2], static_cast<std::uint16_t>(qclass));
  return octets;
}

/// A query as a client sends it, for MessageWriter::begin().
struct ClientQuery {
  ClientQuery(std::string_view qname, dns::RRType qtype, std::uint16_t id = 0x1234)
      : question_octets(question(qname, qtype)) {
    header.id = id;
    header.flags = dns::Header::rd;
    header.question_count = 1;
  }
  dns::Header header;
  Octets question_octets;
};

/// A reply in the making. Records are added in wire order.
class ReplyBuilder {
 public:
  ReplyBuilder(std::string_view qname, dns::RRType qtype, bool edns = false)
      : buffer_(dns::message_octets_max), writer_(buffer_, dns::message_octets_max) {
    ClientQuery query(qname, qtype, 0);
    writer_.begin(query.header, query.question_octets, edns);
    writer_.set_flag(dns::Header::ra);
  }
  ReplyBuilder& rcode(dns::Rcode value) {
    writer_.set_rcode(value);
    return *this;
  }
  ReplyBuilder& flag(std::uint16_t bit, bool on = true) {
    writer_.set_flag(bit, on);
    return *this;
  }
  ReplyBuilder& record(dns::Section section, std::string_view owner, dns::RRType type, std::uint32_t ttl,
                       const Octets& rdata) {
    const dns::DomainName at = name(owner);
    writer_.append(section, at.view().wire(), type, ttl, rdata);
    return *this;
  }
  /// Owner is a pointer to the question.
  ReplyBuilder& a(std::uint32_t ttl, std::array<std::uint8_t, 4> address = {192, 0, 2, 1}) {
    const std::array<std::uint8_t, 2> pointer{0xc0, 0x0c};
    writer_.append(dns::Section::answer, pointer, dns::RRType::a, ttl, address);
    return *this;
  }
  ReplyBuilder& cname(std::string_view owner, std::string_view target, std::uint32_t ttl) {
    const dns::DomainName to = name(target);
    return record(dns::Section::answer, owner, dns::RRType::cname, ttl,
                  Octets(to.view().wire().begin(), to.view().wire().end()));
  }
  ReplyBuilder& soa(std::string_view owner, std::uint32_t ttl, std::uint32_t minimum) {
    Octets rdata(2 + 20);  // MNAME and RNAME are the root
    dns::write_u32(&rdata[18], minimum);
    return record(dns::Section::authority, owner, dns::RRType::soa, ttl, rdata);
  }
  Octets octets() {
    const auto message = writer_.finish();
    return Octets(message.begin(), message.end());
  }

 private:
  Octets buffer_;
  dns::MessageWriter writer_;
};

/// The records of a message, spelled out for comparisons: "answer www.example. A 300 4".
inline std::vector<std::string> describe(std::span<const std::uint8_t> message) {
  std::vector<std::string> lines;
  auto reader = dns::RecordReader::open(message);
  if (!reader) return {"not a message"};
  while (true) {
    const auto record = reader->next();
    if (!record) return {"not a record"};
    if (!*record) return lines;
    dns::NameBuffer owner;
    if (!dns::read_name(message, (*record)->owner_offset, owner)) return {"not a name"};
    static constexpr std::array sections{"answer ", "authority ", "additional "};
    lines.push_back(sections[static_cast<std::size_t>((*record)->section)] + owner.view().to_string() + " " +
                    dns::to_string((*record)->type) + " " + std::to_string((*record)->ttl) + " " +
                    std::to_string((*record)->rdata.size()));
  }
}

}  // namespace fairlead::resolver::test
