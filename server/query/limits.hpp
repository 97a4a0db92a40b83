// Bounds of the query path, each with its reason.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace fairlead::server {

/// Aliases followed for one question: CoreDNS's limit, so that the same chains resolve.
inline constexpr std::uint8_t alias_chain_max = 10;
/// Names that a search list makes of one question: resolv.conf(5)'s lists are shorter.
inline constexpr std::size_t search_names_max = 16;
/// Queries of one worker that wait for an upstream: twice the questions that it may have in flight, so that ten
/// thousand clients who ask the same leave room for others. Each takes 1.5 kB beside its packet, 24 MB in all.
inline constexpr std::size_t pending_queries_max = 16384;
/// And their packets: 512 octets each on average, where a packet over TCP may have 64 KiB.
inline constexpr std::size_t pending_octets_max = 512 * pending_queries_max;
/// Questions that one cache asks anew at a time. Popular names are few, and in an outage each is held back anyway.
inline constexpr std::size_t refreshes_max = 1024;
static_assert(refreshes_max < pending_queries_max);
/// RFC 8767 §5's client response timer: clients that wait for `serve_stale verify` are answered before they give up.
inline constexpr std::chrono::milliseconds stale_client_timer{1800};

/// Zone transfers at once, those that wait behind others included. Each may take 24 octets a name and what a version
/// keeps (zones/table_version.hpp); eight secondaries are more than anyone has.
inline constexpr std::size_t transfers_max = 8;
/// From the first message to the last. 300,000 endpoints are 40 MB, which a line of 2 Mbit/s takes in that time.
inline constexpr std::chrono::seconds transfer_time_max{180};

}  // namespace fairlead::server
