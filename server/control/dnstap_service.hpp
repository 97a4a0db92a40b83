// dnstap's thread, and the outlets that it empties: one for an endpoint, however many blocks and plans write to it, so
// that a reload keeps connections.
//
// Threads: the control thread.
// Limits: an outlet for each endpoint of the Corefile; finish() waits dnstap_finish_max.
// Errors: outlet() says which certificate it could not use.
#pragma once

#include <chrono>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "server/control/dnstap_outlet.hpp"
#include "zones/base/asio.hpp"

namespace fairlead::server {

inline constexpr std::chrono::milliseconds dnstap_finish_max{2000};
static_assert(dnstap_stop_max < dnstap_finish_max);

class DnstapService {
 public:
  using Outlets = std::vector<std::shared_ptr<DnstapOutlet>>;

  DnstapService() = default;
  /// Outlets that are still there send nothing more.
  ~DnstapService();
  DnstapService(const DnstapService&) = delete;
  DnstapService& operator=(const DnstapService&) = delete;

  /// The one that is there for this endpoint, or a new one.
  std::expected<std::shared_ptr<DnstapOutlet>, std::string> outlet(const DnstapOptions& options);
  /// Sends what has been written so far, as far as there is somebody who takes it. For the end of the server.
  void finish();

 private:
  using Work = asio::executor_work_guard<asio::io_context::executor_type>;
  void start();

  const std::shared_ptr<asio::io_context> io_ = std::make_shared<asio::io_context>(1);
  std::map<std::string, std::weak_ptr<DnstapOutlet>> outlets_;  // by what they were made of
  std::optional<Work> work_;
  std::thread thread_;
};

/// Those of `old` that `now` does not have write no more, and give back what they listen on.
void stop_unused(const DnstapService::Outlets& old, const DnstapService::Outlets& now);

}  // namespace fairlead::server
