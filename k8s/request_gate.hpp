// How fast requests may go to the API server, and how many at once: `apiserver_qps`, `apiserver_burst` and
// `apiserver_max_inflight`.
//
// The rate is a token bucket for everything but watches, which are few and long. The bound on requests at once counts a
// request until the header of its answer is here, watches included. Both are what client-go and CoreDNS do.
//
// Threads: any.
// Limits: a caller waits for as long as it must, or until its stop token says so.
// Errors: none.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>

#include "zones/base/clock.hpp"

namespace fairlead::k8s {

struct ApiLimits {
  double qps = 0;                  // 0: no limit, unless there is a burst
  std::uint32_t burst = 0;         // 0: as client-go has it
  std::uint32_t max_inflight = 0;  // 0: no limit
};

/// Fills at a rate up to its size. Callers reserve in turn, so that none is overtaken for ever.
class TokenBucket {
 public:
  TokenBucket(double tokens_per_second, double size);
  /// Takes one; how long its holder must wait for it.
  base::Duration take(base::TimePoint now);
  /// Gives back one that was not waited for.
  void give_back() { tokens_ += 1; }

 private:
  double rate_;
  double size_;
  double tokens_;
  std::optional<base::TimePoint> filled_at_;
};

class RequestGate {
 public:
  explicit RequestGate(ApiLimits limits);

  /// One request under way; leaves when it is destroyed. The gate outlives it.
  class Pass {
   public:
    explicit Pass(RequestGate& gate) : gate_(gate) {}
    ~Pass() { gate_.leave(); }
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;

   private:
    RequestGate& gate_;
  };

  /// Waits for its turn; nothing if stopped first. `waited` is the time that the rate cost.
  std::unique_ptr<Pass> enter(bool is_watch, const std::stop_token& stop, base::Duration& waited);

 private:
  void leave();

  const std::uint32_t max_inflight_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::optional<TokenBucket> bucket_;
  std::uint32_t inflight_ = 0;
};

}  // namespace fairlead::k8s
