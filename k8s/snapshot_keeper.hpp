// Keeps a cluster's snapshot file: reads it once before anything else, and writes it from time to time.
//
//     read()   at most once, before the publisher's first batch: objects into the store, and the table says that its
//              names are from a snapshot
//     start()  a thread of low priority writes: at most every write_interval when something changed, every
//              refresh_interval when nothing did, so that the age tells how long ago the objects were right
//     stop()   writes what has changed since
//
// A clusterset goes along once it is in step itself. It is waited for a while and not for ever: an API server that
// fails for ServiceImports alone must not keep the cluster's own names out of the file.
//
// Only what is in step is written, dated by the last time at which the API server was known to answer. Names from a
// snapshot that come of age before the API server was listed are no longer answered (ClusterTable::names_from).
//
// Of several keepers of one path, as during a reload, the one that started last writes.
//
// Threads: one of its own; read(), start(), stop() on the owner's, counters() from any.
// Limits: as snapshot_file.hpp.
// Errors: logged when they begin and when they end, counted, and no reason to stop anything.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "k8s/api_health.hpp"
#include "k8s/cluster_table.hpp"
#include "k8s/object_store.hpp"
#include "k8s/snapshot_counters.hpp"
#include "k8s/snapshot_file.hpp"
#include "zones/base/log.hpp"

namespace fairlead::k8s {

struct SnapshotKeeperOptions {
  std::string file;
  std::chrono::seconds age_max{std::chrono::hours(24)};
  /// Of what shaped the objects, asked anew for each file: certificates rotate.
  std::function<std::uint64_t()> fingerprint;
  base::LogFunction log;

  std::chrono::milliseconds write_interval{30'000};
  std::chrono::milliseconds refresh_interval{600'000};
  /// Until the first file of this run: how often it is looked whether the cluster is in step.
  std::chrono::milliseconds first_interval{1'000};
  /// Seconds since 1970; the system's time when empty.
  std::function<std::int64_t()> unix_time;
};

/// The names of a clusterset, which share the cluster's file.
struct SnapshotClusterset {
  ObjectStore& store;
  ClusterTable& table;
  /// The API server has no ServiceImports, or not for us.
  std::function<bool()> is_denied;
};

class SnapshotKeeper {
 public:
  /// Stores, tables and health outlive the keeper.
  SnapshotKeeper(SnapshotKeeperOptions options, ObjectStore& store, ClusterTable& table, const ApiHealth& health,
                 std::optional<SnapshotClusterset> clusterset = {});
  /// Stops if that was not done.
  ~SnapshotKeeper();
  SnapshotKeeper(const SnapshotKeeper&) = delete;
  SnapshotKeeper& operator=(const SnapshotKeeper&) = delete;

  /// True when the store holds the file's objects now.
  bool read();
  void start();
  /// Before the reflectors end: what is known of the API server now is what the last file is dated by.
  void request_stop();
  void stop();
  SnapshotCounters counters() const;

 private:
  void run(const std::stop_token& stop);
  void note_contact();
  void give_up_old_names();
  bool is_due();
  /// Not in step yet, and not to be left out yet either.
  bool is_clusterset_awaited();
  /// Imports of the file are all that is known.
  bool holds_old_clusterset() const;
  /// Rises with every change of what would be written.
  std::uint64_t sequence() const;
  /// `at_leisure`: with pauses until this is stopped.
  void write(std::optional<std::stop_token> at_leisure);
  bool is_owner() const;
  void log(base::LogLevel level, std::string_view text) const;

  const SnapshotKeeperOptions options_;
  ObjectStore& store_;
  ClusterTable& table_;
  const ApiHealth& health_;
  const std::optional<SnapshotClusterset> clusterset_;

  std::atomic<std::uint64_t> writes_{0}, write_failures_{0}, refusals_{0};
  static constexpr std::int64_t no_time = -1;
  std::atomic<std::int64_t> as_of_{no_time};  // of the file

  // The thread's own, and the owner's when it does not run.
  std::optional<std::chrono::steady_clock::time_point> names_expire_;
  std::optional<std::chrono::steady_clock::time_point> awaiting_clusterset_since_;
  std::int64_t last_contact_ = no_time;
  std::uint64_t written_sequence_ = 0;
  bool has_written_ = false;
  bool in_trouble_ = false;

  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;
};

}  // namespace fairlead::k8s
