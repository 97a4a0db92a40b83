#include "server/config/directive_options.hpp"

#include <algorithm>

namespace fairlead::server {

std::string to_string(const IpEndpoint& endpoint) {
  const std::string port = ':' + std::to_string(endpoint.port);
  return endpoint.is_ipv6() ? '[' + endpoint.address + ']' + port : endpoint.address + port;
}

std::string to_string(const HttpAddress& address) { return to_string(IpEndpoint{address.host, address.port}); }

bool Fallthrough::covers(dns::NameView qname) const {
  if (!enabled) return false;
  return zones.empty() ||
         std::ranges::any_of(zones, [&](const dns::DomainName& zone) { return qname.is_at_or_below(zone); });
}

}  // namespace fairlead::server
