// Brings what changed in the object store into the table that the query path reads.
//
// What changes rebuilds the names that it touches, at once: a change in a quiet cluster is visible within a
// millisecond. A name whose content is the same stays as it is. A few changes are published by the thread that brought
// them, which is awake and has them in its cache; to wake another costs more than they do. Many of them, and those that
// come while others are published, are left to the publisher's own thread. While changes keep coming they gather for a
// millisecond, and when a batch took long (a list of the whole cluster, a Service of thousands of endpoints) for as
// long as that, up to gather_max, so that publishing takes at most half a core.
//
// Threads: start(), stop() and flush() on any thread that is not the publisher's own; the hook runs on the publisher's,
//   or on one that changes the store, one batch at a time. Users of versions run on the publisher's own. The store and
//   the table outlive the publisher, and nobody else writes to the table.
// Limits: idle, it uses no time at all.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "k8s/api_counters.hpp"
#include "k8s/cluster_table.hpp"
#include "k8s/cluster_version.hpp"
#include "k8s/object_store.hpp"
#include "k8s/reverse_records.hpp"

namespace fairlead::k8s {

struct PublishedBatch {
  std::uint64_t puts = 0;       // names that are new or have other records
  std::uint64_t erases = 0;     // names that vanished
  std::uint64_t unchanged = 0;  // names that were looked at for nothing
  std::uint64_t pods = 0;       // addresses of Pods that came or went
  /// When the first event of the batch came in, and when the last name was in the table.
  std::chrono::steady_clock::time_point oldest_change, published;
};

struct PublisherOptions {
  std::uint32_t ttl = 5;
  std::uint32_t external_ttl = 5;
  /// Called after each batch with a visible change.
  std::function<void(const PublishedBatch&)> on_published;
  /// Seconds since 1970; the system's time when empty.
  std::function<std::uint32_t()> unix_time;
};

class Publisher {
 public:
  /// From the beginning of one batch to that of the next.
  static constexpr std::chrono::milliseconds gather_min{1};
  static constexpr std::chrono::milliseconds gather_max{20};
  /// So many changes at most (some for each object, see ObjectStore::sequence()) are published by who brought them.
  static constexpr std::uint64_t taken_max = 64;

  Publisher(ObjectStore& store, ClusterTable& table, PublisherOptions options);
  /// Stops if that was not done.
  ~Publisher();
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  void start();
  /// What waits in the store stays there for the next start.
  void stop();
  /// Waits until everything that is in the store now is published and the hook has returned; false when that takes
  /// longer, or nobody publishes.
  bool flush(std::chrono::milliseconds timeout);

  /// Gives the version that the next batch leaves behind to `use`, on the publishing thread; a batch is made for it at
  /// once. Nothing is given when the publisher stops before, or has stopped.
  void take_version(ClusterPart part, VersionUser use);

  /// One batch on the calling thread, which holds a base::ReaderThread, instead of start().
  PublishedBatch publish_pending();

  ProgrammingDurations programming_durations() const;

  /// Names in both tables.
  std::uint64_t names() const { return names_.load(std::memory_order_relaxed); }

 private:
  class Writer;
  using Clock = std::chrono::steady_clock;

  void run(std::stop_token stop);
  /// Publishes on the calling thread if that is soon done, and nobody else does.
  bool take(std::uint64_t changes);
  PublishedBatch publish_batch();
  void give_versions();
  ClusterVersion make_version(ClusterPart part);

  ObjectStore& store_;
  ClusterTable& table_;
  const PublisherOptions options_;
  ReverseNonTerminals non_terminals_;           // of what is in table_.reverse
  ReverseNonTerminals external_non_terminals_;  // and in table_.external->reverse
  std::atomic<std::uint64_t> names_{0};

  std::mutex publishing_;  // before mutex_ and the store's; whoever holds it is the table's writer
  Clock::time_point not_before_;

  mutable std::mutex mutex_;
  ProgrammingDurations programming_durations_;
  std::condition_variable published_;
  std::uint64_t published_sequence_ = 0;
  std::vector<std::pair<ClusterPart, VersionUser>> version_users_;
  bool has_stopped_ = false;

  std::jthread thread_;
};

}  // namespace fairlead::k8s
