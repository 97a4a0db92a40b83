#include "k8s/pod_store.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "zones/base/seeded_hash.hpp"

namespace fairlead::k8s {

namespace {

constexpr std::size_t cells_min = 64;
// Cells are in the order of the first half of their hash, but for those that found their place taken.
constexpr std::uint64_t places = std::uint64_t{1} << 32;
std::uint64_t place_of(std::uint64_t hash) { return hash >> 32; }

}  // namespace

// ---- slots

std::size_t PodStore::Slots::home(std::uint64_t hash) const {
  // Any number of cells, evenly.
  return static_cast<std::size_t>(place_of(hash) * cells_.size() >> 32);
}

PodStore::Slot* PodStore::Slots::find(std::uint64_t hash) {
  if (cells_.empty()) return nullptr;
  std::size_t at = home(hash);
  while (cells_[at].hash != 0 && cells_[at].hash != hash) at = next(at);
  return cells_[at].hash == 0 ? nullptr : &cells_[at];
}

PodStore::Slot& PodStore::Slots::insert(std::uint64_t hash) {
  if ((size_ + 1) * 8 > cells_.size() * 7) resize(std::max(cells_min, size_ * 5 / 4 + 1));
  std::size_t at = home(hash);
  while (cells_[at].hash != 0) at = next(at);
  ++size_;
  cells_[at].hash = hash;
  return cells_[at];
}

void PodStore::Slots::erase(Slot* slot) {
  const auto distance = [&](std::size_t from, std::size_t to) {
    return to >= from ? to - from : to + cells_.size() - from;
  };
  auto hole = static_cast<std::size_t>(slot - cells_.data());
  // Without tombstones: what the hole would cut off from where its probing begins moves back.
  for (std::size_t at = next(hole); cells_[at].hash != 0; at = next(at)) {
    if (distance(home(cells_[at].hash), at) < distance(hole, at)) continue;
    cells_[hole] = cells_[at];
    hole = at;
  }
  cells_[hole] = Slot{};
  --size_;
  if (cells_.size() > cells_min && size_ * 20 < cells_.size() * 11) resize(std::max(cells_min, size_ * 5 / 4 + 1));
}

void PodStore::Slots::resize(std::size_t cells) {
  base::MappedArray<Slot> old(cells);
  std::swap(old, cells_);
  for (const Slot& slot : old) {
    if (slot.hash == 0) continue;
    std::size_t at = home(slot.hash);
    while (cells_[at].hash != 0) at = next(at);
    cells_[at] = slot;
  }
}

// ---- Pods

PodStore::PodStore(bool keeps_names)
    : keeps_names_(keeps_names),
      seed_(base::draw_seed()),
      restored_seed_(base::draw_seed()),
      reusable_namespaces_(std::make_shared<base::Guarded<std::vector<std::uint32_t>>>()) {}

std::uint64_t PodStore::hash_of(const ObjectKey& key) const {
  return std::max<std::uint64_t>(pod_hash(key.namespace_name, key.name, seed_), 1);  // 0 is a free slot
}

std::uint64_t PodStore::restored_hash(std::string_view namespace_name, const base::IpAddress& address) const {
  const auto octets = address.octets();
  const std::string_view text(reinterpret_cast<const char*>(octets.data()), octets.size());
  return std::max<std::uint64_t>(pod_hash(namespace_name, text, restored_seed_), 1);
}

void PodStore::begin_list() {
  for (Slot& slot : slots_.cells()) slot.is_seen = 0;
}

bool PodStore::end_list() {
  std::vector<std::uint64_t> gone;
  for (const Slot& slot : slots_.cells()) {
    if (slot.hash != 0 && slot.is_seen == 0) gone.push_back(slot.hash);
  }
  for (const std::uint64_t hash : gone) erase(slots_.find(hash));
  return !gone.empty();
}

PodStore::Outcome PodStore::upsert(const Pod& pod) {
  if (!pod.address) return remove(pod.key);
  const std::uint64_t hash = hash_of(pod.key);
  if (Slot* const slot = slots_.find(hash)) {
    slot->is_seen = 1;
    if (address_of(*slot) == *pod.address) return Outcome::unchanged;
    note(*slot, false, {});
    release_address(*slot);
    set_address(*slot, *pod.address);
    note(*slot, true, pod.key.name);
    return Outcome::changed;
  }
  if (const Slot* const slot = take_restored(pod, hash)) {
    if (!keeps_names_) return Outcome::unchanged;
    // The name is news. It comes before the nameless one goes, so that the address is never missing.
    note(*slot, true, pod.key.name);
    Slot before = *slot;
    before.is_restored = 1;
    note(before, false, {});
    return Outcome::changed;
  }
  const auto namespace_id = take_namespace(pod.key.namespace_name);
  if (!namespace_id) return Outcome::left_out;
  Slot& slot = slots_.insert(hash);
  slot.namespace_id = *namespace_id & (PodTable::namespaces_max - 1);
  slot.is_seen = 1;
  set_address(slot, *pod.address);
  note(slot, true, pod.key.name);
  return Outcome::changed;
}

PodStore::Outcome PodStore::remove(const ObjectKey& key) {
  Slot* const slot = slots_.find(hash_of(key));
  if (slot == nullptr) return Outcome::unchanged;
  erase(slot);
  return Outcome::changed;
}

PodStore::Outcome PodStore::restore(const std::string& namespace_name, const base::IpAddress& address) {
  const std::uint64_t hash = restored_hash(namespace_name, address);
  if (slots_.find(hash) != nullptr) return Outcome::unchanged;
  const auto namespace_id = take_namespace(namespace_name);
  if (!namespace_id) return Outcome::left_out;
  Slot& slot = slots_.insert(hash);
  slot.namespace_id = *namespace_id & (PodTable::namespaces_max - 1);
  slot.is_restored = 1;
  ++restored_;
  set_address(slot, address);
  note(slot, true, {});
  return Outcome::changed;
}

PodStore::Slot* PodStore::take_restored(const Pod& pod, std::uint64_t hash) {
  if (restored_ == 0) return nullptr;
  Slot* const found = slots_.find(restored_hash(pod.key.namespace_name, *pod.address));
  if (found == nullptr || found->is_restored == 0) return nullptr;
  // Namespace and address go along.
  Slot own = *found;
  own.hash = hash;
  own.is_restored = 0;
  own.is_seen = 1;
  slots_.erase(found);
  --restored_;
  Slot& slot = slots_.insert(hash);
  slot = own;
  return &slot;
}

bool PodStore::read_some(std::uint64_t& place, std::size_t pods,
                         const std::function<void(std::string_view, const base::IpAddress&)>& use) const {
  const auto& cells = slots_.cells();
  if (cells.empty() || place >= places) return false;
  // Places stay what they are when the array is made anew, numbers of cells do not.
  const std::uint64_t end = std::min(places, place + std::max<std::uint64_t>(1, places / cells.size() * pods));
  const std::size_t last = slots_.home((end - 1) << 32);
  bool is_behind = false;
  for (std::size_t at = slots_.home(place << 32), left = cells.size(); left > 0; at = slots_.next(at), --left) {
    const Slot& slot = cells[at];
    // What found its place taken stands behind it, without a free cell in between.
    if (slot.hash == 0 && is_behind) break;
    if (slot.hash != 0 && place_of(slot.hash) >= place && place_of(slot.hash) < end) {
      use(namespaces_[slot.namespace_id].name, address_of(slot));
    }
    is_behind = is_behind || at == last;
  }
  place = end;
  return place < places;
}

void PodStore::erase(Slot* slot) {
  restored_ -= slot->is_restored;
  note(*slot, false, {});
  release_address(*slot);
  release_namespace(slot->namespace_id);
  slots_.erase(slot);
}

void PodStore::note(const Slot& slot, bool is_added, const std::string& name) {
  pending_.changes.push_back({.address = address_of(slot),
                              .namespace_id = slot.namespace_id,
                              .is_added = is_added,
                              .hash = slot.is_restored != 0 ? PodChanges::nameless : slot.hash,
                              .name = keeps_names_ && is_added ? name : std::string()});
}

PodChanges PodStore::take_changes() {
  pending_.seed = seed_;
  pending_.reusable = reusable_namespaces_;
  return std::exchange(pending_, {});
}

// ---- addresses

base::IpAddress PodStore::address_of(const Slot& slot) const {
  if (slot.is_v6 != 0) return base::IpAddress::v6(v6_addresses_[slot.address]);
  std::array<std::uint8_t, 4> octets;
  std::memcpy(octets.data(), &slot.address, octets.size());
  return base::IpAddress::v4(octets);
}

void PodStore::set_address(Slot& slot, const base::IpAddress& address) {
  slot.is_v6 = address.is_v6() ? 1 : 0;
  if (address.is_v4()) {
    std::memcpy(&slot.address, address.octets().data(), 4);
    return;
  }
  if (free_v6_addresses_.empty()) {
    free_v6_addresses_.push_back(static_cast<std::uint32_t>(v6_addresses_.size()));
    v6_addresses_.emplace_back();
  }
  slot.address = free_v6_addresses_.back();
  free_v6_addresses_.pop_back();
  std::ranges::copy(address.octets(), v6_addresses_[slot.address].begin());
}

void PodStore::release_address(const Slot& slot) {
  if (slot.is_v6 != 0) free_v6_addresses_.push_back(slot.address);
}

// ---- Namespaces

std::optional<std::uint32_t> PodStore::take_namespace(const std::string& name) {
  const auto [found, is_new] = namespace_ids_.try_emplace(name, 0);
  if (is_new) {
    if (free_namespaces_.empty()) reusable_namespaces_->with([&](auto& ids) { free_namespaces_.swap(ids); });
    if (free_namespaces_.empty()) {
      if (namespaces_.size() >= PodTable::namespaces_max) {
        namespace_ids_.erase(found);
        return std::nullopt;
      }
      free_namespaces_.push_back(static_cast<std::uint32_t>(namespaces_.size()));
      namespaces_.emplace_back();
    }
    found->second = free_namespaces_.back();
    free_namespaces_.pop_back();
    namespaces_[found->second] = {.name = name, .pods = 0};
    pending_.named.push_back({found->second, name});
  }
  ++namespaces_[found->second].pods;
  return found->second;
}

void PodStore::release_namespace(std::uint32_t id) {
  if (--namespaces_[id].pods > 0) return;
  namespace_ids_.erase(namespaces_[id].name);
  namespaces_[id] = {};
  pending_.released.push_back(id);
}

}  // namespace fairlead::k8s
