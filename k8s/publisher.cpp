#include "k8s/publisher.hpp"

#include <algorithm>
#include <cstring>
#include <ranges>
#include <utility>

#include "zones/base/published.hpp"

namespace fairlead::k8s {
namespace {

bool is_same(const ApexNameservers& a, const ApexNameservers& b) {
  return std::ranges::equal(a.nameservers, b.nameservers, [](const auto& x, const auto& y) {
    return x.relative_name == y.relative_name && x.addresses == y.addresses;
  });
}

std::uint32_t system_unix_time() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(now).count());
}

}  // namespace

// Writes one batch, skipping what is there already.
class Publisher::Writer final : public NameWriter {
 public:
  explicit Writer(Publisher& publisher) : publisher_(publisher), table_(publisher.table_) {}

  void put_forward(const std::string& key, const zones::NameContent& content) override {
    put(own_, table_.forward, key, content, [] {});
  }
  void erase_forward(const std::string& key) override { erase(own_, table_.forward, key); }

  void put_reverse(const base::IpAddress& address, const zones::NameContent& content) override {
    put_reverse(own_, table_.reverse, publisher_.non_terminals_, address, content);
  }
  void erase_reverse(const base::IpAddress& address) override {
    erase_reverse(own_, table_.reverse, publisher_.non_terminals_, address);
  }

  // The store gives these only where there is an external zone.
  void put_external(const std::string& key, const zones::NameContent& content) override {
    put(external_, table_.external->forward, key, content, [] {});
  }
  void erase_external(const std::string& key) override { erase(external_, table_.external->forward, key); }
  void put_external_reverse(const base::IpAddress& address, const zones::NameContent& content) override {
    put_reverse(external_, table_.external->reverse, publisher_.external_non_terminals_, address, content);
  }
  void erase_external_reverse(const base::IpAddress& address) override {
    erase_reverse(external_, table_.external->reverse, publisher_.external_non_terminals_, address);
  }
  void put_external_nameserver(std::optional<ExternalTable::Nameserver> nameserver) override {
    auto& published = table_.external->nameserver;
    {
      const base::ReadSection section;
      const auto* const now = published.read();
      if (now != nullptr && now->has_value() == nameserver.has_value() &&
          (!nameserver || (*now)->addresses == nameserver->addresses)) {
        return;
      }
      external_.is_changed |= now != nullptr;
    }
    published.publish(std::make_unique<const std::optional<ExternalTable::Nameserver>>(std::move(nameserver)));
  }

  void put_apex(ApexNameservers nameservers) override {
    {
      const base::ReadSection section;
      const ApexNameservers* const now = table_.apex_nameservers.read();
      if (now != nullptr && is_same(*now, nameservers)) return;
      own_.is_changed |= now != nullptr || !nameservers.nameservers.empty();
    }
    table_.apex_nameservers.publish(std::make_unique<const ApexNameservers>(std::move(nameservers)));
  }

  void change_pods(const PodChanges& changes) override {
    if (table_.pods != nullptr) batch_.pods += table_.pods->apply(changes);
  }

  const PublishedBatch& batch() const { return batch_; }
  bool is_visible() const { return own_.is_changed || batch_.pods > 0; }
  bool is_external_visible() const { return external_.is_changed; }

 private:
  /// A zone with a serial of its own: the cluster's, or the external one.
  struct Side {
    std::uint32_t ttl;
    bool is_changed = false;
  };

  // `before_new` runs when the name is not there yet. The only writer needs no ReadSection to look at its own table.
  template <typename BeforeNew>
  void put(Side& side, zones::NameTable& table, std::string_view key, const zones::NameContent& content,
           BeforeNew before_new) {
    auto entry = zones::NameEntry::make(key, content, side.ttl);
    // Labels that are too long together, as those of an endpoint of a cluster of a clusterset may be: no such name.
    if (entry == nullptr) return;
    const zones::NameTable::Key known = table.key(key);
    const zones::NameEntry* const now = table.find(known);
    if (now != nullptr && *now == *entry) {
      ++batch_.unchanged;
      return;
    }
    if (now == nullptr) before_new();
    ++batch_.puts;
    side.is_changed = true;
    table.put(std::move(entry), known);
  }

  bool erase(Side& side, zones::NameTable& table, std::string_view key) {
    if (!table.erase(key)) return false;
    ++batch_.erases;
    side.is_changed = true;
    return true;
  }

  void put_reverse(Side& side, zones::NameTable& table, ReverseNonTerminals& non_terminals,
                   const base::IpAddress& address, const zones::NameContent& content) {
    // What is above a name exists before the name does (RFC 8020).
    put(side, table, reverse_key(address), content, [&] {
      for (const auto& above : non_terminals.add(address)) put(side, table, above.key(), {}, [] {});
    });
  }

  void erase_reverse(Side& side, zones::NameTable& table, ReverseNonTerminals& non_terminals,
                     const base::IpAddress& address) {
    if (!erase(side, table, reverse_key(address))) return;
    for (const auto& above : non_terminals.remove(address)) erase(side, table, above.key());
  }

  Publisher& publisher_;
  ClusterTable& table_;
  PublishedBatch batch_;
  Side own_{publisher_.options_.ttl};
  Side external_{publisher_.options_.external_ttl};
};

Publisher::Publisher(ObjectStore& store, ClusterTable& table, PublisherOptions options)
    : store_(store), table_(table), options_([](PublisherOptions o) {
        if (!o.unix_time) o.unix_time = system_unix_time;
        return o;
      }(std::move(options))) {
  if (store_.ptr_zone()) table_.ptr_zone = *store_.ptr_zone();
  if (table_.serial.load() == 0) table_.serial.store(options_.unix_time());
}

