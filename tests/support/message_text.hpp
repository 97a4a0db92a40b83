// A DNS message as text that a test can compare: "NOERROR aa rd | A: web... 5 A 10.0.0.1 | + ...".
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "zones/base/ip_address.hpp"
#include "zones/dns/message_reader.hpp"

namespace fairlead::test {

inline std::string name_text(std::span<const std::uint8_t> message, std::size_t at) {
  dns::NameBuffer name;
  return dns::read_name(message, at, name) ? name.view().to_string() : "<bad name>";
}

inline std::string rdata_text(std::span<const std::uint8_t> message, const dns::RecordView& record) {
  const std::uint8_t* const at = record.rdata.data();
  switch (record.type) {
    case dns::RRType::a: return base::IpAddress::v4(std::span<const std::uint8_t, 4>(at, 4)).to_string();
    case dns::RRType::aaaa: return base::IpAddress::v6(std::span<const std::uint8_t, 16>(at, 16)).to_string();
    case dns::RRType::cname:
    case dns::RRType::ns:
    case dns::RRType::ptr: return name_text(message, record.rdata_offset);
    case dns::RRType::srv:
      return std::to_string(dns::read_u16(at)) + " " + std::to_string(dns::read_u16(at + 2)) + " " +
             std::to_string(dns::read_u16(at + 4)) + " " + name_text(message, record.rdata_offset + 6);
    case dns::RRType::txt: return "\"" + std::string(reinterpret_cast<const char*>(at) + 1, *at) + "\"";
    case dns::RRType::soa: {
      dns::NameBuffer name;
      const auto contact = *dns::read_name(message, record.rdata_offset, name);
      const auto numbers = *dns::skip_name(message, contact);
      return name_text(message, record.rdata_offset) + " " + name_text(message, contact) + " SERIAL " +
             std::to_string(dns::read_u32(message.data() + numbers + 4)) + " " +
             std::to_string(dns::read_u32(message.data() + numbers + 8)) + " " +
             std::to_string(dns::read_u32(message.data() + numbers + 12)) + " " +
             std::to_string(dns::read_u32(message.data() + numbers + 16));
    }
    default: return "<" + std::to_string(record.rdata.size()) + " octets>";
  }
}

/// Rcode and flags first, then a line a record: "answer: OWNER TTL TYPE RDATA". OPT is left out but for its EDE text.
inline std::vector<std::string> message_lines(std::span<const std::uint8_t> message) {
  const auto header = dns::read_header(message);
  std::string first = dns::to_string(header.rcode());
  for (const auto& [bit, text] : {std::pair{dns::Header::aa, " aa"},
                                  {dns::Header::tc, " tc"},
                                  {dns::Header::ra, " ra"},
                                  {dns::Header::ad, " ad"}}) {
    if (header.has(bit)) first += text;
  }
  std::vector<std::string> lines{first};
  auto reader = dns::RecordReader::open(message);
  while (reader) {
    const auto record = reader->next();
    if (!record) {
      lines.push_back("<does not parse>");
      break;
    }
    if (!*record) break;
    if ((*record)->type == dns::RRType::opt) continue;
    static constexpr const char* sections[] = {"answer", "authority", "additional"};
    lines.push_back(std::string(sections[static_cast<int>((*record)->section)]) + ": " +
                    name_text(message, (*record)->owner_offset) + " " + std::to_string((*record)->ttl) + " " +
                    to_string((*record)->type) + " " + rdata_text(message, **record));
  }
  return lines;
}

}  // namespace fairlead::test
