// EDNS options as tests write and read them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/query_packet.hpp"

namespace fairlead::test {

inline std::string hex(std::span<const std::uint8_t> octets) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t octet : octets) text += {digits[octet >> 4], digits[octet & 15]};
  return text;
}

/// A query with these options.
inline std::vector<std::uint8_t> with_options(std::string_view qname, dns::RRType qtype,
                                              const std::vector<std::uint8_t>& options) {
  auto packet = query_packet(qname, qtype, {.edns_octets = 1232});
  dns::write_u16(packet.data() + packet.size() - 2, static_cast<std::uint16_t>(options.size()));
  packet.insert(packet.end(), options.begin(), options.end());
  return packet;
}

}  // namespace fairlead::test
