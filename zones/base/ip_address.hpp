// An IPv4 or IPv6 address as its octets in network order.
//
// Threads: values.
// Errors: parse() gives nothing for a text that is no address; scopes ("%eth0") are none.
// Standards: RFC 4291 §2.2, RFC 5952 for output.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace fairlead::base {

class IpAddress {
 public:
  IpAddress() = default;
  static IpAddress v4(std::span<const std::uint8_t, 4> octets) {
    IpAddress address;
    std::memcpy(address.octets_.data(), octets.data(), octets.size());
    return address;
  }
  static IpAddress v6(std::span<const std::uint8_t, 16> octets);
  static std::optional<IpAddress> parse(std::string_view text);

  bool is_v4() const { return v4_; }
  bool is_v6() const { return !v4_; }
  /// Four or sixteen.
  std::span<const std::uint8_t> octets() const { return {octets_.data(), v4_ ? 4u : 16u}; }
  std::string to_string() const;
  /// "10-0-0-1", "fd00--1".
  std::string to_dashed_string() const;

  /// By their octets, an IPv4 address as if zeros followed. Two words each: batches of changes are sorted by address.
  friend bool operator==(const IpAddress& a, const IpAddress& b) {
    return a.word(0) == b.word(0) && a.word(1) == b.word(1) && a.v4_ == b.v4_;
  }
  friend std::strong_ordering operator<=>(const IpAddress& a, const IpAddress& b) {
    if (const auto order = in_order(a.word(0)) <=> in_order(b.word(0)); order != 0) return order;
    if (const auto order = in_order(a.word(1)) <=> in_order(b.word(1)); order != 0) return order;
    return a.v4_ <=> b.v4_;
  }

 private:
  std::uint64_t word(std::size_t index) const {
    std::uint64_t word;
    std::memcpy(&word, octets_.data() + index * sizeof word, sizeof word);
    return word;
  }
  /// Compares as its octets do.
  static std::uint64_t in_order(std::uint64_t word) {
    return std::endian::native == std::endian::big ? word : __builtin_bswap64(word);
  }

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
