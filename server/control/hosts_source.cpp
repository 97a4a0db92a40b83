#include "server/control/hosts_source.hpp"

#include "server/config/source_reader.hpp"
#include "server/control/logging.hpp"

namespace fairlead::server {

HostsSource::HostsSource(const HostsOptions& options, std::string path)
    : path_(std::move(path)),
      zones_(options.zones),
      reverse_(options.reverse),
      file_(std::make_unique<const zones::HostsTable>()) {
  zones::HostsTable::Faults none;  // the Corefile's lines were checked with it
  inlined_ = zones::HostsTable(options.inline_lines, zones_, reverse_, none);
  entry_count_ = inlined_.entry_count();
  refresh();
}

void HostsSource::refresh() {
  // Looked at before it is read: a change while it is read is seen the next time.
  const FileStamp stamp = stamp_of(path_);
  if (stamp == stamp_ && failure_.empty()) return;
  const auto text = disk_reader().read(path_, zones::hosts_octets_max);
  if (!text) {
    if (text.error().reason == failure_) return;
    failure_ = text.error().reason;
    return log_warning("plugin/hosts: " + path_ + ": " + failure_ + "; what was read before is answered on");
  }
  failure_.clear();
  stamp_ = stamp;
  zones::HostsTable::Faults faults;
  auto table = std::make_unique<const zones::HostsTable>(*text, zones_, reverse_, faults);
  report(faults);
  log_debug("plugin/hosts: " + path_ + ": " + std::to_string(table->entry_count()) + " entries");
  entry_count_ = inlined_.entry_count() + table->entry_count();
  written_seconds_ = stamp.written_seconds();
  const base::ReaderThread reader;
  file_.publish(std::move(table));
}

void HostsSource::report(const zones::HostsTable::Faults& faults) const {
  for (const auto& fault : faults.first) {
    log_warning("plugin/hosts: " + path_ + ":" + std::to_string(fault.line) + ": " + fault.message);
  }
  if (faults.count > faults.first.size()) {
    log_warning("plugin/hosts: " + path_ + ": " + std::to_string(faults.count - faults.first.size()) +
                " more lines that make no sense");
  }
}

}  // namespace fairlead::server
