// Keeps the objects of one kind in step: lists them, then watches what changes, for as long as it runs.
//
//     list -> watch -> watch -> ... -> 410 Gone -> list as a difference -> watch ...
//
// A list is the beginning of a watch where the server streams it (KEP-3157), else it comes in pages; which of the two
// a server can is found out by asking, and remembered. A watch that ends or breaks off is resumed from the last version
// that was seen. Only when the server has forgotten that version is everything listed again, as a difference: names
// that still exist never blink. While the server is away nothing is removed. Every failure waits longer than the one
// before, with jitter, or as long as the server asks.
//
// Threads: one of its own, which waits; decoding runs on the client's threads, straight into the sink. start() and
//   stop() on the owner's thread, counters() from any.
// Limits: one object in memory at a time; pages of page_limit.
// Errors: logged once a minute and retried for ever.
// Standards: Kubernetes API concepts: "Retrieving large results sets in chunks", "Efficient detection of changes",
//   "Streaming lists".
#pragma once

#include <array>
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
#include "k8s/wire_format.hpp"
#include "zones/base/log.hpp"

namespace fairlead::k8s {

struct ReflectorOptions {
  Kind kind = Kind::service;
  std::string label_selector;  // empty: all objects
  std::string field_selector;
  WantedFields wanted;  // of endpoints
  base::LogFunction log;

  bool streaming_lists = true;  // ask for them; see above
  bool protobuf = true;         // ask for it; an answer in JSON is read as well
  unsigned page_limit = 500;
  std::chrono::milliseconds backoff_min{200};
  std::chrono::milliseconds backoff_max{30'000};
  /// The server ends a watch after a time between these, drawn anew, so that replicas do not come back together.
  std::chrono::seconds watch_min{300};
  std::chrono::seconds watch_max{600};
  /// How much longer than that we wait for it to do so.
  std::chrono::milliseconds watch_slack{30'000};
  /// A server that sends bookmarks does so about once a minute. A watch that misses them for a time between these is
  /// taken up anew: the server, or something on the way, has forgotten it.
  std::chrono::milliseconds watch_silence_min{150'000};
  std::chrono::milliseconds watch_silence_max{210'000};
  /// A streaming list comes from the server's memory: a pause this long means that nobody is going to end it.
  std::chrono::milliseconds list_silence{4'000};
  /// When a version is forgotten, it is so for all replicas at once: they spread over four times what the last list
  /// took, and no longer than this.
  std::chrono::milliseconds relist_spread_max{5'000};
  std::chrono::milliseconds answer_timeout{30'000};
  std::chrono::milliseconds list_timeout{300'000};  // a page, or everything in one
};

/// What may be wrong with what an API server sends. Each leaves the last good state in service.
enum class Oddity : std::uint8_t {
  part,       // a port or an address that makes no sense: left out of its object
  object,     // an object that makes no sense to DNS: left out
  oversized,  // an object or event above the limit: left out
  event,      // an event that cannot be read: asked for again
  list,       // a list that cannot be read: asked for again
  version,    // a resource version that is negative, no number, or the same again: not resumed from
  selector,   // the server does not understand our selector: asked again, later and later
};
inline constexpr std::size_t oddity_count = 7;
const char* name_of(Oddity oddity);
/// "services", as the API writes it.
const char* resource_of(Kind kind);

struct ReflectorCounters {
  std::uint64_t lists = 0;
  std::uint64_t list_failures = 0;
  std::uint64_t watches = 0;
  std::uint64_t watch_failures = 0;
  std::uint64_t events = 0;
  std::uint64_t skipped_objects = 0;  // and parts of objects
  std::uint64_t streamed_lists = 0;   // of the lists, those that came as the beginning of a watch
  std::uint64_t silent_watches = 0;   // ended because even bookmarks stayed away
  std::uint64_t protobuf_answers = 0;
  std::array<std::uint64_t, oddity_count> oddities{};
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
  Kind kind() const { return options_.kind; }
  /// The last list was answered with 403 or 404: the server has no such kind, or not for us.
  bool is_kind_denied() const { return is_kind_denied_.load(std::memory_order_relaxed); }

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
  Step list_in_pages(const std::stop_token& stop);
  /// The list, and the watch that it is the beginning of.
  Step list_in_stream(const std::stop_token& stop);
  Step stream_failed(const ApiResult& result, const WatchReader& reader, base::TimePoint start);
  Step watch(const std::stop_token& stop);
  ApiRequest watch_request(std::string query, std::chrono::seconds planned);
  void list_ended(std::string version, std::uint64_t objects, base::TimePoint start);
  Step watch_ended(const ApiResult& result, const WatchReader& reader, base::TimePoint start,
                   std::chrono::seconds planned);
  Step expired();

  bool prefers_protobuf() const;
  ApiRequest request(std::string query) const;
  /// Says that a request failed: about the server if it did not answer, else about this kind.
  void report(const ApiResult& result, std::string_view verb, std::string_view why, base::TimePoint start);
  void report_good();
  /// The header of an answer is here; the format of its body.
  WireFormat note_answer(std::string_view content_type);
  void note_oddity(Oddity oddity, std::uint64_t count, std::string_view what);
  void log(base::LogLevel level, std::string_view text) const;
  /// How long to wait behind the nth failure in a row (from 0).
  std::chrono::milliseconds back_off(unsigned failures, const ApiResult& result);
  template <typename Duration>
  Duration draw(Duration min, Duration max) {
    return Duration(std::uniform_int_distribution<typename Duration::rep>(min.count(), max.count())(random_));
  }

  struct Counts {
    std::atomic<std::uint64_t> lists{0}, list_failures{0}, watches{0}, watch_failures{0}, events{0};
    std::atomic<std::uint64_t> streamed_lists{0}, silent_watches{0}, protobuf_answers{0};
    std::array<std::atomic<std::uint64_t>, oddity_count> oddities{};
  };
  enum class Streaming : std::uint8_t { untried, proven, refused };

  const ReflectorOptions options_;
  ApiClient& client_;
  ObjectSink& sink_;
  ApiHealth& health_;
  Counts counts_;
  std::atomic<bool> is_kind_denied_{false};

  // The thread's own.
  std::string resource_version_;
  unsigned list_failures_ = 0;    // in a row
  unsigned watch_failures_ = 0;   // in a row, lists in between not counted
  unsigned expired_lists_ = 0;    // continue tokens that expired, since the last whole list
  unsigned expired_watches_ = 0;  // watches that expired at once, since one that did not
  unsigned silent_watches_ = 0;   // in a row
  unsigned broken_streams_ = 0;   // streaming lists that broke off, since the last whole list
  Streaming streaming_ = Streaming::untried;
  bool has_bookmarks_ = false;  // the server sends them
  std::chrono::milliseconds last_list_took_{0};
  bool is_listed_ = false;
  bool in_trouble_ = false;  // something was logged that should be followed by good news
  LogThrottle trouble_throttle_;
  std::array<LogThrottle, oddity_count> oddity_throttles_;
  std::mt19937 random_{std::random_device{}()};

  std::jthread thread_;
};

}  // namespace fairlead::k8s
