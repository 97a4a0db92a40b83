// The addresses of a host name, asked of DNS servers: for `forward . dns.example.org`.
//
// Threads: any; look_up_host() waits, and is called while a plan is built or on a thread for it, never on the query
// path.
// Limits: host_lookup_max; host_addresses_max addresses. A stop that is asked for ends it within 50 ms.
// Errors: a sentence for the operator.
#pragma once

#include <chrono>
#include <expected>
#include <stop_token>
#include <string>
#include <vector>

#include "resolver/upstream.hpp"
#include "zones/base/ip_address.hpp"
#include "zones/dns/domain_name.hpp"

namespace fairlead::resolver {

/// Two servers, of which the first is dead, are asked within it.
inline constexpr std::chrono::seconds host_lookup_max{6};
inline constexpr std::size_t host_addresses_max = 16;

struct HostAddresses {
  std::vector<base::IpAddress> addresses;  // of its A records, then of its AAAA records
  std::chrono::seconds ttl{0};             // the least of all records that led to them
  /// Both types were answered. Else addresses may be missing.
  bool is_whole = false;
};

std::expected<HostAddresses, std::string> look_up_host(const dns::DomainName& name,
                                                       std::vector<UpstreamAddress> servers,
                                                       const std::stop_token& stop = {});

}  // namespace fairlead::resolver
