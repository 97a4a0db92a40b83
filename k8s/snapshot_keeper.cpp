#include "k8s/snapshot_keeper.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "zones/base/guarded.hpp"

namespace fairlead::k8s {
namespace {

// Nobody waits for the file.
constexpr int niceness = 10;
// Between two pieces, so that writing takes a small part of a core and of the store's lock.
constexpr std::chrono::milliseconds pause_between_pieces{2};

// The keepers of each path in the order of their start; the last one writes.
base::Guarded<std::map<std::string, std::vector<const SnapshotKeeper*>>>& owners() {
  static base::Guarded<std::map<std::string, std::vector<const SnapshotKeeper*>>> instance;
  return instance;
}

std::int64_t system_unix_time() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

std::string objects_text(const SnapshotRead& read) {
  std::string text =
      std::to_string(read.services) + " Services, " + std::to_string(read.endpoint_slices) + " EndpointSlices";
  if (read.pods) text += ", " + std::to_string(*read.pods) + " Pods";
  if (read.service_imports) text += ", " + std::to_string(*read.service_imports) + " ServiceImports";
  return text + " and " + std::to_string(read.namespaces) + " Namespaces";
}

// Before anybody reads the table.
void take_over(ClusterTable& table, std::uint32_t serial, const std::string& note) {
  table.serial.store(std::max(table.serial.load(), serial + 1));
  table.snapshot_note = note;
  table.names_from.store(NamesFrom::snapshot);
}

// The publisher sets it when everything has been listed, which comes first or comes later and is right either way.
bool give_up(ClusterTable& table) {
  NamesFrom expected = NamesFrom::snapshot;
  return table.names_from.compare_exchange_strong(expected, NamesFrom::expired_snapshot);
}

}  // namespace

SnapshotKeeper::SnapshotKeeper(SnapshotKeeperOptions options, ObjectStore& store, ClusterTable& table,
                               const ApiHealth& health, std::optional<SnapshotClusterset> clusterset)
    : options_([](SnapshotKeeperOptions o) {
        if (!o.unix_time) o.unix_time = system_unix_time;
        // The age must not run out while everything is quiet and well.
        o.refresh_interval = std::min<std::chrono::milliseconds>(o.refresh_interval, o.age_max / 2);
        return o;
      }(std::move(options))),
      store_(store),
      table_(table),
      health_(health),
      clusterset_(std::move(clusterset)) {}

SnapshotKeeper::~SnapshotKeeper() { stop(); }

bool SnapshotKeeper::read() {
  const std::int64_t now = options_.unix_time();
  const auto read = read_snapshot(
      options_.file, {.fingerprint = options_.fingerprint(), .now = now, .age_seconds_max = options_.age_max.count()},
      store_, clusterset_ ? &clusterset_->store : nullptr);
  if (!read) {
    if (read.error().fault == SnapshotFault::absent) {
      log(base::LogLevel::info, "there is none at " + options_.file + " yet");
    } else {
      refusals_.fetch_add(1, std::memory_order_relaxed);
      log(base::LogLevel::warning, options_.file + " is not used: " + read.error().text);
    }
    return false;
  }
  const SnapshotHeader& header = read->header;
  const std::int64_t age = std::max<std::int64_t>(0, now - header.as_of);
  as_of_ = header.as_of;
  names_expire_ = std::chrono::steady_clock::now() + options_.age_max - std::chrono::seconds(age);
  const std::string time = utc_text(header.as_of);
  const std::string note = "from the snapshot of " + time + ", not yet in step with the API server";
  table_.snapshot_has_pods = read->pods.has_value();
  if (table_.external != nullptr) table_.external->serial.store(header.external_serial + 1);
  take_over(table_, header.serial, note);
  if (read->service_imports) take_over(clusterset_->table, header.clusterset_serial, note);
  log(base::LogLevel::info, objects_text(*read) + " of " + time + " (" + std::to_string(age) + " s old) from " +
                                options_.file + " are answered until the API server has been listed");
  if (read->refused > 0) {
    log(base::LogLevel::warning, std::to_string(read->refused) + " objects of " + options_.file + " cannot be used");
  }
  return true;
}

void SnapshotKeeper::start() {
  if (thread_.joinable()) return;
  owners().with([&](auto& all) { all[options_.file].push_back(this); });
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void SnapshotKeeper::request_stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
  note_contact();
}

void SnapshotKeeper::stop() {
  request_stop();
  const bool has_owned = owners().with([&](const auto& all) {
    const auto found = all.find(options_.file);
    return found != all.end() && std::ranges::find(found->second, this) != found->second.end();
  });
  if (!has_owned) return;
  // A file that lacks what the one that is there has is no gain.
  const bool is_worse = holds_old_clusterset() && is_clusterset_awaited();
  if (store_.is_listed() && last_contact_ != no_time && is_owner() && !is_worse &&
      (!has_written_ || sequence() != written_sequence_ || last_contact_ > as_of_)) {
    write({});
  }
  owners().with([&](auto& all) {
    std::erase(all[options_.file], this);
    if (all[options_.file].empty()) all.erase(options_.file);
  });
}

SnapshotCounters SnapshotKeeper::counters() const {
  SnapshotCounters counters;
  counters.writes = writes_;
  counters.write_failures = write_failures_;
  counters.refusals = refusals_;
  if (const std::int64_t as_of = as_of_; as_of != no_time) {
    counters.age = std::max<std::int64_t>(0, options_.unix_time() - as_of);
  }
  const auto is_in_use = [](const ClusterTable& table) {
    return table.names_from.load(std::memory_order_relaxed) == NamesFrom::snapshot;
  };
  counters.is_in_use = is_in_use(table_) || (clusterset_ && is_in_use(clusterset_->table));
  return counters;
}

void SnapshotKeeper::run(const std::stop_token& stop) {
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), niceness);
  while (!stop.stop_requested()) {
    note_contact();
    give_up_old_names();
    if (is_due()) write(stop);
    const auto interval = has_written_ || in_trouble_ ? options_.write_interval : options_.first_interval;
    auto until = std::chrono::steady_clock::now() + interval;
    if (names_expire_) until = std::min(until, *names_expire_);
    std::unique_lock lock(mutex_);
    wake_.wait_until(lock, stop, until, [] { return false; });
  }
}

