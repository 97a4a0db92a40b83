#include "zones/base/ip_address.hpp"

#include <arpa/inet.h>

#include <algorithm>

#include "zones/base/decimal_octet.hpp"

namespace fairlead::base {
namespace {

// IPv4 is read and written here: a batch of changes does so for every endpoint of the Services that it touches, and the
// C library prints through its formatted output.

/// More than 9 for what is no digit.
unsigned digit_at(const char* at, const char* end) {
  return at == end ? 10 : static_cast<unsigned char>(*at) - unsigned{'0'};
}

bool parse_v4(std::string_view text, std::span<std::uint8_t, 4> octets) {
  const char* at = text.data();
  const char* const end = at + text.size();
  for (std::size_t i = 0; i < 4; ++i) {
    if (i > 0 && (at == end || *at++ != '.')) return false;
    unsigned value = digit_at(at, end);
    if (value > 9) return false;
    ++at;
    // Nothing behind a zero: some would read the rest as octal.
    if (unsigned digit; value > 0 && (digit = digit_at(at, end)) <= 9) {
      value = value * 10 + digit;
      ++at;
      if ((digit = digit_at(at, end)) <= 9) {
        value = value * 10 + digit;
        ++at;
      }
    }
    if (value > 255) return false;
    octets[i] = static_cast<std::uint8_t>(value);
  }
  return at == end;
}

std::string print_v4(std::span<const std::uint8_t> octets, char separator) {
  std::array<char, 4 * 4> text;
  char* at = text.data();
  for (std::size_t i = 0; i < 4; ++i) {
    at = write_decimal(octets[i], at);
    *at++ = separator;
  }
  return {text.data(), at - 1};
}

}  // namespace

IpAddress IpAddress::v6(std::span<const std::uint8_t, 16> octets) {
  IpAddress address;
  std::ranges::copy(octets, address.octets_.begin());
  address.v4_ = false;
  return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  IpAddress address;
  if (parse_v4(text, std::span(address.octets_).first<4>())) return address;
  if (!text.contains(':')) return std::nullopt;
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  if (text.size() >= terminated.size() || text.contains('\0')) return std::nullopt;
  std::ranges::copy(text, terminated.begin());
  address.v4_ = false;
  if (inet_pton(AF_INET6, terminated.data(), address.octets_.data()) != 1) return std::nullopt;
  return address;
}

std::string IpAddress::to_string() const {
  if (v4_) return print_v4(octets(), '.');
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(AF_INET6, octets_.data(), text.data(), text.size());
  return text.data();
}

std::string IpAddress::to_dashed_string() const {
  if (v4_) return print_v4(octets(), '-');
  std::string text = to_string();
  std::ranges::replace(text, ':', '-');
  std::ranges::replace(text, '.', '-');  // "::ffff:10.0.0.1"
  return text;
}

}  // namespace fairlead::base
