// The cluster IPs of Services: one range an address family, and which of its addresses are taken.
//
// Threads: one, as the registry.
// Limits: the size of the ranges; an exhausted range is an error of the Service that asked.
#pragma once

#include <array>
#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace fairlead::kubesim {

enum class Family { ipv4, ipv6 };

class ServiceAddresses {
 public:
  /// From "10.96.0.0/16,fd00:10:96::/112": at most one range a family.
  static std::expected<ServiceAddresses, std::string> parse(const std::vector<std::string>& cidrs);

  /// A free address, now taken; nothing if there is no range for the family or it is used up.
  std::optional<std::string> allocate(Family family);
  /// The first address of the range, where the real server puts its own Service; nothing without a range.
  std::optional<std::string> first_address(Family family) const;
  /// False if the range holds no such address at all: clients may only ask for addresses of the range.
  bool holds(const std::string& address) const;
  bool is_taken(const std::string& address) const { return taken_.contains(address); }
  /// Counted, because manifests may give the same address to two Services, on purpose.
  void take(const std::string& address) { ++taken_[address]; }
  void release(const std::string& address);

  static std::optional<Family> family_of(const std::string& address);

 private:
  using Octets = std::array<std::uint8_t, 16>;
  struct Range {
    Octets base{};
    unsigned prefix_bits = 0;
    std::uint64_t size = 0;  // cut at 2^32; nobody has more Services
    std::uint64_t next = 0;  // where the search for a free address goes on
  };
  std::optional<Range>& range(Family family) { return ranges_[static_cast<std::size_t>(family)]; }
  const std::optional<Range>& range(Family family) const { return ranges_[static_cast<std::size_t>(family)]; }
  static std::string address_at(Family family, const Range& range, std::uint64_t offset);

  std::array<std::optional<Range>, 2> ranges_;
  std::unordered_map<std::string, unsigned> taken_;
};

}  // namespace fairlead::kubesim
