// Slots in the order in which they were added: the oldest is found, and any is taken out, in constant time.
//
// Threads: belongs to one worker.
// Limits: as many as there are slot numbers.
// Errors: none.
#pragma once

#include <cstdint>
#include <vector>

#include "resolver/slot_pool.hpp"

namespace fairlead::resolver {

class AgeList {
 public:
  /// no_slot when empty.
  std::uint32_t oldest() const { return oldest_; }

  void add(std::uint32_t slot) {
    if (slot >= items_.size()) items_.resize(slot + 1);
    items_[slot] = {.newer = no_slot, .older = newest_, .is_listed = true};
    (newest_ != no_slot ? items_[newest_].newer : oldest_) = slot;
    newest_ = slot;
  }
  /// Nothing happens for one that is not listed.
  void remove(std::uint32_t slot) {
    if (slot >= items_.size() || !items_[slot].is_listed) return;
    const Item& item = items_[slot];
    (item.newer != no_slot ? items_[item.newer].older : newest_) = item.older;
    (item.older != no_slot ? items_[item.older].newer : oldest_) = item.newer;
    items_[slot].is_listed = false;
  }

 private:
  struct Item {
    std::uint32_t newer = no_slot;
    std::uint32_t older = no_slot;
    bool is_listed = false;
  };
  std::vector<Item> items_;
  std::uint32_t newest_ = no_slot;
  std::uint32_t oldest_ = no_slot;
};

}  // namespace fairlead::resolver
