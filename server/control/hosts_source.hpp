// What a `hosts` directive answers from: the lines in the Corefile, and a file that is read again when it changes.
//
// Threads: refresh() on the control thread; file() and inlined() on workers inside of a ReadSection; the figures on
//   any thread.
// Limits: those of zones/hosts_table.hpp.
// Errors: a file that cannot be read, or is too large, is a warning once; what was read before is answered on. Lines
//   that make no sense are warnings with their numbers, and the others count.
#pragma once

#include <atomic>
#include <string>

#include "server/config/hosts_options.hpp"
#include "server/control/watched_files.hpp"
#include "zones/base/published.hpp"
#include "zones/hosts_table.hpp"

namespace fairlead::server {

class HostsSource {
 public:
  /// Reads the file at once. `path`: the options' file as it is found from here.
  HostsSource(const HostsOptions& options, std::string path);

  /// Reads the file again if it changed.
  void refresh();

  /// Valid until the ReadSection ends.
  const zones::HostsTable& file() const { return *file_.read(); }
  const zones::HostsTable& inlined() const { return inlined_; }

  const std::string& path() const { return path_; }
  /// As CoreDNS counts them: addresses of names, and names of addresses.
  std::size_t entry_count() const { return entry_count_.load(std::memory_order_relaxed); }
  /// When the file that is answered from was written; 0 before one was read.
  double written_seconds() const { return written_seconds_.load(std::memory_order_relaxed); }

 private:
  void report(const zones::HostsTable::Faults& faults) const;

  const std::string path_;
  const std::vector<dns::DomainName> zones_;
  const bool reverse_;
  zones::HostsTable inlined_;
  base::Published<zones::HostsTable> file_;
  FileStamp stamp_;
  std::string failure_;
  std::atomic<std::size_t> entry_count_{0};
  std::atomic<double> written_seconds_{0};
};

}  // namespace fairlead::server