void SnapshotKeeper::note_contact() {
  if (health_.is_reachable()) last_contact_ = options_.unix_time();
}

void SnapshotKeeper::give_up_old_names() {
  if (!names_expire_ || std::chrono::steady_clock::now() < *names_expire_) return;
  names_expire_.reset();
  const bool own = give_up(table_);
  const bool imported = clusterset_ && give_up(clusterset_->table);
  if (own || imported) {
    log(base::LogLevel::warning,
        options_.file + " is older than " + std::to_string(options_.age_max.count()) +
            " s now and the API server has not been listed: its names are SERVFAIL until then");
  }
}

bool SnapshotKeeper::is_due() {
  if (last_contact_ == no_time || !is_owner() || !store_.is_listed() || is_clusterset_awaited()) return false;
  if (!has_written_ || sequence() != written_sequence_) return true;
  return std::chrono::seconds(last_contact_ - as_of_) >= options_.refresh_interval;
}

bool SnapshotKeeper::holds_old_clusterset() const {
  return clusterset_ && clusterset_->table.names_from.load() == NamesFrom::snapshot;
}

bool SnapshotKeeper::is_clusterset_awaited() {
  if (!clusterset_ || clusterset_->store.is_listed()) return false;
  // An API server that has just started denies everything for a moment: what is known is not given up for that.
  if (!holds_old_clusterset() && clusterset_->is_denied()) return false;
  const auto now = std::chrono::steady_clock::now();
  if (!awaiting_clusterset_since_) awaiting_clusterset_since_ = now;
  return now - *awaiting_clusterset_since_ < options_.write_interval;
}

std::uint64_t SnapshotKeeper::sequence() const {
  return store_.sequence() + (clusterset_ ? clusterset_->store.sequence() : 0);
}

bool SnapshotKeeper::is_owner() const {
  return owners().with([&](const auto& all) {
    const auto found = all.find(options_.file);
    return found != all.end() && found->second.back() == this;
  });
}

void SnapshotKeeper::write(std::optional<std::stop_token> at_leisure) {
  // What changes while it is written is written again next time.
  const std::uint64_t sequence = this->sequence();
  bool is_placed = false;
  SnapshotHeader header{.fingerprint = options_.fingerprint(), .as_of = last_contact_, .serial = table_.serial.load()};
  if (table_.external != nullptr) header.external_serial = table_.external->serial.load();
  SnapshotWriting writing;
  if (clusterset_ && clusterset_->store.is_listed()) {
    writing.clusterset = &clusterset_->store;
    header.clusterset_serial = clusterset_->table.serial.load();
  }
  if (at_leisure) {
    writing.pause = [stop = *std::move(at_leisure)] {
      if (!stop.stop_requested()) std::this_thread::sleep_for(pause_between_pieces);
    };
  }
  writing.commit = [&](const std::function<void()>& place) {
    owners().with([&](const auto& all) {
      const auto found = all.find(options_.file);
      if (found == all.end() || found->second.back() != this) return;
      place();
      is_placed = true;
    });
  };
  const auto written = write_snapshot(options_.file, header, store_, writing);
  if (!written) {
    write_failures_.fetch_add(1, std::memory_order_relaxed);
    if (!std::exchange(in_trouble_, true)) {
      log(base::LogLevel::warning,
          "it cannot be written: " + written.error() + "; what was there stays, and it is tried again");
    }
    return;
  }
  if (!is_placed) return;
  writes_.fetch_add(1, std::memory_order_relaxed);
  as_of_ = header.as_of;
  written_sequence_ = sequence;
  has_written_ = true;
  if (std::exchange(in_trouble_, false)) log(base::LogLevel::info, "it is written again");
}

void SnapshotKeeper::log(base::LogLevel level, std::string_view text) const {
  if (options_.log) options_.log(level, "snapshot: " + std::string(text));
}

}  // namespace fairlead::k8s
