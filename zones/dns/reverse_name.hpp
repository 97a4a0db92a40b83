// The address that a reverse name stands for.
//
// Threads: pure.
// Errors: nothing for every other name, such as those of networks and those with labels in front.
// Standards: RFC 1035 §3.5 (in-addr.arpa), RFC 3596 §2.5 (ip6.arpa).
#pragma once

#include <optional>

#include "zones/base/ip_address.hpp"
#include "zones/dns/domain_name.hpp"

namespace fairlead::dns {

/// In any case.
std::optional<base::IpAddress> address_of_reverse_name(NameView name);

/// "1.2.0.192.in-addr.arpa."
DomainName reverse_name(const base::IpAddress& address);

}  // namespace fairlead::dns
