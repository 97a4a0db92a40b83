#include "server/handlers/zone_store.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <unordered_map>
#include <utility>

#include "server/control/logging.hpp"

namespace fairlead::server {
namespace {

constexpr std::size_t warnings_shown_max = 20;

std::int64_t nanoseconds_of(const timespec& time) { return time.tv_sec * 1'000'000'000LL + time.tv_nsec; }

bool comes_before(const LoadedZone& a, dns::NameView b) { return compare_canonical(a.apex, b) < 0; }

}  // namespace

ZoneSet::ZoneSet(std::vector<LoadedZone> zones) : zones_(std::move(zones)) {
  std::ranges::sort(zones_, [](const auto& a, const auto& b) { return comes_before(a, b.apex); });
  for (const LoadedZone& zone : zones_) labels_max_ = std::max(labels_max_, zone.apex.view().label_count());
}

const LoadedZone* ZoneSet::find_apex(dns::NameView apex) const {
  const auto found = std::lower_bound(zones_.begin(), zones_.end(), apex, comes_before);
  return found != zones_.end() && found->apex == apex ? &*found : nullptr;
}

const LoadedZone* ZoneSet::find(dns::NameView name) const {
  if (zones_.empty()) return nullptr;
  const dns::LabelOffsets labels(name);
  for (std::size_t count = std::min<std::size_t>(labels.count, labels_max_);; --count) {
    const auto* const found = find_apex(dns::NameView(name.wire().subspan(labels.offset[labels.count - count])));
    if (found != nullptr || count == 0) return found;
  }
}

std::vector<ZoneSource> find_zone_files(const AutoOptions& options) {
  namespace fs = std::filesystem;
  std::vector<std::string> paths;
  std::error_code error;
  // The folder may be a link, as a mounted ConfigMap's is; what lies below is not followed out of it.
  auto entry =
      fs::recursive_directory_iterator(options.directory, fs::directory_options::skip_permission_denied, error);
  if (error) log_warning("plugin/auto: cannot read the folder " + options.directory + ": " + error.message());
  for (std::size_t count = 0; !error && entry != fs::end(entry) && count < zone_files_max; ++count) {
    // A ConfigMap keeps its versions in hidden folders, which "..data" leads to: what is served are the links.
    std::error_code ignored;
    if (entry->path().filename().string().starts_with("..")) {
      entry.disable_recursion_pending();
    } else if (entry->is_regular_file(ignored)) {
      paths.push_back(entry->path().string());
    }
    entry.increment(error);
  }
  std::ranges::sort(paths);
  std::vector<ZoneSource> sources;
  std::unordered_map<dns::DomainName, std::size_t> known;
  for (const std::string& path : paths) {
    const auto origin = origin_of_file(options, std::string_view(path).substr(path.rfind('/') + 1));
    if (!origin) continue;
    const auto [first, is_new] = known.emplace(*origin, sources.size());
    if (is_new) {
      sources.push_back({*origin, path});
    } else {
      log_debug("plugin/auto: " + path + " is left out: " + sources[first->second].file + " is zone " +
                origin->to_string() + " already");
    }
  }
  return sources;
}

ZoneStore::ZoneStore(Options options, const base::Clock& clock) : options_(std::move(options)), clock_(clock) {}

void ZoneStore::load(const ZoneStore* previous) {
  if (previous != nullptr) entries_ = previous->entries_;
  check_now();
  if (set_.read() == nullptr) publish();
}

bool ZoneStore::check() {
  if (options_.reload.count() == 0 || clock_.now() < next_check_) return false;
  return check_now();
}

bool ZoneStore::check_now() {
  const base::ReaderThread publisher;
  next_check_ = clock_.now() + options_.reload;
  bool is_changed = false;
  bool has_other_zones = false;
  std::unordered_map<dns::DomainName, Entry> known;
  for (Entry& entry : entries_) known.emplace(entry.loaded.apex, std::move(entry));
  std::vector<Entry> entries;
  for (auto& source : options_.find_sources()) {
    Entry entry;
    if (auto before = known.extract(source.apex)) {
      entry = std::move(before.mapped());
    } else {
      has_other_zones = true;
    }
    const bool is_moved = entry.loaded.file != source.file;
    entry.loaded.apex = source.apex;
    entry.loaded.file = source.file;
    if (is_moved || !is_unchanged(entry)) {
      const auto before = entry.loaded.zone;
      read_entry(entry);
      is_changed |= entry.loaded.zone != before;
    }
    entries.push_back(std::move(entry));
  }
  for (const auto& [apex, gone] : known) {
    if (set_.read() == nullptr) break;  // of the store before
    log_info("plugin/" + options_.directive + ": zone " + gone.loaded.apex.to_string() +
             " is served no more: " + gone.loaded.file + " is gone");
    has_other_zones = true;
  }
  entries_ = std::move(entries);
  if (is_changed || has_other_zones || set_.read() == nullptr) publish();
  return has_other_zones;
}

ZoneStore::FileState ZoneStore::state_of(const std::string& path) {
  FileState state{.path = path};
  struct stat status{};
  if (stat(path.c_str(), &status) != 0) return state;
  state.device = status.st_dev;
  state.inode = status.st_ino;
  state.size = status.st_size;
  state.changed_at = nanoseconds_of(status.st_ctim);
  state.modified_at = nanoseconds_of(status.st_mtim);
  return state;
}

bool ZoneStore::is_unchanged(const Entry& entry) {
  return std::ranges::all_of(entry.files, [](const FileState& file) { return state_of(file.path) == file; });
}

void ZoneStore::read_entry(Entry& entry) {
  // Looked at first: what changes while it is read is read again.
  entry.files = {state_of(entry.loaded.file)};
  const zones::ZoneFile file = zones::read_zone_file(entry.loaded.file, entry.loaded.apex);
  for (const std::string& included : file.files) {
    if (included != entry.loaded.file) entry.files.push_back(state_of(included));
  }
  zones::Zone::Made made = zones::Zone::make(entry.loaded.apex, file);
  if (made.zone == nullptr) return log_faults(file, made, entry);
  const auto& before = entry.loaded.zone;
  const std::string what = "plugin/" + options_.directive + ": zone " + entry.loaded.apex.to_string() + " in " +
                           entry.loaded.file + " with serial " + std::to_string(made.zone->serial());
  if (before != nullptr && before->serial() == made.zone->serial() && !options_.ignores_serial) {
    log_info(what + " is left as it was read before: a change is taken over when its serial changes too");
    return;
  }
  log_faults(file, made, entry);
  log_info(what + " is served, " + std::to_string(made.zone->record_count()) + " records");
  entry.loaded.zone = std::move(made.zone);
}

void ZoneStore::log_faults(const zones::ZoneFile& file, const zones::Zone::Made& made, const Entry& entry) const {
  for (const auto& fault : made.faults) log_error(file.to_string(fault));
  for (std::size_t i = 0; i < std::min(made.warnings.size(), warnings_shown_max); ++i) {
    log_warning(file.to_string(made.warnings[i]));
  }
  if (made.warnings.size() > warnings_shown_max) {
    log_warning(entry.loaded.file + ": and " + std::to_string(made.warnings.size() - warnings_shown_max) +
                " more of the kind");
  }
  if (made.zone != nullptr) return;
  log_error("plugin/" + options_.directive + ": zone " + entry.loaded.apex.to_string() + " in " + entry.loaded.file +
            " has " + std::to_string(made.faults.size()) + " fault(s); " +
            (entry.loaded.zone == nullptr ? "its names are SERVFAIL until they are mended"
                                          : "it is served as it was before"));
}

void ZoneStore::publish() {
  const base::ReaderThread publisher;
  std::vector<LoadedZone> zones;
  for (const Entry& entry : entries_) zones.push_back(entry.loaded);
  set_.publish(std::make_unique<const ZoneSet>(std::move(zones)));
}

}  // namespace fairlead::server
