// Looks again, after each interval, at what a plan read from files of its own.
//
// Threads: the control thread.
// Limits: an interval is refresh_interval_min at least.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "zones/base/asio.hpp"

namespace fairlead::server {

/// A stat a tenth of a second costs nothing; a Corefile that says `reload 1ns` must not cost a core.
inline constexpr std::chrono::milliseconds refresh_interval_min{100};

struct RefreshTask {
  std::chrono::nanoseconds interval{0};
  std::function<void()> run;
};

class Refresher {
 public:
  explicit Refresher(asio::io_context& io) : io_(io) {}

  /// In the place of all tasks before.
  void start(std::vector<RefreshTask> tasks);
  void stop() { timers_.clear(); }

 private:
  struct Timer;
  static void wait(const std::shared_ptr<Timer>& timer);

  asio::io_context& io_;
  std::vector<std::shared_ptr<Timer>> timers_;
};

}  // namespace fairlead::server
