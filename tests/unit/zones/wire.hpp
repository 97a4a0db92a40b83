// Packets written by hand and messages read strictly, for the tests of zones/.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "zones/base/ip_address.hpp"
#include "zones/dns/domain_name.hpp"
#include "zones/dns/message_reader.hpp"
#include "zones/dns/message_writer.hpp"

namespace fairlead::wire {

using Octets = std::vector<std::uint8_t>;

inline dns::DomainName name(std::string_view text) {
  const auto parsed = dns::DomainName::parse(text);
  REQUIRE_MESSAGE(parsed.has_value(), "not a name: ", std::string(text));
  return *parsed;
}

/// Wire labels without the root, as the keys of a NameTable.
inline std::string labels(std::string_view text) {
  const dns::DomainName whole = name(text);
  const auto wire = whole.view().wire();
  return {reinterpret_cast<const char*>(wire.data()), wire.size() - 1};
}

inline base::IpAddress ip(std::string_view text) {
  const auto parsed = base::IpAddress::parse(text);
  REQUIRE_MESSAGE(parsed.has_value(), "not an address: ", std::string(text));
  return *parsed;
}

/// A message put together octet by octet, right or wrong.
class Packet {
 public:
  Packet& u8(unsigned value) {
    octets_.push_back(static_cast<std::uint8_t>(value));
    return *this;
  }
  Packet& u16(unsigned value) { return u8(value >> 8).u8(value); }
  Packet& u32(std::uint32_t value) { return u16(value >> 16).u16(value); }
  Packet& text(std::string_view value) {
    octets_.insert(octets_.end(), value.begin(), value.end());
    return *this;
  }
  Packet& owner(std::string_view presentation) {
    const dns::DomainName whole = name(presentation);
    const auto wire = whole.view().wire();
    octets_.insert(octets_.end(), wire.begin(), wire.end());
    return *this;
  }
  Packet& header(unsigned flags, unsigned questions, unsigned answers = 0, unsigned authorities = 0,
                 unsigned additionals = 0) {
    return u16(0x1234).u16(flags).u16(questions).u16(answers).u16(authorities).u16(additionals);
  }
  Packet& question(std::string_view presentation, dns::RRType type) {
    return owner(presentation).u16(static_cast<unsigned>(type)).u16(1);
  }
  /// Type to RDATA, behind an owner.
  Packet& record(dns::RRType type, unsigned rrclass, std::uint32_t ttl, const Octets& rdata) {
    u16(static_cast<unsigned>(type)).u16(rrclass).u32(ttl).u16(static_cast<unsigned>(rdata.size()));
    octets_.insert(octets_.end(), rdata.begin(), rdata.end());
    return *this;
  }
  Packet& opt(unsigned udp_octets = 1232, std::uint32_t ttl = 0, const Octets& options = {}) {
    return u8(0).record(dns::RRType::opt, udp_octets, ttl, options);
  }
  const Octets& octets() const { return octets_; }
  operator std::span<const std::uint8_t>() const { return octets_; }  // NOLINT(google-explicit-constructor)

 private:
  Octets octets_;
};

/// A record as a person would write it.
struct Record {
  dns::Section section{};
  std::string owner;
  dns::RRType type{};
  std::uint32_t ttl = 0;
  std::string rdata;
  std::size_t owner_octets = 0;  // two when it is a pointer

  std::string text() const {
    return owner + ' ' + std::to_string(ttl) + ' ' + dns::to_string(type) + (rdata.empty() ? "" : " ") + rdata;
  }
};

struct Message {
  dns::Header header;
  std::vector<Record> records;

  std::vector<std::string> texts(dns::Section section) const {
    std::vector<std::string> found;
    for (const auto& record : records) {
      if (record.section == section) found.push_back(record.text());
    }
    return found;
  }
};

inline std::string read_rdata(std::span<const std::uint8_t> message, const dns::RecordView& record) {
  const auto rdata_name = [&](std::size_t skip) {
    dns::NameBuffer target;
    const auto end = dns::read_name(message, record.rdata_offset + skip, target);
    REQUIRE(end.has_value());
    CHECK(*end == record.rdata_offset + record.rdata.size());
    return target.view().to_string();
  };
  switch (record.type) {
    case dns::RRType::a:
      REQUIRE(record.rdata.size() == 4);
      return base::IpAddress::v4(record.rdata.first<4>()).to_string();
    case dns::RRType::aaaa:
      REQUIRE(record.rdata.size() == 16);
      return base::IpAddress::v6(record.rdata.first<16>()).to_string();
    case dns::RRType::srv:
      REQUIRE(record.rdata.size() >= 7);
      return std::to_string(dns::read_u16(record.rdata.data())) + ' ' +
             std::to_string(dns::read_u16(record.rdata.data() + 2)) + ' ' +
             std::to_string(dns::read_u16(record.rdata.data() + 4)) + ' ' + rdata_name(6);
    case dns::RRType::cname:
    case dns::RRType::ns:
    case dns::RRType::ptr: return rdata_name(0);
    default: return {};
  }
}

/// Every record decoded, every count kept, nothing behind the end; anything else fails the test.
inline Message read_strictly(std::span<const std::uint8_t> octets) {
  auto reader = dns::RecordReader::open(octets);
  REQUIRE(reader.has_value());
  Message message{.header = reader->header(), .records = {}};
  while (true) {
    const auto record = reader->next();
    REQUIRE(record.has_value());
    if (!record->has_value()) break;
    const dns::RecordView& view = **record;
    dns::NameBuffer owner;
    const auto end = dns::read_name(octets, view.owner_offset, owner);
    REQUIRE(end.has_value());
    message.records.push_back({.section = view.section,
                               .owner = owner.view().to_string(),
                               .type = view.type,
                               .ttl = view.ttl,
                               .rdata = read_rdata(octets, view),
                               .owner_octets = *end - view.owner_offset});
  }
  CHECK(reader->offset() == octets.size());
  return message;
}

}  // namespace fairlead::wire
