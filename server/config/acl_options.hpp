// The typed options of `acl`. As directive_options.hpp.
#pragma once

#include <cstdint>
#include <vector>

#include "zones/base/ip_network.hpp"
#include "zones/dns/domain_name.hpp"
#include "zones/dns/rr_type.hpp"

namespace fairlead::server {

/// `acl [ZONES...] { allow|block|filter|drop [type TYPE...] [net NETWORK...] }`; a block may have several.
struct AclOptions {
  enum class Action : std::uint8_t { allow, block, filter, drop };
  struct Rule {
    Action action = Action::allow;
    bool any_type = true;
    std::vector<dns::RRType> types;
    bool any_network = true;
    base::IpNetworkSet networks;
  };
  std::vector<dns::DomainName> zones;
  std::vector<Rule> rules;  // the first that matches counts
};

}  // namespace fairlead::server
