// From addresses to their reverse names and PTR records: pure functions, and the empty non-terminals above them.
//
// Threads: values; a ReverseNonTerminals has one owner.
// Limits: ptrs_max PTR records a name. Random IPv6 addresses have up to thirty non-terminals each of their own; the
//   addresses of Pods share nearly all of theirs.
// Standards: RFC 1035 §3.5 (in-addr.arpa), RFC 3596 §2.5 (ip6.arpa), RFC 8020.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "k8s/objects.hpp"
#include "zones/base/ip_address.hpp"
#include "zones/dns/domain_name.hpp"
#include "zones/name_table.hpp"

namespace fairlead::k8s {

/// A PTR record has at least 20 octets behind its owner, so a message holds no more than about 2,000.
inline constexpr std::size_t ptrs_max = 2048;

/// Who has an address.
struct AddressOwner {
  std::string_view namespace_name;
  std::string_view service_name;
  std::string_view endpoint_label;  // empty: it is a ClusterIP
  friend auto operator<=>(const AddressOwner&, const AddressOwner&) = default;
};

/// Puts what the reverse name has into the `ptrs` of `content` in place of what is there, with their room: the one
/// Service whose ClusterIP it is, or else an endpoint name for each Service. False when there is no owner. The targets
/// are relative to `ptr_zone`, svc.<zone>. Sorts `owners`.
bool fill_reverse(std::span<AddressOwner> owners, dns::NameView ptr_zone, zones::NameContent& content);

/// The same for the reverse name of an external address: a name for each Service, "<service>.<namespace>" in `zone`, to
/// which it is relative. Sorts `owners`.
bool fill_external_reverse(std::span<AddressOwner> owners, dns::NameView zone, zones::NameContent& content);

/// A key of a reverse table, in place: each address that changes needs one.
struct ReverseKey {
  std::array<char, 2 * 32 + 1 + 3> octets;  // nibbles as labels, "ip6", and room to write four digits at once
  std::uint8_t count = 0;
  operator std::string_view() const { return {octets.data(), count}; }
};

/// The first labels of a reverse name read from the right: octets of an IPv4, nibbles of an IPv6 address.
class ReversePrefix {
 public:
  /// The whole address.
  explicit ReversePrefix(const base::IpAddress& address);

  /// One label less; nothing above "in-addr.arpa" and "ip6.arpa".
  std::optional<ReversePrefix> parent() const;
  /// As the keys of a reverse table are; see cluster_table.hpp.
  ReverseKey key() const;

  friend bool operator==(const ReversePrefix&, const ReversePrefix&) = default;
  std::size_t hash() const;

 private:
  ReversePrefix() = default;

  std::array<std::uint8_t, 16> octets_{};  // zero behind the prefix
  std::uint8_t labels_ = 0;
  bool v4_ = true;
};

ReverseKey reverse_key(const base::IpAddress& address);

/// Which empty non-terminals there are above a set of reverse names: each counts the names one label below it, so a
/// change looks at one level in the common case.
class ReverseNonTerminals {
 public:
  ReverseNonTerminals() = default;
  ReverseNonTerminals(const ReverseNonTerminals&) = delete;
  ReverseNonTerminals& operator=(const ReverseNonTerminals&) = delete;

  /// A reverse name that was not there before. The non-terminals that begin to exist, uppermost first.
  std::vector<ReversePrefix> add(const base::IpAddress& address);
  /// A reverse name that was there. The non-terminals that cease to exist, lowest first.
  std::vector<ReversePrefix> remove(const base::IpAddress& address);
  std::size_t size() const { return children_.size(); }

 private:
  struct Hash {
    std::size_t operator()(const ReversePrefix& prefix) const { return prefix.hash(); }
  };
  std::unordered_map<ReversePrefix, std::uint16_t, Hash> children_;  // at most 256 each
  std::pair<const ReversePrefix, std::uint16_t>* last_ = nullptr;    // that add() used: addresses come in their order
};

}  // namespace fairlead::k8s
