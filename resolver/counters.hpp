// What the resolver counts, as CoreDNS's metrics coredns_forward_*, coredns_proxy_* and coredns_cache_* need it.
//
// Threads: written by the worker that owns the struct, read by the metrics collector (base::Counter).
// Limits: fixed size; an RCODE above 10 is counted as `rcode_other`.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "zones/base/clock.hpp"
#include "zones/base/counter.hpp"
#include "zones/dns/rcode.hpp"

namespace fairlead::resolver {

/// Seconds from 0.25 ms to 8.192 s, doubling: CoreDNS's buckets.
inline constexpr std::size_t duration_buckets = 16;
inline constexpr std::array<double, duration_buckets> duration_bucket_bounds = [] {
  std::array<double, duration_buckets> bounds{};
  double bound = 0.00025;
  for (double& at : bounds) {
    at = bound;
    bound *= 2;
  }
  return bounds;
}();

struct DurationHistogram {
  std::array<base::Counter, duration_buckets + 1> buckets;  // not cumulative; the last is everything above
  base::Counter sum_nanoseconds;

  void observe(base::Duration elapsed) {
    const double seconds = std::chrono::duration<double>(elapsed).count();
    const auto bound = std::lower_bound(duration_bucket_bounds.begin(), duration_bucket_bounds.end(), seconds);
    buckets[static_cast<std::size_t>(bound - duration_bucket_bounds.begin())].add();
    sum_nanoseconds.add(static_cast<std::uint64_t>(std::chrono::nanoseconds(elapsed).count()));
  }
};

/// RCODEs 0 to 10 have a slot each, the rest shares the last.
inline constexpr std::size_t rcode_other = 11;
inline constexpr std::size_t rcode_slots = rcode_other + 1;
inline std::size_t rcode_slot(dns::Rcode rcode) { return std::min(static_cast<std::size_t>(rcode), rcode_other); }

/// Of one upstream, from one worker.
struct UpstreamCounters {
  /// coredns_proxy_request_duration_seconds{proxy_name="forward", to, rcode}; its counts are the requests by rcode.
  std::array<DurationHistogram, rcode_slots> request_duration;
  base::Counter healthcheck_failures;                    // coredns_proxy_healthcheck_failures_total
  std::array<base::Counter, 2> connection_cache_hits;    // coredns_proxy_conn_cache_hits_total, by Transport
  std::array<base::Counter, 2> connection_cache_misses;  // coredns_proxy_conn_cache_misses_total
  base::Counter timeouts;                                // the rest is fairlead_*
  base::Counter failures;                                // errors other than timeouts
  base::Counter truncated;                               // UDP replies with TC that were asked again over TCP
  base::Counter ignored_replies;                         // datagrams with a wrong id or question, or no reply at all
  base::Counter tls_handshakes;                          // with certificates
  base::Counter tls_resumptions;                         // with a ticket of an earlier connection
  base::Counter down;                                    // gauge: 1 while marked down
  base::Counter outstanding;                             // gauge
};

/// Of one forwarder of one worker.
struct ForwardCounters {
  base::Counter requests;                // questions of clients, rejected ones not counted
  base::Counter joined;                  // of these, how many joined an equal question in flight
  base::Counter joined_elsewhere;        // questions that another worker asked already
  base::Counter max_concurrent_rejects;  // coredns_forward_max_concurrent_rejects_total
  base::Counter limit_rejects;           // beyond questions_in_flight_max or waiters_max
  base::Counter shed;                    // beyond what upstreams answer in time
  base::Counter healthcheck_broken;      // coredns_forward_healthcheck_broken_total: all down, one picked at random
  base::Counter hedges;                  // second upstream asked because the first was slow
  base::Counter failed;                  // questions that ended without a reply
  base::Counter in_flight;               // gauge: clients waiting
};

/// Of one share (success, denial) of one worker's cache.
struct CacheShareCounters {
  base::Counter hits;
  base::Counter evictions;
  base::Counter entries;  // gauge
  base::Counter octets;   // gauge
};

/// Of one worker's cache.
struct CacheCounters {
  CacheShareCounters success;
  CacheShareCounters denial;
  base::Counter requests;
  base::Counter misses;
  base::Counter prefetches;
  base::Counter drops;  // replies that did not match their question
  base::Counter served_stale;
};

}  // namespace fairlead::resolver
