// Whether the API server answers, for a gauge and for a log that says it once a minute instead of with every attempt.
//
// All reflectors of a cluster share one: that the server is away is one fact, not three.
//
// Threads: any.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "zones/base/clock.hpp"
#include "zones/base/guarded.hpp"
#include "zones/base/log.hpp"

namespace fairlead::k8s {

/// Lets one line a minute through.
class LogThrottle {
 public:
  bool allows(base::TimePoint now);

 private:
  std::optional<base::TimePoint> last_;
};

class ApiHealth {
 public:
  /// `url` is for the log. The clock outlives this.
  ApiHealth(std::string url, const base::Clock& clock, base::LogFunction log);

  base::TimePoint now() const { return clock_.now(); }

  /// Any answer, even one that says no.
  void note_answer();
  /// An attempt that began at `start` got no answer. Ignored if there was one in the meantime.
  void note_silence(base::TimePoint start, std::string_view why);

  bool is_reachable() const { return reachable_.load(std::memory_order_relaxed); }

 private:
  struct State {
    std::optional<base::TimePoint> last_answer;
    std::optional<base::TimePoint> away_since;
    LogThrottle throttle;
  };

  const std::string url_;
  const base::Clock& clock_;
  const base::LogFunction log_;
  std::atomic<bool> reachable_{false};
  base::Guarded<State> state_;
};

}  // namespace fairlead::k8s