Publisher::~Publisher() { stop(); }

void Publisher::start() {
  if (thread_.joinable()) return;
  {
    const std::scoped_lock lock(mutex_);
    has_stopped_ = false;
  }
  thread_ = std::jthread([this](std::stop_token stop) { run(std::move(stop)); });
  store_.offer_changes_to([this](std::uint64_t changes) { return take(changes); });
}

void Publisher::stop() {
  if (thread_.joinable()) {
    store_.offer_changes_to({});
    thread_.request_stop();
    thread_.join();
  }
  std::vector<std::pair<ClusterPart, VersionUser>> disappointed;
  {
    const std::scoped_lock lock(mutex_);
    has_stopped_ = true;
    disappointed.swap(version_users_);
  }
  for (const auto& [part, use] : disappointed) use(std::nullopt);
}

void Publisher::take_version(ClusterPart part, VersionUser use) {
  {
    const std::scoped_lock lock(mutex_);
    if (!has_stopped_) {
      version_users_.emplace_back(part, std::move(use));
      use = nullptr;
    }
  }
  if (use) return use(std::nullopt);
  store_.ask_for_drain();
}

void Publisher::give_versions() {
  std::vector<std::pair<ClusterPart, VersionUser>> users;
  {
    const std::scoped_lock lock(mutex_);
    users.swap(version_users_);
  }
  for (const auto& [part, use] : users) {
    use(is_external(part) && table_.external == nullptr ? std::nullopt : std::optional(make_version(part)));
  }
}

ClusterVersion Publisher::make_version(ClusterPart part) {
  ClusterVersion version;
  if (is_external(part)) {
    ExternalTable& external = *table_.external;
    version.serial = external.serial.load();
    version.names = (is_reverse(part) ? external.reverse : external.forward).take_version();
    const base::ReadSection section;
    if (const auto* const nameserver = external.nameserver.read()) version.external_nameserver = *nameserver;
    return version;
  }
  version.serial = table_.serial.load();
  version.names = (is_reverse(part) ? table_.reverse : table_.forward).take_version();
  const base::ReadSection section;
  if (const ApexNameservers* const apex = table_.apex_nameservers.read()) version.apex = *apex;
  return version;
}

bool Publisher::flush(std::chrono::milliseconds timeout) {
  const std::uint64_t wanted = store_.sequence();
  std::unique_lock lock(mutex_);
  return published_.wait_for(lock, timeout, [&] { return published_sequence_ >= wanted; });
}

PublishedBatch Publisher::publish_pending() {
  const std::scoped_lock lock(publishing_);
  const PublishedBatch batch = publish_batch();
  give_versions();
  return batch;
}

bool Publisher::take(std::uint64_t changes) {
  if (changes > taken_max) return false;
  const std::unique_lock lock(publishing_, std::try_to_lock);
  if (!lock.owns_lock() || Clock::now() < not_before_) return false;
  const base::ReaderThread reader;
  publish_batch();
  return true;
}

PublishedBatch Publisher::publish_batch() {
  const auto begin = Clock::now();
  Writer writer(*this);
  const ObjectStore::Drained drained = store_.drain(writer);
  PublishedBatch batch = writer.batch();
  batch.published = Clock::now();
  batch.oldest_change = drained.oldest_change.value_or(batch.published);
  std::size_t names = table_.forward.size() + table_.reverse.size();
  // Strictly rising, even when several batches fall into one second or the clock was set back.
  const auto raise = [&](std::atomic<std::uint32_t>& serial) {
    serial.store(std::max(options_.unix_time(), serial.load() + 1));
  };
  if (writer.is_visible()) raise(table_.serial);
  if (auto* const external = table_.external.get()) {
    names += external->forward.size() + external->reverse.size();
    if (writer.is_external_visible() || external->serial.load() == 0) raise(external->serial);
  }
  names_.store(names, std::memory_order_relaxed);
  if (drained.all_listed) {
    table_.synced.store(true);
    table_.names_from.store(NamesFrom::api_server);
  }
  if (writer.is_visible() && options_.on_published) options_.on_published(batch);
  not_before_ =
      std::max(begin + gather_min, batch.published + std::min<Clock::duration>(batch.published - begin, gather_max));
  {
    const std::scoped_lock lock(mutex_);
    published_sequence_ = drained.sequence;
    const auto now = std::chrono::system_clock::now();
    for (const ObjectStore::DatedChange& change : drained.dated_changes) {
      auto& durations =
          change.is_headless ? programming_durations_.headless_with_selector : programming_durations_.cluster_ip;
      // Two machines' clocks: ours may be behind.
      durations.observe(std::max(0.0, std::chrono::duration<double>(now - change.happened).count()),
                        programming_duration_bounds);
    }
  }
  published_.notify_all();
  return batch;
}

ProgrammingDurations Publisher::programming_durations() const {
  const std::scoped_lock lock(mutex_);
  return programming_durations_;
}

void Publisher::run(std::stop_token stop) {
  const base::ReaderThread reader;
  const std::stop_callback wake(stop, [this] { store_.ask_for_drain(); });
  while (store_.wait_for_changes(stop)) {
    Clock::time_point not_before;
    {
      const std::scoped_lock lock(publishing_);
      not_before = not_before_;
    }
    std::this_thread::sleep_until(not_before);
    publish_pending();
  }
}

}  // namespace fairlead::k8s
