// The objects of a cluster in a file, so that a server that starts while the API server is away knows the names.
//
//     header   magic, version, SOA serial, fingerprint of what shaped the objects, Unix time at which they held, SOA
//              serials of the clusterset and of the external zone, which of the kinds are there that not all servers
//              have
//     records  kind, four lengths, Namespace, name, Service, packed object (packed_objects.hpp, object_store.hpp)
//     end      a record of kind 0, the number of records, XXH3 of all before
//
// Numbers are little-endian. A file is written beside its place, flushed and renamed, so that there is always a whole
// one; nothing is believed before the checksum of everything is right.
//
// Threads: any; the caller sees to it that one at a time writes a path. Other processes are kept out by a lock.
// Limits: a file of snapshot_octets_max. Writing holds a piece of some write_piece_octets in memory, and the store's
//   lock for as long as it takes to copy one; reading holds the file.
// Errors: sentences without the file's name.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "k8s/object_store.hpp"

namespace fairlead::k8s {

/// A cluster of five million endpoints; what is larger is not ours.
inline constexpr std::size_t snapshot_octets_max = std::size_t{128} << 20;

struct SnapshotHeader {
  /// Of the cluster and the options that shaped the objects: they are of no use to others.
  std::uint64_t fingerprint = 0;
  /// Unix time at which the objects were those of the API server.
  std::int64_t as_of = 0;
  /// SOA serials, so that they rise across a restart; 0 where there is no such zone.
  std::uint32_t serial = 0, clusterset_serial = 0, external_serial = 0;
};

struct SnapshotRead {
  SnapshotHeader header;
  std::uint64_t namespaces = 0, services = 0, endpoint_slices = 0;
  /// Nothing when whoever wrote the file did not watch them, or the reader does not.
  std::optional<std::uint64_t> pods;
  std::optional<std::uint64_t> service_imports;  // their slices are counted above
  std::uint64_t refused = 0;                     // objects that the store would not hold like that
};

struct SnapshotWanted {
  std::uint64_t fingerprint = 0;
  std::int64_t now = 0;  // Unix time
  std::int64_t age_seconds_max = 0;
};

enum class SnapshotFault : std::uint8_t {
  absent,       // there is no such file
  unreadable,   // or no regular file, or too large
  foreign,      // no snapshot, of another version, of another cluster or of other options
  damaged,      // cut short or changed
  out_of_date,  // too old, or from the future
};
struct SnapshotRefusal {
  SnapshotFault fault = SnapshotFault::absent;
  std::string text;
};

/// Puts the objects into `store`, and what a clusterset imports into a store of its own; a refused snapshot changes
/// nothing there. What is wanted and not in the file (Pods, a clusterset) is left as it is, the other way round it is
/// passed over.
std::expected<SnapshotRead, SnapshotRefusal> read_snapshot(const std::string& path, const SnapshotWanted& wanted,
                                                           ObjectStore& store, ObjectStore* clusterset = nullptr);
/// The same for the octets of a file.
std::expected<SnapshotRead, SnapshotRefusal> parse_snapshot(std::string_view octets, const SnapshotWanted& wanted,
                                                            ObjectStore& store, ObjectStore* clusterset = nullptr);

struct SnapshotWriting {
  /// What a clusterset imports; its Namespaces are those of the other store.
  const ObjectStore* clusterset = nullptr;
  /// Called between pieces, without a lock.
  std::function<void()> pause = [] {};
  /// Puts the finished file into its place by calling the function, or leaves it.
  std::function<void(const std::function<void()>&)> commit = [](const std::function<void()>& rename) { rename(); };
};
/// Gives the octets written. When it fails, what was in the place is still there.
std::expected<std::uint64_t, std::string> write_snapshot(const std::string& path, const SnapshotHeader& header,
                                                         const ObjectStore& store, const SnapshotWriting& writing = {});

/// "2026-01-31T12:00:00Z"
std::string utc_text(std::int64_t unix_time);

}  // namespace fairlead::k8s
