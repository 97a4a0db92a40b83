// Looks the host names of `forward` up again as the TTLs of their addresses end.
//
// Lookups wait, so they run on a thread of their own, one after the other; what they find comes back to the control
// thread. A lookup that fails leaves the addresses that are known, and is tried again after host_retry_min, then less
// and less often.
//
// Threads: the control thread.
// Limits: one thread, which ends with stop() within 50 ms; host_retry_min to host_retry_max between failures.
// Errors: a warning at the first failure of a name, and a line when it is over.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "server/control/upstream_list.hpp"
#include "zones/base/asio.hpp"
#include "zones/base/clock.hpp"

namespace fairlead::server {

inline constexpr std::chrono::seconds host_retry_min{5};
inline constexpr std::chrono::seconds host_retry_max{60};

class HostWatch {
 public:
  /// What a word stands for now and when it is due again; whether its addresses are others than before. It may call
  /// start() and stop().
  using OnFound = std::function<void(const std::string& word, const NamedUpstream& found, bool is_changed)>;

  HostWatch(asio::io_context& control, OnFound on_found);
  ~HostWatch() { stop(); }
  HostWatch(const HostWatch&) = delete;
  HostWatch& operator=(const HostWatch&) = delete;

  /// In the place of all names before.
  void start(const std::vector<WatchedHost>& hosts, const NamedUpstreams& known);
  void stop();

 private:
  struct Host {
    WatchedHost watched;
    NamedUpstream known;
    unsigned failures = 0;
  };
  using Result = std::pair<std::string, std::expected<WatchedHost::Found, std::string>>;

  void schedule();
  void look_up_due();
  void take(std::vector<Result> results);
  /// What it stands for from now on, and whether that is something else.
  static bool update(Host& host, std::expected<WatchedHost::Found, std::string>& found);

  asio::io_context& control_;
  const OnFound on_found_;
  asio::steady_timer timer_;
  std::vector<Host> hosts_;
  bool is_looking_up_ = false;
  bool is_stopped_ = false;
  std::jthread thread_;
};

}  // namespace fairlead::server
