// Names and addresses of a file in the form of /etc/hosts, ready to be looked up in both directions.
//
// A table is built from a whole text at once and then never changed. A million lines take some 76 MB: names stand in
// wire form behind each other, and everything else are numbers into them.
//
// Threads: a value that any thread reads once it is built.
// Limits: hosts_octets_max a text, hosts_entries_max pairs of name and address; what is beyond is a fault.
// Errors: faults with their lines, hosts_faults_max of them; the other lines are kept.
// Standards: hosts(5); RFC 4343: names are compared without case.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "zones/base/ip_address.hpp"
#include "zones/dns/domain_name.hpp"

namespace fairlead::zones {

/// Eight times the largest lists of names to block that are around.
inline constexpr std::size_t hosts_octets_max = std::size_t{256} << 20;
inline constexpr std::size_t hosts_entries_max = 8'000'000;
/// A file in a foreign format has a fault a line; nobody reads more than these.
inline constexpr std::size_t hosts_faults_max = 10;

struct HostsFault {
  std::size_t line = 0;
  std::string message;
};

/// An address as hosts files write it: a scope ("%eth0") is left out, an IPv4-mapped one is the IPv4 address.
std::optional<base::IpAddress> parse_hosts_address(std::string_view text);

class HostsTable {
 public:
  struct Faults {
    std::vector<HostsFault> first;  // hosts_faults_max
    std::size_t count = 0;
  };

  HostsTable() = default;
  /// Names outside of `zones` are left out; no zones keep every name. Without `reverse` there are no names of
  /// addresses.
  HostsTable(std::string_view text, const std::vector<dns::DomainName>& zones, bool reverse, Faults& faults);

  /// Addresses of a name in lower case, in the order of the file. Where the name has none, those of the wildcard that
  /// stands for its first label.
  std::span<const std::array<std::uint8_t, 4>> find_v4(dns::NameView name) const;
  std::span<const std::array<std::uint8_t, 16>> find_v6(dns::NameView name) const;
  /// Calls visit(NameView) with the names of an address, in the order of the file, until it returns false.
  template <typename Visit>
  void for_each_name(const base::IpAddress& address, Visit&& visit) const {
    const auto [begin, end] = find_address(address);
    for (std::uint32_t i = begin; i < end; ++i) {
      if (!visit(name_at(reverse_names_[i]))) return;
    }
  }
  bool has_address(const base::IpAddress& address) const {
    const auto [begin, end] = find_address(address);
    return begin != end;
  }

  /// Addresses of all names and names of all addresses, as CoreDNS counts them.
  std::size_t entry_count() const { return entry_count_; }

 private:
  struct Host {
    std::uint32_t name = 0;  // in names_
    std::uint32_t v4 = 0;    // the first; the next host's is behind the last
    std::uint32_t v6 = 0;
  };
  struct Address {
    base::IpAddress address;
    std::uint32_t names = 0;  // the first in reverse_names_
  };
  class Builder;

  dns::NameView name_at(std::uint32_t offset) const;
  /// Null where there is none.
  const Host* find_host(dns::NameView name) const;
  template <typename Octets>
  std::span<const Octets> find(dns::NameView name, std::uint32_t Host::* first, const std::vector<Octets>& all) const;
  std::pair<std::uint32_t, std::uint32_t> find_address(const base::IpAddress& address) const;

  std::uint64_t seed_ = 0;
  std::vector<std::uint8_t> names_;
  std::vector<Host> hosts_;           // and one behind the last
  std::vector<std::uint32_t> cells_;  // a power of two of them: 0, or a host's index and 1
  std::vector<std::array<std::uint8_t, 4>> v4_;
  std::vector<std::array<std::uint8_t, 16>> v6_;
  std::vector<Address> addresses_;  // sorted, and one behind the last
  std::vector<std::uint32_t> reverse_names_;
  std::size_t entry_count_ = 0;
};

}  // namespace fairlead::zones
