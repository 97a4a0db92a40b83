// Keeps the objects of one kind in step: lists them, then watches what changes, for as long as it runs.
//
//     list (in pages) -> watch -> watch -> ... -> 410 Gone -> list as a difference -> watch ...
//
// A watch that ends or breaks off is resumed from the last version that was seen. Only when the server has forgotten
// that version is everything listed again, as a difference: names that still exist never blink. While the server is
// away nothing is removed. Every failure waits longer than the one before, with jitter, or as long as the server asks.
//
// Threads: one of its own, which waits; decoding runs on the client's threads, straight into the sink. start() and
//   stop() on the owner's thread, counters() from any.
// Limits: one object in memory at a time; pages of page_limit.
// Errors: logged once a minute and retried for ever.
// Standards: Kubernetes API concepts: "Retrieving large results sets in chunks", "Efficient detection of changes".
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <random>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

#include "k8s/api_client.hpp"
#include "k8s/api_health.hpp"
#include "k8s/object_sink.hpp"
#include "zones/base/log.hpp"

namespace fairlead::k8s {

struct ReflectorOptions {
  Kind kind = Kind::service;
  std::string label_selector;  // empty: all objects
  std::string field_selector;
  base::LogFunction log;

  unsigned page_limit = 500;
  std::chrono::milliseconds backoff_min{200};
  std::chrono::milliseconds backoff_max{30'000};
  /// The server ends a watch after a time between these, drawn anew, so that replicas do not come back together.
  std::chrono::seconds watch_min{300};
  std::chrono::seconds watch_max{600};
  /// How much longer than that we wait for it to do so.
  std::chrono::milliseconds watch_slack{30'000};
  std::chrono::milliseconds answer_timeout{30'000};
  std::chrono::milliseconds list_timeout{300'000};  // a page, or everything in one
};

struct ReflectorCounters {
  std::uint64_t lists = 0;
  std::uint64_t list_failures = 0;
  std::uint64_t watches = 0;
  std::uint64_t watch_failures = 0;
  std::uint64_t events = 0;
  std::uint64_t skipped_objects = 0;  // and parts of objects
};

class Reflector {
 public:
  /// Client, sink and health outlive the reflector.
  Reflector(ReflectorOptions options, ApiClient& client, ObjectSink& sink, ApiHealth& health);
  /// Stops if that was not done.
  ~Reflector();
  Reflector(const Reflector&) = delete;
  Reflector& operator=(const Reflector&) = delete;

  void start();
  /// Asks the thread to end; stop() also waits for it.
  void request_stop();
  void stop();
  ReflectorCounters counters() const;

 private:
  class Intake;
  class ListReader;
  class WatchReader;

  /// What to do next, and how long to wait before it.
  struct Step {
    enum class Action : std::uint8_t { list, watch };
    Action action = Action::list;
    std::chrono::milliseconds wait{0};
  };

  void run(const std::stop_token& stop);
  Step list(const std::stop_token& stop);
  Step watch(const std::stop_token& stop);
  Step watch_ended(const ApiResult& result, const WatchReader& reader, base::TimePoint start,
                   std::chrono::seconds planned);
  Step expired();

  ApiRequest request(std::string query) const;
  /// Says that a request failed: about the server if it did not answer, else about this kind.
  void report(const ApiResult& result, std::string_view verb, std::string_view why, base::TimePoint start);
  void report_good();
  void log(base::LogLevel level, std::string_view text) const;
  /// How long to wait behind the nth failure in a row (from 0).
  std::chrono::milliseconds back_off(unsigned failures, const ApiResult& result);

  struct Counts {
    std::atomic<std::uint64_t> lists{0}, list_failures{0}, watches{0}, watch_failures{0}, events{0}, skipped{0};
  };

  const ReflectorOptions options_;
  ApiClient& client_;
  ObjectSink& sink_;
  ApiHealth& health_;
  Counts counts_;

  // The thread's own.
  std::string resource_version_;
  unsigned list_failures_ = 0;    // in a row
  unsigned watch_failures_ = 0;   // in a row, lists in between not counted
  unsigned expired_lists_ = 0;    // continue tokens that expired, since the last whole list
  unsigned expired_watches_ = 0;  // watches that expired at once, since one that did not
  bool is_listed_ = false;
  bool in_trouble_ = false;  // something was logged that should be followed by good news
  LogThrottle trouble_throttle_;
  LogThrottle skipped_throttle_;
  std::mt19937 random_{std::random_device{}()};

  std::jthread thread_;
};

}  // namespace fairlead::k8s
