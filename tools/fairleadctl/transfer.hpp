// A whole zone from a server, by AXFR over TCP.
//
// Threads: blocks the calling one, at most until the deadline.
// Limits: records_max records; a server that sends without end is left at the deadline.
// Security: the stream is untrusted: every message is read within its bounds, and records outside of the zone are an
//   error, not a part of the listing.
// Errors: a sentence with what to do about it.
// Standards: RFC 5936.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "tools/fairleadctl/server_address.hpp"
#include "zones/dns/ldns_bridge.hpp"

namespace fairlead::ctl {

/// A cluster of 150,000 endpoints has about 600,000 records.
inline constexpr std::size_t transfer_records_max = 20'000'000;

/// The records in the order sent; the SOA that closes the transfer is left out.
std::expected<std::vector<dns::ResourceRecord>, std::string> transfer_zone(
    const ServerAddress& server, const dns::DomainName& zone, std::chrono::milliseconds timeout,
    std::size_t records_max = transfer_records_max);

}  // namespace fairlead::ctl
