// The addresses of a host name, asked of DNS servers: for `forward . dns.example.org`.
//
// Threads: any; look_up_host() waits, and is called while a plan is built, never on the query path.
// Limits: host_lookup_max; host_addresses_max addresses.
// Errors: a sentence for the operator.
#pragma once

#include <chrono>
#include <expected>
#include <string>
#include <vector>

#include "resolver/upstream.hpp"
#include "zones/base/ip_address.hpp"
#include "zones/dns/domain_name.hpp"

namespace fairlead::resolver {

/// Two servers, of which the first is dead, are asked within it.
inline constexpr std::chrono::seconds host_lookup_max{6};
inline constexpr std::size_t host_addresses_max = 16;

/// Its A records, then its AAAA records.
std::expected<std::vector<base::IpAddress>, std::string> look_up_host(const dns::DomainName& name,
                                                                      std::vector<UpstreamAddress> servers);

}  // namespace fairlead::resolver
