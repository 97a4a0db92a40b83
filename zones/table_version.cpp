#include "zones/table_version.hpp"

#include <algorithm>
#include <deque>
#include <mutex>
#include <utility>

#include "zones/base/published.hpp"
#include "zones/name_entry.hpp"

namespace fairlead::zones {
namespace {

using Entries = std::vector<NameEntry*>;

void free_later(Entries entries) {
  if (entries.empty()) return;
  const base::ReaderThread thread;
  base::reclaim_later(new Entries(std::move(entries)), [](void* object) {
    const std::unique_ptr<Entries> due(static_cast<Entries*>(object));
    for (NameEntry* const entry : *due) NameEntry::Deleter{}(entry);
  });
}

}  // namespace

// Each hold has an epoch of its own, and each entry the epoch in which it was retired: it is needed by the holds that
// are not younger than that.
struct VersionHold::State {
  struct Retired {
    NameEntry* entry;
    std::uint64_t epoch;
  };

  mutable std::mutex mutex;
  std::uint64_t epoch = 0;
  std::vector<VersionHold*> holds;  // by epoch
  std::deque<Retired> retired;      // by epoch
  std::size_t octets = 0;
  std::atomic<bool> is_held{false};

  // With the lock held.
  Entries take_free() {
    Entries free;
    while (!retired.empty() && (holds.empty() || retired.front().epoch < holds.front()->epoch_)) {
      octets -= retired.front().entry->octets();
      free.push_back(retired.front().entry);
      retired.pop_front();
    }
    is_held.store(!holds.empty(), std::memory_order_relaxed);
    return free;
  }
};

VersionHold::~VersionHold() {
  Entries free;
  {
    const std::scoped_lock lock(state_->mutex);
    std::erase(state_->holds, this);
    free = state_->take_free();
  }
  free_later(std::move(free));
}

VersionKeeper::VersionKeeper(std::size_t octets_max)
    : state_(std::make_shared<VersionHold::State>()), octets_max_(octets_max) {}

VersionKeeper::~VersionKeeper() {
  Entries left;
  {
    const std::scoped_lock lock(state_->mutex);
    for (VersionHold* const hold : state_->holds) hold->lost_.store(true, std::memory_order_release);
    state_->holds.clear();
    left = state_->take_free();
  }
  left.insert(left.end(), unheld_.begin(), unheld_.end());
  free_later(std::move(left));
}

std::shared_ptr<const VersionHold> VersionKeeper::hold() {
  const std::scoped_lock lock(state_->mutex);
  std::shared_ptr<VersionHold> hold(new VersionHold(state_, ++state_->epoch));
  state_->holds.push_back(hold.get());
  state_->is_held.store(true, std::memory_order_relaxed);
  return hold;
}

void VersionKeeper::retire(NameEntry* entry) {
  // Only this thread makes holds, so one that is missed here has just ended.
  if (!state_->is_held.load(std::memory_order_relaxed)) {
    unheld_.push_back(entry);
    unheld_octets_ += entry->octets();
    if (unheld_octets_ < unheld_octets_max) return;
    unheld_octets_ = 0;
    return free_later(std::exchange(unheld_, {}));
  }
  Entries free;
  {
    const std::scoped_lock lock(state_->mutex);
    state_->retired.push_back({entry, state_->epoch});
    state_->octets += entry->octets();
    while (state_->octets > octets_max_ && !state_->holds.empty()) {
      state_->holds.front()->lost_.store(true, std::memory_order_release);
      state_->holds.erase(state_->holds.begin());
      const Entries more = state_->take_free();
      free.insert(free.end(), more.begin(), more.end());
    }
    const Entries more = state_->take_free();
    free.insert(free.end(), more.begin(), more.end());
  }
  free_later(std::move(free));
}

std::size_t VersionKeeper::octets() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->octets;
}

}  // namespace fairlead::zones
