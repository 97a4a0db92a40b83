// Networks ("10.0.0.0/8") and sets of them, for deciding by the address of a client or a record.
//
// A set is sorted ranges that do not overlap, so a look-up takes the logarithm of their number, however they were
// written.
//
// Threads: values; a set is read by any thread once it is built.
// Errors: parse() gives nothing for a text that is no network.
// Standards: RFC 4632 §3.1, RFC 4291 §2.3; octets behind the prefix are ignored.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "zones/base/ip_address.hpp"

namespace fairlead::base {

struct IpNetwork {
  IpAddress first;  // the octets behind the prefix are 0
  unsigned prefix_length = 0;

  /// "10.0.0.0/8"; an address alone is a network of one.
  static std::optional<IpNetwork> parse(std::string_view text);

  IpAddress last() const;
  bool contains(const IpAddress& address) const {
    return address.is_v4() == first.is_v4() && first <= address && address <= last();
  }
  friend bool operator==(const IpNetwork&, const IpNetwork&) = default;
};

class IpNetworkSet {
 public:
  IpNetworkSet() = default;
  explicit IpNetworkSet(const std::vector<IpNetwork>& networks);

  bool contains(const IpAddress& address) const;
  bool empty() const { return v4_.empty() && v6_.empty(); }

 private:
  struct Range {
    IpAddress first;
    IpAddress last;
  };
  static void merge(std::vector<Range>& ranges);

  std::vector<Range> v4_;
  std::vector<Range> v6_;
};

}  // namespace fairlead::base
