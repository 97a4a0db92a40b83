#include "k8s/object_store.hpp"

#include <utility>

#include "k8s/packed_objects.hpp"

namespace fairlead::k8s {
namespace {

// Of one batch; what is more is not measured.
constexpr std::size_t dated_changes_max = 4096;

// "namespace/name": neither can hold a slash in a real cluster.
std::string joined(const ObjectKey& key) { return key.namespace_name + '/' + key.name; }

// key == joined(parts), without making it.
bool is_joined(std::string_view key, const ObjectKey& parts) {
  const std::size_t slash = parts.namespace_name.size();
  return key.size() == slash + 1 + parts.name.size() && key.starts_with(parts.namespace_name) && key[slash] == '/' &&
         key.ends_with(parts.name);
}

bool is_namespace_label(std::string_view name) { return is_label(name) && !name.contains('/'); }

std::optional<dns::DomainName> services_zone(const dns::DomainName& zone) {
  auto services = zone.with_label("svc");
  if (!services) return std::nullopt;
  return *std::move(services);
}

template <typename Entry>
std::uint32_t allocate(std::deque<Entry>& entries, std::vector<std::uint32_t>& free) {
  if (free.empty()) {
    entries.emplace_back();
    return static_cast<std::uint32_t>(entries.size() - 1);
  }
  const std::uint32_t id = free.back();
  free.pop_back();
  return id;
}

int index_of(Kind kind) { return static_cast<int>(kind); }

}  // namespace

ObjectStore::ObjectStore(ObjectStoreOptions options)
    : options_(std::move(options)),
      exposed_(options_.namespaces.begin(), options_.namespaces.end()),
      ptr_zone_(services_zone(options_.records.zone)),
      pods_(options_.pod_object_names) {}

ObjectStore::Change::~Change() {
  const bool wakes = store_.bursts_ == 0 && std::exchange(store_.wakes_, false);
  const std::uint64_t changes = store_.sequence_ - store_.drained_;
  lock_.unlock();
  if (!wakes) return;
  {
    const std::scoped_lock lock(store_.take_mutex_);
    if (store_.take_ && store_.take_(changes)) return;
  }
  store_.changed_.notify_all();
}

void ObjectStore::begin_burst() {
  const std::scoped_lock lock(mutex_);
  ++bursts_;
}

void ObjectStore::end_burst() {
  const Change change(*this);
  --bursts_;
}

// ---- lists

void ObjectStore::begin_list(Kind kind) {
  const std::scoped_lock lock(mutex_);
  Listing& listing = listings_[index_of(kind)];
  ++listing.generation;
  listing.is_running = true;
  if (kind == Kind::pod) pods_.begin_list();
}

void ObjectStore::abort_list(Kind kind) {
  const std::scoped_lock lock(mutex_);
  listings_[index_of(kind)].is_running = false;
}

void ObjectStore::end_list(Kind kind) {
  const Change change(*this);
  Listing& listing = listings_[index_of(kind)];
  if (!std::exchange(listing.is_running, false)) return;
  listing.is_listed = true;

  std::vector<std::string> gone;
  switch (kind) {
    case Kind::kNamespace:
      for (const auto& [name, id] : namespace_ids_) {
        if (namespaces_[id].is_known && namespaces_[id].generation != listing.generation) gone.push_back(name);
      }
      for (const auto& name : gone) remove_namespace(name);
      break;
    case Kind::service:
      for (const auto& [key, id] : service_ids_) {
        if (!services_[id].packed.empty() && services_[id].generation != listing.generation) gone.push_back(key);
      }
      for (const auto& key : gone) remove_service(key);
      break;
    case Kind::endpoint_slice:
      for (const auto& [key, id] : slice_ids_) {
        if (slices_[id].generation != listing.generation) gone.push_back(key);
      }
      for (const auto& key : gone) remove_slice(key);
      break;
    case Kind::pod:
      if (pods_.end_list()) mark();
      break;
    case Kind::service_import: break;
  }
  // Being in step is news for the publisher even when nothing changed.
  if (sequence_++ == drained_) wakes_ = true;
}

bool ObjectStore::are_all_listed() const {
  const auto is_listed = [&](Kind kind) { return listings_[index_of(kind)].is_listed; };
  // Who wants no endpoints need not watch them.
  return is_listed(Kind::kNamespace) && is_listed(Kind::service) &&
         (is_listed(Kind::endpoint_slice) || options_.records.no_endpoints) && (is_listed(Kind::pod) || !options_.pods);
}

// ---- events

void ObjectStore::upsert(Namespace object) {
  const Change change(*this);
  if (!is_namespace_label(object.name)) {
    ++skipped_;
    return;
  }
  if (!exposed_.empty() && !exposed_.contains(object.name)) return;
  const NamespaceId id = namespace_of(object.name);
  namespaces_[id].generation = listings_[index_of(Kind::kNamespace)].generation;
  if (!namespaces_[id].is_known) set_known(id, true);
}

void ObjectStore::upsert(Service object) {
  if (options_.external) {
    normalize_external(object);
  } else {
    drop_external(object);
  }
  std::string packed = pack(object);
  const Change change(*this);
  if (!is_namespace_label(object.key.namespace_name) || !is_label(object.key.name)) {
    ++skipped_;
    return;
  }
  const ServiceId id = service_of(object.key);
  services_[id].generation = listings_[index_of(Kind::service)].generation;
  if (services_[id].packed == packed) return;
  if (object.type == Service::Type::external_name && !external_target(object.external_name) &&
      !base::IpAddress::parse(object.external_name)) {
    ++skipped_;
  }
  replace_service(id, std::move(packed));
}

void ObjectStore::upsert(EndpointSlice object) {
  std::string packed = pack(object, options_.records);
  const std::string key = joined(object.key);
  const Change change(*this);
  const ObjectKey owner{object.key.namespace_name, object.service_name};
  if (!is_namespace_label(owner.namespace_name) || !is_label(owner.name)) {
    if (!owner.name.empty()) ++skipped_;
    remove_slice(key);  // the label may have been taken away
    return;
  }
  put_slice(key, owner, std::move(packed), object.last_change);
}

void ObjectStore::put_slice(const std::string& key, const ObjectKey& owner, std::string packed,
                            std::optional<std::chrono::system_clock::time_point> last_change) {
  const std::uint32_t generation = listings_[index_of(Kind::endpoint_slice)].generation;
  auto found = slice_ids_.find(key);
  if (found != slice_ids_.end() && !is_joined(*services_[slices_[found->second].service].key, owner)) {
    remove_slice(key);
    found = slice_ids_.end();
  }
  const ServiceId service = found == slice_ids_.end() ? service_of(owner) : slices_[found->second].service;
  SliceId id;
  if (found == slice_ids_.end()) {
    id = allocate(slices_, free_slices_);
    const auto placed = slice_ids_.emplace(key, id).first;
    slices_[id] = SliceEntry{.key = &placed->first, .packed = pack(ReadySlice{}), .service = service};
    services_[service].slices.push_back(id);
  } else {
    id = found->second;
  }
  SliceEntry& entry = slices_[id];
  entry.generation = generation;
  if (entry.packed == packed) return;
  const std::string before = std::exchange(entry.packed, std::move(packed));
  replace_slice(id, before, entry.packed);
  // What a list brings may have changed long ago.
  const Listing& listing = listings_[index_of(Kind::endpoint_slice)];
  if (last_change && listing.is_listed && !listing.is_running && !services_[service].packed.empty() &&
      dated_changes_.size() < dated_changes_max) {
    dated_changes_.push_back({is_headless_service(services_[service].packed), *last_change});
  }
}

void ObjectStore::upsert(Pod object) {
  const Change change(*this);
  if (!is_namespace_label(object.key.namespace_name)) {
    ++skipped_;
    return;
  }
  switch (pods_.upsert(object)) {
    case PodStore::Outcome::unchanged: break;
    case PodStore::Outcome::changed: mark(); break;
    case PodStore::Outcome::left_out: ++skipped_; break;
  }
}

void ObjectStore::upsert(ServiceImport) {}

void ObjectStore::remove(Kind kind, const ObjectKey& key) {
  const Change change(*this);
  switch (kind) {
    case Kind::kNamespace: remove_namespace(key.name); break;
    case Kind::service: remove_service(joined(key)); break;
    case Kind::endpoint_slice: remove_slice(joined(key)); break;
    case Kind::pod:
      if (pods_.remove(key) == PodStore::Outcome::changed) mark();
      break;
    case Kind::service_import: break;
  }
}

void ObjectStore::remove_namespace(const std::string& name) {
  const auto found = namespace_ids_.find(name);
  if (found != namespace_ids_.end() && namespaces_[found->second].is_known) set_known(found->second, false);
}

void ObjectStore::remove_service(const std::string& key) {
  const auto found = service_ids_.find(key);
  if (found != service_ids_.end() && !services_[found->second].packed.empty()) replace_service(found->second, {});
}

void ObjectStore::remove_slice(const std::string& key) {
  const auto found = slice_ids_.find(key);
  if (found == slice_ids_.end()) return;
  const SliceId id = found->second;
  const ServiceId service = slices_[id].service;
  const std::string before = std::move(slices_[id].packed);
  replace_slice(id, before, {});
  std::erase(services_[service].slices, id);
  touched(service);  // so that the drain looks whether the Service is still needed
  slices_[id] = SliceEntry{};
  free_slices_.push_back(id);
  slice_ids_.erase(found);
}

// ---- entries

ObjectKey ObjectStore::key_of(const ServiceEntry& entry) const {
  const std::size_t slash = entry.key->find('/');
  return {entry.key->substr(0, slash), entry.key->substr(slash + 1)};
}

bool ObjectStore::is_visible(const ServiceEntry& entry) const {
  return !entry.packed.empty() && namespaces_[entry.namespace_id].is_known;
}

ObjectStore::NamespaceId ObjectStore::namespace_of(const std::string& name) {
  const auto [found, is_new] = namespace_ids_.try_emplace(name, 0);
  if (is_new) {
    found->second = allocate(namespaces_, free_namespaces_);
    namespaces_[found->second].name = &found->first;
  }
  return found->second;
}

ObjectStore::ServiceId ObjectStore::service_of(const ObjectKey& key) {
  const auto [found, is_new] = service_ids_.try_emplace(joined(key), 0);
  if (is_new) {
    const ServiceId id = allocate(services_, free_services_);
    found->second = id;
    services_[id].key = &found->first;
    services_[id].namespace_id = namespace_of(key.namespace_name);
    namespaces_[services_[id].namespace_id].services.push_back(id);
  }
  return found->second;
}

Service ObjectStore::decode(const ServiceEntry& entry) const { return unpack_service(entry.packed, key_of(entry)); }

// ---- for the publisher

void ObjectStore::offer_changes_to(TakeChanges take) {
  const std::scoped_lock lock(take_mutex_);
  take_ = std::move(take);
}

bool ObjectStore::wait_for_changes(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return sequence_ != drained_ || is_asked_ || stop.stop_requested(); });
  is_asked_ = false;
  return !stop.stop_requested();
}

void ObjectStore::ask_for_drain() {
  {
    const std::scoped_lock lock(mutex_);
    is_asked_ = true;
  }
  changed_.notify_all();
}

std::uint64_t ObjectStore::sequence() const {
  const std::scoped_lock lock(mutex_);
  return sequence_;
}

std::uint64_t ObjectStore::skipped_objects() const {
  const std::scoped_lock lock(mutex_);
  return skipped_;
}

}  // namespace fairlead::k8s
