#include "k8s/request_gate.hpp"

#include <algorithm>

namespace fairlead::k8s {

namespace {

// client-go's own, where only one of the two is given.
constexpr double default_qps = 5;
constexpr double default_burst = 10;

}  // namespace

TokenBucket::TokenBucket(double tokens_per_second, double size)
    : rate_(tokens_per_second), size_(size), tokens_(size) {}

base::Duration TokenBucket::take(base::TimePoint now) {
  using Seconds = std::chrono::duration<double>;
  if (filled_at_ && now > *filled_at_) tokens_ = std::min(size_, tokens_ + Seconds(now - *filled_at_).count() * rate_);
  if (!filled_at_ || now > *filled_at_) filled_at_ = now;
  tokens_ -= 1;
  if (tokens_ >= 0) return base::Duration(0);
  // A rate near zero must not overflow; nobody waits for a day.
  constexpr double wait_max = 86'400;
  return std::chrono::duration_cast<base::Duration>(Seconds(std::min(-tokens_ / rate_, wait_max)));
}

RequestGate::RequestGate(ApiLimits limits) : max_inflight_(limits.max_inflight) {
  if (limits.qps <= 0 && limits.burst == 0) return;
  bucket_.emplace(limits.qps > 0 ? limits.qps : default_qps, limits.burst > 0 ? limits.burst : default_burst);
}

std::unique_ptr<RequestGate::Pass> RequestGate::enter(bool is_watch, const std::stop_token& stop,
                                                      base::Duration& waited) {
  std::unique_lock lock(mutex_);
  waited = {};
  if (bucket_ && !is_watch) {
    const auto start = std::chrono::steady_clock::now();
    const base::Duration wait = bucket_->take(start);
    if (wait.count() > 0) {
      changed_.wait_until(lock, stop, start + wait, [] { return false; });
      if (stop.stop_requested()) {
        bucket_->give_back();
        return nullptr;
      }
      waited = std::chrono::steady_clock::now() - start;
    }
  }
  if (!changed_.wait(lock, stop, [&] { return max_inflight_ == 0 || inflight_ < max_inflight_; })) return nullptr;
  ++inflight_;
  return std::make_unique<Pass>(*this);
}

void RequestGate::leave() {
  const std::scoped_lock lock(mutex_);
  --inflight_;
  changed_.notify_all();
}

}  // namespace fairlead::k8s
