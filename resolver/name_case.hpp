// The case of a name's letters, apart from the name: what 0x20 plays with (draft-vixie-dnsext-dns0x20-00).
//
// A name is looked at as it stands in a question: octets without compression, the root label included. Lengths of
// labels are below 64 and so no letters.
//
// Threads: values.
// Limits: a name of dns::name_octets_max octets.
// Errors: none.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "resolver/random.hpp"
#include "zones/dns/limits.hpp"

namespace fairlead::resolver {

class NameCase {
 public:
  static NameCase of(std::span<const std::uint8_t> name) {
    NameCase result;
    for (std::size_t i = 0; i < name.size(); ++i) {
      if (name[i] >= 'A' && name[i] <= 'Z') result.capitals_[i / 64] |= std::uint64_t{1} << i % 64;
    }
    return result;
  }
  /// Gives the letters of `name` this case.
  void write(std::span<std::uint8_t> name) const {
    for (std::size_t i = 0; i < name.size(); ++i) {
      const auto lower = static_cast<std::uint8_t>(name[i] | capital_bit);
      if (lower < 'a' || lower > 'z') continue;
      name[i] = (capitals_[i / 64] >> i % 64 & 1) != 0 ? static_cast<std::uint8_t>(lower & ~capital_bit) : lower;
    }
  }
  bool has_capitals() const { return *this != NameCase{}; }
  friend bool operator==(const NameCase&, const NameCase&) = default;

 private:
  static constexpr std::uint8_t capital_bit = 0x20;
  static_assert(dns::name_octets_max <= 256);
  std::array<std::uint64_t, 4> capitals_{};
};

/// Gives each letter of `name` a random case, and tells which.
inline NameCase mix_case(std::span<std::uint8_t> name, RandomBits& random) {
  for (std::uint8_t& octet : name) {
    const auto lower = static_cast<std::uint8_t>(octet | 0x20);
    if (lower >= 'a' && lower <= 'z') octet = random.next() ? static_cast<std::uint8_t>(lower & ~0x20) : lower;
  }
  return NameCase::of(name);
}

}  // namespace fairlead::resolver
