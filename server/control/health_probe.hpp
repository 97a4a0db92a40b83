// Asks the process's own /health once a second, as CoreDNS does, for coredns_health_request_duration_seconds: how long
// a probe of the kubelet takes is the first sign of a process that gets no CPU.
//
// Threads: one of its own, so that nothing else that goes on is in the time. watch() from any other.
// Limits: one request at a time, health_probe_timeout each.
// Errors: counted, and logged when they begin and end.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "server/control/metrics.hpp"

namespace fairlead::server {

inline constexpr std::chrono::seconds health_probe_interval{1};
inline constexpr std::chrono::seconds health_probe_timeout{3};

class HealthProbe {
 public:
  struct Target {
    std::string host;  // an address, a name, or empty for this machine
    std::uint16_t port = 0;
    friend bool operator==(const Target&, const Target&) = default;
  };

  explicit HealthProbe(MetricsRegistry& metrics,
                       std::chrono::milliseconds interval = std::chrono::milliseconds(health_probe_interval));
  /// Waits for a request under way.
  ~HealthProbe();
  HealthProbe(const HealthProbe&) = delete;
  HealthProbe& operator=(const HealthProbe&) = delete;

  /// From now on these, each once an interval.
  void watch(std::vector<Target> targets);

 private:
  void run();
  void probe(const Target& target);

  MetricsRegistry& metrics_;
  const std::chrono::milliseconds interval_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Target> targets_;
  bool is_stopping_ = false;
  std::string trouble_;  // of the last request; the thread's own
  std::thread thread_;   // from the first target on
};

}  // namespace fairlead::server
