#include "zones/base/ip_network.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

namespace fairlead::base {
namespace {

// The address with the bits behind the prefix all 0 or all 1.
IpAddress fill(const IpAddress& address, unsigned prefix_length, bool ones) {
  std::array<std::uint8_t, 16> octets{};
  const auto given = address.octets();
  for (std::size_t i = 0; i < given.size(); ++i) {
    const std::size_t kept = std::min<std::size_t>(8, prefix_length > 8 * i ? prefix_length - 8 * i : 0);
    const auto behind = static_cast<std::uint8_t>(0xffu >> kept);
    octets[i] = static_cast<std::uint8_t>(ones ? given[i] | behind : given[i] & ~behind);
  }
  if (address.is_v4()) return IpAddress::v4(std::span(octets).first<4>());
  return IpAddress::v6(octets);
}

}  // namespace

std::optional<IpNetwork> IpNetwork::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  const unsigned length_max = address->is_v4() ? 32 : 128;
  unsigned length = length_max;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
    if (error != std::errc{} || end != digits.data() + digits.size() || length > length_max) return std::nullopt;
  }
  return IpNetwork{fill(*address, length, false), length};
}

IpAddress IpNetwork::last() const { return fill(first, prefix_length, true); }

IpNetworkSet::IpNetworkSet(const std::vector<IpNetwork>& networks) {
  for (const IpNetwork& network : networks) {
    (network.first.is_v4() ? v4_ : v6_).push_back({network.first, network.last()});
  }
  merge(v4_);
  merge(v6_);
}

// Networks lie in each other or apart, so of those that begin at or before an address the widest counts.
void IpNetworkSet::merge(std::vector<Range>& ranges) {
  std::ranges::sort(
      ranges, [](const Range& a, const Range& b) { return a.first != b.first ? a.first < b.first : b.last < a.last; });
  std::vector<Range> merged;
  for (const Range& range : ranges) {
    if (merged.empty() || merged.back().last < range.first) merged.push_back(range);
  }
  ranges = std::move(merged);
}

bool IpNetworkSet::contains(const IpAddress& address) const {
  const std::vector<Range>& ranges = address.is_v4() ? v4_ : v6_;
  const auto behind = std::ranges::upper_bound(ranges, address, {}, &Range::first);
  return behind != ranges.begin() && address <= std::prev(behind)->last;
}

}  // namespace fairlead::base
