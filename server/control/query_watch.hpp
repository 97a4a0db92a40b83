// What a worker remembers of the queries that it answered: who asks most and for what, and which ones took long.
//
// Slow queries are remembered all; talkers are counted from a sample: the first queries of a window all, then one in
// query_sample_gap, with random gaps so that no rhythm of a client hides from it. Counts stand for the queries between
// two samples, so their sums are those of all queries.
//
//     if (watch.wants(duration)) watch.see({...});        // per query, some six instructions
//     QueryWatches::top(), slow()                          // when someone asks: all workers together
//
// Threads: wants(), see() and During on the worker's own; read() from any. The worker never waits for a reader: what it
//   cannot write at once it writes with the next query, or, of slow ones, loses.
// Limits: query_watches_octets_max for the process; the last window and the one before it, each query_window long.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/control/slow_queries.hpp"
#include "server/control/talker_table.hpp"
#include "zones/base/clock.hpp"

namespace fairlead::server {

inline constexpr std::size_t query_watches_octets_max = 4 * 1024 * 1024;
/// Seeing a query takes some 300 instructions, a query 1,000 to 2,500: one in 64 is far below 2 % of them.
inline constexpr std::uint32_t query_sample_gap = 64;
/// So that a server with little to do shows what there is.
inline constexpr std::uint32_t query_exact_samples = 256;
/// Long enough that what is asked all the time stands out, short enough that it is about now.
inline constexpr auto query_window = std::chrono::minutes(5);
/// Shown of each kind; what comes behind is no top talker.
inline constexpr std::size_t top_talkers_max = 100;

/// The question to an upstream whose outcome is being dealt with.
struct UpstreamExchange {
  const resolver::UpstreamAddress* upstream = nullptr;  // null: none was reached
  base::TimePoint asked{};
  base::TimePoint replied{};
};

/// A query that was answered, or not owed an answer.
struct SeenQuery {
  base::IpAddress client;
  std::optional<dns::NameView> qname;  // in lower case; nothing in what is no query
  dns::RRType qtype{};
  Proto proto{};
  std::optional<dns::Rcode> rcode;  // nothing: no reply was owed
  PluginLabel directive = no_plugin;
  std::string_view error;
  base::TimePoint received{};
  std::chrono::nanoseconds duration{};
};

class alignas(64) QueryWatch {
 public:
  /// `octets`: about what it may take.
  explicit QueryWatch(std::size_t octets, base::TimePoint now = std::chrono::steady_clock::now());
  QueryWatch(const QueryWatch&) = delete;
  QueryWatch& operator=(const QueryWatch&) = delete;

  /// Of each query, once: whether see() has use for it.
  bool wants(std::chrono::nanoseconds duration) { return --until_sample_ <= 0 || duration >= slow_query_min; }
  void see(const SeenQuery& query);

  /// What is answered while it lives has waited for this exchange. Null: nobody watches.
  class During {
   public:
    During(QueryWatch* watch, const UpstreamExchange& exchange) : watch_(watch) {
      if (watch_ != nullptr) before_ = std::exchange(watch_->exchange_, &exchange);
    }
    ~During() {
      if (watch_ != nullptr) watch_->exchange_ = before_;
    }
    During(const During&) = delete;
    During& operator=(const During&) = delete;

   private:
    QueryWatch* const watch_;
    const UpstreamExchange* before_ = nullptr;
  };

  /// One window, as read() shows it.
  struct Window {
    explicit Window(std::size_t capacity);
    void clear();

    base::TimePoint begin{};
    std::uint64_t queries = 0;
    std::uint64_t samples = 0;
    TalkerTable clients;  // by the octets of their addresses
    TalkerTable names;    // in wire form
  };
  /// use(current window, the one before, slow queries), while the worker does not write. Windows that are over are left
  /// empty before.
  template <typename F>
  void read(base::TimePoint now, const F& use) {
    const std::scoped_lock lock(mutex_);
    turn(now);
    use(std::as_const(windows_[0]), std::as_const(windows_[1]), std::as_const(slow_));
  }

 private:
  void sample(const SeenQuery& query);
  void remember(const SeenQuery& query);
  void turn(base::TimePoint now);
  std::int32_t next_gap();

  // The worker's alone.
  std::int32_t until_sample_ = 1;
  std::int32_t gap_ = 1;  // queries that the next sample stands for
  std::uint64_t random_;
  const UpstreamExchange* exchange_ = nullptr;

  std::mutex mutex_;  // what is below
  std::array<Window, 2> windows_;
  SlowQueries slow_;
};

struct Talker {
  std::string key;  // an address or a name, as text
  TalkerCounts counts;
};

struct TopTalkers {
  std::chrono::nanoseconds covered{};
  std::uint64_t queries = 0;
  std::uint64_t samples = 0;
  std::vector<Talker> clients, names;  // the heaviest first, at most top_talkers_max
};

/// Those of all workers.
///
/// Threads: any.
class QueryWatches {
 public:
  /// `workers`: no more than these there will be.
  explicit QueryWatches(std::size_t workers);

  /// Stable and never null; the same worker has the same one.
  QueryWatch* of_worker(unsigned worker);

  TopTalkers top(base::TimePoint now = std::chrono::steady_clock::now());
  /// The slowest first.
  std::vector<SlowQuery> slow();

 private:
  std::vector<QueryWatch*> all();

  const std::size_t octets_each_;
  std::mutex mutex_;
  std::map<unsigned, std::unique_ptr<QueryWatch>> watches_;
};

}  // namespace fairlead::server
