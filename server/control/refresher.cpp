#include "server/control/refresher.hpp"

#include <algorithm>

namespace fairlead::server {

struct Refresher::Timer {
  Timer(asio::io_context& io, RefreshTask what) : task(std::move(what)), timer(io) {}
  const RefreshTask task;
  asio::steady_timer timer;
};

void Refresher::start(std::vector<RefreshTask> tasks) {
  timers_.clear();
  for (RefreshTask& task : tasks) {
    timers_.push_back(std::make_shared<Timer>(io_, std::move(task)));
    wait(timers_.back());
  }
}

void Refresher::wait(const std::shared_ptr<Timer>& timer) {
  const auto interval = std::max<std::chrono::nanoseconds>(timer->task.interval, refresh_interval_min);
  timer->timer.expires_after(std::chrono::duration_cast<std::chrono::steady_clock::duration>(interval));
  timer->timer.async_wait([weak = std::weak_ptr(timer)](const boost::system::error_code& error) {
    const auto still_there = weak.lock();
    if (error || still_there == nullptr) return;
    still_there->task.run();
    wait(still_there);
  });
}

}  // namespace fairlead::server
