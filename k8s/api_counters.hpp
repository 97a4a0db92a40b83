// What an API client counts of its requests, with the buckets of Prometheus' Go client, as CoreDNS has them.
//
// Threads: values.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

namespace fairlead::k8s {

inline constexpr std::array<double, 11> request_duration_bounds{0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                                                0.5,   1,    2.5,   5,    10};

template <std::size_t size>
struct DurationHistogram {
  std::array<std::uint64_t, size + 1> counts{};  // each bucket's own; the last one has no bound
  double sum_seconds = 0;

  void observe(double seconds, const std::array<double, size>& bounds) {
    std::size_t bucket = 0;
    while (bucket < size && seconds > bounds[bucket]) ++bucket;
    ++counts[bucket];
    sum_seconds += seconds;
  }
};

/// Of coredns_kubernetes_dns_programming_duration_seconds: 1 ms to 17 minutes.
inline constexpr std::array<double, 20> programming_duration_bounds = [] {
  std::array<double, 20> bounds{};
  double bound = 0.001;
  for (double& each : bounds) {
    each = bound;
    bound *= 2;
  }
  return bounds;
}();

/// From a change that the EndpointSlice controller saw to the records in the table.
struct ProgrammingDurations {
  DurationHistogram<programming_duration_bounds.size()> cluster_ip, headless_with_selector;
};

struct ApiCounters {
  std::string host;                                                // and port, as a URL has them
  std::map<std::string, std::uint64_t> requests;                   // by status code; "<error>" without an answer
  DurationHistogram<request_duration_bounds.size()> duration;      // of requests that are no watches
  DurationHistogram<request_duration_bounds.size()> rate_limiter;  // the time they waited for `apiserver_qps`
};

}  // namespace fairlead::k8s
