#include "k8s/pod_table.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "zones/base/seeded_hash.hpp"

namespace fairlead::k8s {

namespace {

constexpr std::size_t cells_min = 64;

template <std::size_t octets>
std::array<std::uint8_t, octets> octets_of(const base::IpAddress& address) {
  std::array<std::uint8_t, octets> result;
  std::copy_n(address.octets().begin(), octets, result.begin());
  return result;
}

// Where the next name begins is where the one before ends.
template <typename Ends>
std::string_view slice_of(std::string_view names, const Ends& ends, std::size_t at) {
  const std::size_t begin = at == 0 ? 0 : ends[at - 1];
  return names.substr(begin, ends[at] - begin);
}

/// Numbers on their way to be given out again.
struct Retired {
  std::vector<std::uint32_t> ids;
  std::shared_ptr<base::Guarded<std::vector<std::uint32_t>>> reusable;
};

}  // namespace

std::uint64_t pod_hash(std::string_view namespace_name, std::string_view pod_name, std::uint64_t seed) {
  // One hash seeds the other, so that no string is put together and "a" "bc" is not "ab" "c".
  return base::seeded_hash(pod_name, base::seeded_hash(namespace_name, seed));
}

std::string_view PodTable::Page::name(std::size_t at) const { return slice_of(names, ends, at); }

std::size_t PodTable::SharedHash::operator()(const std::pair<base::IpAddress, std::uint32_t>& key) const {
  const auto octets = key.first.octets();
  return base::seeded_hash(octets.data(), octets.size(), seed + key.second);
}

PodTable::PodTable(bool keeps_names)
    : keeps_names_(keeps_names),
      seed_(base::draw_seed()),
      pages_(std::make_unique<base::Published<Page>[]>(page_count)),
      shared_(0, SharedHash{seed_}) {}

PodTable::~PodTable() {
  free_names(v4_);
  free_names(v6_);
}

// ---- reading

template <std::size_t octets>
std::size_t PodTable::home(const std::array<std::uint8_t, octets>& address, std::size_t cells) const {
  // Any number of cells, evenly.
  return static_cast<std::size_t>((base::seeded_hash(address.data(), octets, seed_) >> 32) * cells >> 32);
}

std::string_view PodTable::namespace_name(std::uint32_t id) const {
  const Page* const page = pages_[id / page_names].read();
  return page == nullptr ? std::string_view{} : page->name(id % page_names);
}

template <std::size_t octets>
void PodTable::visit(const Cells<octets>* cells, const base::IpAddress& address, Visit use, void* context) const {
  if (cells == nullptr) return;
  const auto wanted = octets_of<octets>(address);
  const std::size_t size = cells->cells.size();
  for (std::size_t at = home(wanted, size);; at = at + 1 == size ? 0 : at + 1) {
    Cell<octets>& cell = cells->cells[at];
    const std::uint32_t state = std::atomic_ref(cell.state).load(std::memory_order_acquire);
    if (state == free_cell) return;  // there always is one
    if (state == removed_cell || cell.address != wanted) continue;
    use(context, namespace_name(state - first_state),
        keeps_names_ ? std::string_view(cells->names[at]) : std::string_view());
  }
}

void PodTable::visit(const base::IpAddress& address, Visit use, void* context) const {
  if (address.is_v4()) {
    visit(v4_.published.read(), address, use, context);
  } else {
    visit(v6_.published.read(), address, use, context);
  }
}

bool PodTable::contains(std::string_view namespace_name, const base::IpAddress& address) const {
  bool found = false;
  for_each(address, [&](std::string_view name, std::string_view) { found = found || name == namespace_name; });
  return found;
}

// ---- writing

std::size_t PodTable::apply(const PodChanges& changes) {
  name_namespaces(changes.named);
  std::size_t visible = 0;
  for (const auto& one : changes.changes) {
    const bool is_visible = one.address.is_v4() ? change(v4_, one, changes.seed) : change(v6_, one, changes.seed);
    visible += is_visible ? 1 : 0;
  }
  size_.store(v4_.live + v6_.live, std::memory_order_relaxed);
  if (!changes.released.empty() && changes.reusable != nullptr) {
    base::reclaim_later(new Retired{changes.released, changes.reusable}, [](void* object) {
      const std::unique_ptr<Retired> retired(static_cast<Retired*>(object));
      retired->reusable->with([&](auto& ids) { ids.insert(ids.end(), retired->ids.begin(), retired->ids.end()); });
    });
  }
  return visible;
}

void PodTable::name_namespaces(std::span<const PodChanges::NamespaceName> named) {
  std::vector<const PodChanges::NamespaceName*> order;
  for (const auto& one : named) {
    if (one.id < namespaces_max && one.name.size() <= 63) order.push_back(&one);
  }
  // As they came, where one number was named twice.
  std::ranges::sort(order, {}, [](const PodChanges::NamespaceName* one) { return std::pair(one->id, one); });
  for (std::size_t at = 0; at < order.size();) {
    const std::size_t number = order[at]->id / page_names;
    std::array<std::string, page_names> names;
    {
      const base::ReadSection section;
      if (const Page* const page = pages_[number].read()) {
        for (std::size_t i = 0; i < page_names; ++i) names[i] = page->name(i);
      }
    }
    for (; at < order.size() && order[at]->id / page_names == number; ++at) {
      names[order[at]->id % page_names] = order[at]->name;
    }
    auto fresh = std::make_unique<Page>();
    for (std::size_t i = 0; i < page_names; ++i) {
      fresh->names += names[i];
      fresh->ends[i] = static_cast<std::uint16_t>(fresh->names.size());  // 64 labels of 63 octets at most
    }
    fresh->names.shrink_to_fit();
    pages_[number].publish(std::move(fresh));
  }
}

template <std::size_t octets>
bool PodTable::change(Family<octets>& family, const PodChanges::Change& change, std::uint64_t seed) {
  // The writer needs no acquire: nobody else writes.
  const auto wanted = octets_of<octets>(change.address);
  const std::uint32_t state = change.namespace_id + first_state;
  const std::size_t size = family.now == nullptr ? 0 : family.now->cells.size();
  for (std::size_t at = size == 0 ? 0 : home(wanted, size); size > 0; at = at + 1 == size ? 0 : at + 1) {
    Cell<octets>& cell = family.now->cells[at];
    if (cell.state == free_cell) break;
    if (cell.state != state || cell.address != wanted) continue;
    // Where names are kept every Pod has a cell; those with one address in one Namespace differ in their hash, but for
    // those without a name, of which one is as good as another.
    char* const name = keeps_names_ ? family.now->names[at] : nullptr;
    if (name != nullptr) {
      const bool is_nameless = change.hash == PodChanges::nameless;
      if (is_nameless && change.is_added) break;
      if (is_nameless ? *name != '\0' : pod_hash(namespace_name(change.namespace_id), name, seed) != change.hash)
        continue;
    }
    if (change.is_added) {
      if (!keeps_names_) ++shared_.try_emplace({change.address, change.namespace_id}, 1).first->second;
      return false;
    }
    if (!keeps_names_ && !is_last(change)) return false;
    std::atomic_ref(cell.state).store(removed_cell, std::memory_order_release);
    if (name != nullptr) base::reclaim_later(name, [](void* text) { std::free(text); });
    --family.live;
    if (size > cells_min && family.live * 20 < size * 11) renew(family);
    return true;
  }
  if (change.is_added) add(family, change);
  return change.is_added;
}

template <std::size_t octets>
void PodTable::add(Family<octets>& family, const PodChanges::Change& change) {
  if (family.now == nullptr || (family.used + 1) * 8 > family.now->cells.size() * 7) renew(family);
  const auto address = octets_of<octets>(change.address);
  const std::size_t size = family.now->cells.size();
  std::size_t at = home(address, size);
  while (family.now->cells[at].state != free_cell) at = at + 1 == size ? 0 : at + 1;
  Cell<octets>& cell = family.now->cells[at];
  cell.address = address;
  if (keeps_names_) {
    family.now->names[at] = strdup(change.name.c_str());
    if (family.now->names[at] == nullptr) throw std::bad_alloc();
  }
  std::atomic_ref(cell.state).store(change.namespace_id + first_state, std::memory_order_release);
  ++family.used;
  ++family.live;
}

// Readers go on with the old array until their section ends; both hold the same names.
template <std::size_t octets>
void PodTable::renew(Family<octets>& family) {
  const std::size_t size = std::max(cells_min, family.live * 5 / 4 + 1);
  auto fresh = std::make_unique<Cells<octets>>(
      Cells<octets>{.cells = base::MappedArray<Cell<octets>>(size),
                    .names = base::MappedArray<char*>(keeps_names_ ? size : std::size_t{0})});
  for (std::size_t i = 0; family.now != nullptr && i < family.now->cells.size(); ++i) {
    const Cell<octets>& cell = family.now->cells[i];
    if (cell.state == free_cell || cell.state == removed_cell) continue;
    std::size_t at = home(cell.address, size);
    while (fresh->cells[at].state != free_cell) at = at + 1 == size ? 0 : at + 1;
    fresh->cells[at] = cell;
    if (keeps_names_) fresh->names[at] = family.now->names[i];
  }
  family.now = fresh.get();
  family.used = family.live;
  family.published.publish(std::move(fresh));
}

template <std::size_t octets>
void PodTable::free_names(Family<octets>& family) {
  if (!keeps_names_ || family.now == nullptr) return;
  for (std::size_t i = 0; i < family.now->cells.size(); ++i) {
    const std::uint32_t state = family.now->cells[i].state;
    if (state != free_cell && state != removed_cell) std::free(family.now->names[i]);
  }
}

bool PodTable::is_last(const PodChanges::Change& removed) {
  const auto found = shared_.find({removed.address, removed.namespace_id});
  if (found == shared_.end()) return true;
  if (--found->second == 1) shared_.erase(found);
  return false;
}

}  // namespace fairlead::k8s
