// One version of a name table that stays readable while the table goes on.
//
// A zone transfer reads for as long as its client takes, and must read one version from beginning to end. A ReadSection
// that long would hold back all freeing, and a copy of the table would double its memory; so a version is a list of
// pointers, and entries that the table no longer has are kept until no version that had them is left. A version whose
// reader is so slow that too much has changed meanwhile is lost: its reader gives up, and starts over.
//
// Threads: the keeper belongs to the table's writing thread; a hold is released on any thread that holds a
//   base::ReaderThread. Entries of a version are read inside a ReadSection in which is_lost() was false.
// Limits: retired_octets_max of entries that nobody but versions needs; the oldest version goes first. Besides,
//   unheld_octets_max of entries that nobody needs.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace fairlead::zones {

class NameEntry;

/// Replaced entries kept for versions, of one table. A cluster that changes 1,000 endpoints a second retires about
/// 100 kB a second: enough for a transfer of two minutes.
inline constexpr std::size_t retired_octets_max = 16 * 1024 * 1024;

/// What no version needs is freed that many octets at a time: each round wakes the thread that waits for readers.
inline constexpr std::size_t unheld_octets_max = 64 * 1024;

class VersionHold {
 public:
  ~VersionHold();
  VersionHold(const VersionHold&) = delete;
  VersionHold& operator=(const VersionHold&) = delete;

  /// True once entries of the version may be gone.
  bool is_lost() const { return lost_.load(std::memory_order_acquire); }

 private:
  friend class VersionKeeper;
  struct State;
  VersionHold(std::shared_ptr<State> state, std::uint64_t epoch) : state_(std::move(state)), epoch_(epoch) {}

  const std::shared_ptr<State> state_;
  const std::uint64_t epoch_;
  std::atomic<bool> lost_{false};
};

/// What a table had at one moment, in no order.
struct TableVersion {
  std::vector<const NameEntry*> entries;
  std::shared_ptr<const VersionHold> hold;
};

class VersionKeeper {
 public:
  explicit VersionKeeper(std::size_t octets_max = retired_octets_max);
  /// All versions are gone.
  ~VersionKeeper();
  VersionKeeper(const VersionKeeper&) = delete;
  VersionKeeper& operator=(const VersionKeeper&) = delete;

  /// From now on, what is retired is kept for this hold.
  std::shared_ptr<const VersionHold> hold();
  /// Takes over an entry that the table no longer has, and frees it, with others, when no reader can have it.
  void retire(NameEntry* entry);

  /// Octets kept for versions, and those that wait to be freed; for tests.
  std::size_t octets() const;
  std::size_t unheld_octets() const { return unheld_octets_; }

 private:
  const std::shared_ptr<VersionHold::State> state_;
  const std::size_t octets_max_;
  std::vector<NameEntry*> unheld_;  // to be freed
  std::size_t unheld_octets_ = 0;
};

}  // namespace fairlead::zones
