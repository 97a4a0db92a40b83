// The queries that upstreams are asked.
//
// Each ends in a bare OPT of eleven octets that offers 1232: the client's own options stay here (RFC 6891 §6.1.1: OPT
// is hop by hop), so no answer depends on a client subnet that the cache does not know. Options that the operator wants
// sent (ForwardQuestion::edns_options) come behind it, and are in the cache's key.
//
// Threads: pure functions.
// Limits: query_octets_max.
// Standards: RFC 1035 §4.1, RFC 6891 §6.1.2.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "zones/dns/domain_name.hpp"
#include "zones/dns/limits.hpp"
#include "zones/dns/rr_type.hpp"

namespace fairlead::resolver {

inline constexpr std::size_t query_octets_max = dns::header_octets + dns::name_octets_max + 4 + dns::opt_octets;

struct QueryFlags {
  bool recursion_desired = true;
  bool checking_disabled = false;
  bool authentic_data = false;
  bool dnssec_ok = false;
};

/// Writes a query with id 0 into `buffer` and gives its size.
std::size_t build_query(dns::NameView qname, dns::RRType qtype, dns::RRClass qclass, QueryFlags flags,
                        std::span<std::uint8_t, query_octets_max> buffer);

/// The same query without its OPT, for upstreams that do not speak EDNS.
std::size_t strip_opt(std::span<std::uint8_t> query);

}  // namespace fairlead::resolver
