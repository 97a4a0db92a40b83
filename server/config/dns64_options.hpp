// The typed options of `dns64`. As directive_options.hpp.
#pragma once

#include "zones/base/ip_network.hpp"

namespace fairlead::server {

/// `dns64 [PREFIX] { prefix PREFIX; translate_all; allow_ipv4 }`
struct Dns64Options {
  /// RFC 6052 §2.1's well-known prefix, 64:ff9b::/96.
  base::IpNetwork prefix = *base::IpNetwork::parse("64:ff9b::/96");
  bool translate_all = false;
  bool allow_ipv4 = false;
};

}  // namespace fairlead::server
