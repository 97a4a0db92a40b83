// One thread that answers: its io_context, its plan, its listeners. There is one a core; they share nothing that is
// written on the query path.
//
// Threads: start(), post(), call() and stop() from the control thread; the rest on the worker's own.
// Limits: as its listeners'.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "server/net/tcp_listener.hpp"
#include "server/net/udp_listener.hpp"
#include "server/query/worker_plan.hpp"
#include "zones/base/asio.hpp"

namespace fairlead::server {

class Worker {
 public:
  explicit Worker(unsigned index);
  /// Stops at once if it still runs.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void start();
  unsigned index() const { return index_; }
  asio::io_context& io() { return io_; }

  /// Runs `task` on the worker's thread; call() waits for it.
  void post(std::function<void()> task);
  void call(const std::function<void()>& task);

  /// Ends the thread; what still waits is dropped. After drain().
  void stop();

  // On the worker's thread.

  /// Serves `plan` from now on: listeners that stand in `udp` and `tcp` go on or begin, others end. By the index of the
  /// listening address, with null in `udp` where there is none.
  void serve(std::shared_ptr<WorkerPlan> plan, std::vector<std::shared_ptr<UdpListener>> udp,
             std::vector<std::shared_ptr<TcpListener>> tcp);
  /// Reads what has arrived, then takes no more queries.
  void stop_listening();
  /// Queries and TCP replies that are still owed.
  std::size_t owed() const;

 private:
  void run();

  const unsigned index_;
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::shared_ptr<WorkerPlan> plan_;
  std::vector<std::shared_ptr<UdpListener>> udp_;
  std::vector<std::shared_ptr<TcpListener>> tcp_;
  std::thread thread_;
};

}  // namespace fairlead::server
