// An octet in decimal, ready to be copied: IPv4 addresses are written for every endpoint of a change, with dots, with
// dashes and as labels.
//
// Threads: constants.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

namespace fairlead::base {

struct DecimalOctet {
  std::array<char, 4> digits{};  // the last one is not used
  std::uint8_t count = 0;        // of digits
};

inline constexpr std::array<DecimalOctet, 256> decimal_octets = [] {
  std::array<DecimalOctet, 256> made{};
  for (unsigned value = 0; value < 256; ++value) {
    DecimalOctet& at = made[value];
    if (value >= 100) at.digits[at.count++] = static_cast<char>('0' + value / 100);
    if (value >= 10) at.digits[at.count++] = static_cast<char>('0' + value / 10 % 10);
    at.digits[at.count++] = static_cast<char>('0' + value % 10);
  }
  return made;
}();

/// Copies the digits to `at`, where there is room for four octets, and returns where they end.
template <typename Octet>
Octet* write_decimal(std::uint8_t value, Octet* at) {
  const DecimalOctet& decimal = decimal_octets[value];
  std::memcpy(at, decimal.digits.data(), decimal.digits.size());
  return at + decimal.count;
}

}  // namespace fairlead::base
