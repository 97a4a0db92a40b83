// Names in records as pointers into the question: what handlers of zones of a cluster write their own records with.
//
// Threads: pure functions.
// Standards: RFC 1035 §4.1.4.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "zones/dns/limits.hpp"
#include "zones/dns/message_writer.hpp"

namespace fairlead::server {

constexpr std::uint16_t pointer_to(std::size_t offset) { return static_cast<std::uint16_t>(0xc000 | offset); }

constexpr std::array<std::uint8_t, 2> pointer_octets(std::uint16_t pointer) {
  return {static_cast<std::uint8_t>(pointer >> 8), static_cast<std::uint8_t>(pointer)};
}

/// Returns what is behind the last octet.
inline std::uint8_t* write_text(std::uint8_t* at, std::string_view text) {
  return std::copy_n(reinterpret_cast<const std::uint8_t*>(text.data()), text.size(), at);
}

}  // namespace fairlead::server
