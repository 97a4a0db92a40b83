// Lines on their way from the threads that answer to the output, which may be slow: a ring for each thread that writes,
// emptied by one thread for all with one write a batch.
//
//     LogQueue queue(1);                    // stdout
//     queue.push("[INFO] hello\n");         // never waits; false when the ring is full
//     queue.stop(std::chrono::seconds(2));  // writes what is queued
//
// A line costs its writer the copy and no system call: the emptying thread looks again every log_pause on its own, and
// is woken only when it had nothing left to do or a ring is half full.
//
// Threads: push() from any; start() and stop() from one. Lines of one thread keep their order.
// Limits: log_ring_octets a thread that writes, taken at its first line; a line that does not fit is lost and counted.
// Errors: what the output refuses is lost and counted; a line of the output's says how many are lost.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "server/control/octet_ring.hpp"
#include "zones/base/log.hpp"

namespace fairlead::server {

/// About 4,000 lines of queries: what a worker at its limit writes in 10 ms, so that it can share its core with the
/// thread that empties the ring.
inline constexpr std::size_t log_ring_octets = std::size_t{512} * 1024;
/// What a line may wait while others are on the way.
inline constexpr std::chrono::milliseconds log_pause{5};

class LogQueue {
 public:
  /// Makes a line of a message, with its newline.
  using LineMaker = std::string (*)(base::LogLevel level, std::string_view message);

  /// Writes to `descriptor`, holding `output` meanwhile. `make_line` is for what the queue itself has to say.
  LogQueue(int descriptor, std::mutex& output, LineMaker make_line);
  /// What is queued is lost; stop() comes first.
  ~LogQueue();
  LogQueue(const LogQueue&) = delete;
  LogQueue& operator=(const LogQueue&) = delete;

  /// May be called again after stop().
  void start();
  bool is_running() const { return running_.load(std::memory_order_relaxed); }
  /// `line` ends with a newline. False when it is lost.
  bool push(std::string_view line);
  /// Writes what is queued. False when the output took too long: then a thread still waits for it.
  bool stop(std::chrono::milliseconds wait_max);

  std::uint64_t lost() const;

 private:
  enum class State : std::uint8_t { busy, pausing, idle };
  class Handle;
  using Rings = std::vector<std::shared_ptr<OctetRing>>;

  OctetRing& ring_of_this_thread();
  void wake();
  void run();
  bool write_all();
  void report_losses(bool is_quiet);
  std::uint64_t write(OctetRing& ring) const;

  const std::uint64_t number_;  // its threads' rings know it by that: an address may be another queue's next
  const int descriptor_;
  std::mutex& output_;
  const LineMaker make_line_;
  std::atomic<bool> running_{false};
  std::atomic<State> state_{State::busy};
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  Rings rings_;
  std::uint64_t lost_before_ = 0;  // by rings that are gone, and by the output
  bool stopping_ = false;
  bool ended_ = true;
  std::thread thread_;
  // The emptying thread's.
  std::uint64_t reported_ = 0;
  std::chrono::steady_clock::time_point reported_at_;
};

}  // namespace fairlead::server
