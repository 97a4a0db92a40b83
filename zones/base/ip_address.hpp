// An IPv4 or IPv6 address as its octets in network order.
//
// Threads: values.
// Errors: parse() gives nothing for a text that is no address; scopes ("%eth0") are none.
// Standards: RFC 4291 §2.2, RFC 5952 for output.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace fairlead::base {

class IpAddress {
 public:
  IpAddress() = default;
  static IpAddress v4(std::span<const std::uint8_t, 4> octets);
  static IpAddress v6(std::span<const std::uint8_t, 16> octets);
  static std::optional<IpAddress> parse(std::string_view text);

  bool is_v4() const { return v4_; }
  bool is_v6() const { return !v4_; }
  /// Four or sixteen.
  std::span<const std::uint8_t> octets() const { return {octets_.data(), v4_ ? 4u : 16u}; }
  std::string to_string() const;
  /// "10-0-0-1", "fd00--1".
  std::string to_dashed_string() const;

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  std::array<std::uint8_t, 16> octets_{};
  bool v4_ = true;
};

}  // namespace fairlead::base

template <>
struct std::hash<fairlead::base::IpAddress> {
  std::size_t operator()(const fairlead::base::IpAddress& address) const noexcept {
    const auto octets = address.octets();
    return std::hash<std::string_view>{}({reinterpret_cast<const char*>(octets.data()), octets.size()});
  }
};
