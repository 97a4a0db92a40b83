// The zones of one directive that serves zone files: read from disk, watched, and published as a set.
//
// A file is read again when it has changed on disk (device, inode, size and times of it and of what it includes), and
// taken over when its serial differs. A file with faults changes nothing: what is served stays, and all faults are
// logged with their lines, once a version.
//
// Threads: load() and check() on the control thread; read() on any inside of a base::ReadSection.
// Limits: those of zones/zone_file.hpp. A file is read on the control thread, which does nothing else meanwhile.
// Errors: logged. A zone that could never be read is in the set without content.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/config/zone_file_options.hpp"
#include "zones/base/clock.hpp"
#include "zones/base/published.hpp"
#include "zones/zone.hpp"

namespace fairlead::server {

/// Files below one folder, more of which are not looked at.
inline constexpr std::size_t zone_files_max = 100'000;

/// A zone and what is known of it.
struct LoadedZone {
  dns::DomainName apex;
  std::string file;
  std::shared_ptr<const zones::Zone> zone;  // null: it could never be read
};

/// A zone that is to be read.
struct ZoneSource {
  dns::DomainName apex;
  std::string file;
};

/// The zones of a directive at one time, immutable.
class ZoneSet {
 public:
  explicit ZoneSet(std::vector<LoadedZone> zones);

  std::span<const LoadedZone> zones() const { return zones_; }
  /// The zone that a name is in, the longest match; null without one.
  const LoadedZone* find(dns::NameView name) const;
  const LoadedZone* find_apex(dns::NameView apex) const;

 private:
  std::vector<LoadedZone> zones_;  // in canonical order
  std::size_t labels_max_ = 0;     // of an apex
};

/// The zone files below the folder of `auto`, links to files included; of two for one zone the first by its path.
std::vector<ZoneSource> find_zone_files(const AutoOptions& options);

class ZoneStore {
 public:
  struct Options {
    std::string directive;  // "file"
    /// The files that there are now, each zone once.
    std::function<std::vector<ZoneSource>()> find_sources;
    Duration reload;
    bool ignores_serial = false;  // every change of a file is taken over
  };

  ZoneStore(Options options, const base::Clock& clock);

  /// Reads what there is; zones that `previous` has read from unchanged files are taken from there.
  void load(const ZoneStore* previous);
  /// Looks for changes once in the reload interval. True when zones have come or gone.
  bool check();
  /// Looks for changes now.
  bool check_now();

  /// Never null after load().
  const ZoneSet* read() const { return set_.read(); }

 private:
  struct FileState {
    std::string path;
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::int64_t size = -1;  // of a file that is not there
    std::int64_t changed_at = 0;
    std::int64_t modified_at = 0;
    friend bool operator==(const FileState&, const FileState&) = default;
  };
  struct Entry {
    LoadedZone loaded;
    std::vector<FileState> files;  // as they were before they were read
  };

  static FileState state_of(const std::string& path);
  static bool is_unchanged(const Entry& entry);
  void read_entry(Entry& entry);
  void log_faults(const zones::ZoneFile& file, const zones::Zone::Made& made, const Entry& entry) const;
  void publish();

  const Options options_;
  const base::Clock& clock_;
  base::TimePoint next_check_;
  std::vector<Entry> entries_;
  base::Published<ZoneSet> set_;
};

}  // namespace fairlead::server
