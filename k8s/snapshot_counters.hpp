// What a SnapshotKeeper has done, for metrics.
//
// Threads: a value.
#pragma once

#include <cstdint>
#include <optional>

namespace fairlead::k8s {

struct SnapshotCounters {
  std::uint64_t writes = 0;
  std::uint64_t write_failures = 0;
  std::uint64_t refusals = 0;  // of files that were there
  /// Seconds since the file's objects were known to be right; nothing while there is no file that is.
  std::optional<std::int64_t> age;
  bool is_in_use = false;  // answers are from it
};

}  // namespace fairlead::k8s
