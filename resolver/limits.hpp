// Bounds of the resolver, each with its reason. All are per worker thread unless said otherwise.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "zones/dns/limits.hpp"

namespace fairlead::resolver {

/// As many as CoreDNS allows in one `forward`; resolv.conf files included.
inline constexpr std::size_t upstreams_max = 15;
/// Distinct questions that one forwarder has in the air, about 4 MB. When they are nearly all taken the oldest gives
/// way to the next, so that even a flood of 10,000 a second leaves each 700 ms.
inline constexpr std::size_t questions_in_flight_max = 8192;
/// Clients that wait for them, equal questions joined: an upstream that answers in 1 s sustains 65,536 queries a
/// second.
inline constexpr std::size_t waiters_max = 65536;
/// Questions in flight that the workers of one `forward` know of each other, of all workers together: 10 MB at most.
/// Beyond it they are not shared, which costs an upstream query more where two workers are asked the same.
inline constexpr std::size_t shared_questions_max = 32768;
/// How long a question may take: CoreDNS's 5 s, or the read timeout where that is longer, up to a limit that old plans
/// and a server that stops can wait for.
inline constexpr std::chrono::seconds question_deadline{5};
inline constexpr std::chrono::seconds question_deadline_max{10};
/// Queries that one upstream is owed, given-up ones included until they time out: above upstream_window_max no question
/// is begun there (upstream_window.hpp may say less), the rest is for second tries and probes.
inline constexpr std::size_t upstream_window_max = 2 * questions_in_flight_max;
inline constexpr std::size_t upstream_outstanding_max = upstream_window_max + 2048;

/// A c-ares channel costs 75 kB, so source-port diversity comes from few channels that are replaced often.
inline constexpr std::size_t udp_channels = 4;
inline constexpr std::size_t tcp_channels = 1;
inline constexpr std::uint32_t channel_queries_max = 2048;
inline constexpr std::chrono::seconds channel_age_max{10};
/// Channels that were replaced and still wait for replies. Above it a channel lives longer instead.
inline constexpr std::size_t retired_channels_max = 16;
/// Queries on the TLS connections of one upstream: far fewer than ids, so that a free one is found at once.
inline constexpr std::size_t tls_outstanding_max = 2 * questions_in_flight_max;
static_assert(tls_outstanding_max * 2 <= 65536);
/// Queries that wait for a peer to read: several seconds of full load, beyond which it takes nothing.
inline constexpr std::size_t tls_output_octets_max = 1024 * 1024;

/// An answer above this size is forwarded and not cached: one entry must not push out a hundred others.
inline constexpr std::size_t cache_entry_octets_max = 16 * 1024;
/// Memory of one share (success or denial) of one worker's cache, whatever number of entries is configured.
inline constexpr std::size_t cache_share_octets_max = 16 * 1024 * 1024;
static_assert(cache_entry_octets_max <= dns::message_octets_max);
static_assert(cache_entry_octets_max * 100 <= cache_share_octets_max);

/// CNAME records that are followed to tell whether a reply answers its question. Longer chains count as no answer.
inline constexpr int cname_chain_max = 32;

}  // namespace fairlead::resolver
