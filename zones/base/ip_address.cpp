#include "zones/base/ip_address.hpp"

#include <arpa/inet.h>

#include <algorithm>

namespace fairlead::base {

IpAddress IpAddress::v4(std::span<const std::uint8_t, 4> octets) {
  IpAddress address;
  std::ranges::copy(octets, address.octets_.begin());
  return address;
}

IpAddress IpAddress::v6(std::span<const std::uint8_t, 16> octets) {
  IpAddress address;
  std::ranges::copy(octets, address.octets_.begin());
  address.v4_ = false;
  return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  if (text.size() >= terminated.size() || text.contains('\0')) return std::nullopt;
  std::ranges::copy(text, terminated.begin());
  IpAddress address;
  address.v4_ = !text.contains(':');
  if (inet_pton(address.v4_ ? AF_INET : AF_INET6, terminated.data(), address.octets_.data()) != 1) return std::nullopt;
  return address;
}

std::string IpAddress::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(v4_ ? AF_INET : AF_INET6, octets_.data(), text.data(), text.size());
  return text.data();
}

}  // namespace fairlead::base
