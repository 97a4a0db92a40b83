#include "server/net/worker.hpp"

#include <pthread.h>

#include <algorithm>
#include <future>

#include "server/control/logging.hpp"
#include "server/net/time_slice.hpp"
#include "zones/base/published.hpp"

namespace fairlead::server {

Worker::Worker(unsigned index) : index_(index), work_(asio::make_work_guard(io_)) {}

Worker::~Worker() { stop(); }

void Worker::start() {
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), ("worker-" + std::to_string(index_)).c_str());
}

void Worker::run() {
  const base::ReaderThread reader;
  queue_lines_of_this_thread();
  ask_for_time_slice(worker_time_slice);
  io_.run();
}

void Worker::post(std::function<void()> task) { asio::post(io_, std::move(task)); }

void Worker::call(const std::function<void()>& task) {
  std::promise<void> done;
  post([&] {
    task();
    done.set_value();
  });
  done.get_future().wait();
}

void Worker::stop() {
  if (!thread_.joinable()) return;
  call([this] {
    stop_listening();
    for (const auto& listener : tcp_) listener->close_connections();
    // Upstream channels end on the thread that they belong to, whatever still waits for them.
    if (plan_ != nullptr) plan_->chains.clear();
    plan_.reset();
    udp_.clear();
    tcp_.clear();
  });
  work_.reset();
  io_.stop();
  thread_.join();
}

void Worker::serve(std::shared_ptr<WorkerPlan> plan, std::vector<std::shared_ptr<UdpListener>> udp,
                   std::vector<std::shared_ptr<TcpListener>> tcp) {
  const auto end_missing = [](auto& old, const auto& fresh) {
    for (const auto& listener : old) {
      if (std::ranges::find(fresh, listener) == fresh.end()) listener->stop();
    }
    old = fresh;
  };
  plan_ = std::move(plan);
  for (std::size_t i = 0; i < udp.size(); ++i) {
    if (udp[i] != nullptr) udp[i]->serve(plan_, i);
  }
  std::erase(udp, nullptr);
  for (std::size_t i = 0; i < tcp.size(); ++i) tcp[i]->serve(plan_, i);
  end_missing(udp_, udp);
  end_missing(tcp_, tcp);
  for (const auto& listener : udp_) listener->start();
  for (const auto& listener : tcp_) listener->start();
}

void Worker::stop_listening() {
  for (const auto& listener : udp_) listener->stop();
  for (const auto& listener : tcp_) listener->stop();
}

std::size_t Worker::owed() const {
  std::size_t owed = plan_ != nullptr ? plan_->pending_queries : 0;
  for (const auto& listener : tcp_) owed += listener->owed();
  return owed;
}

}  // namespace fairlead::server
