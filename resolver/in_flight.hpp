// Which slot asks which question: finds the query in flight that an equal question joins.
//
// Only hashes are kept here; the caller compares the questions themselves.
//
// Threads: belongs to one worker.
// Limits: `slots_max` given to the constructor; the table of buckets has a fixed size.
// Errors: none.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "resolver/slot_pool.hpp"

namespace fairlead::resolver {

class InFlight {
 public:
  explicit InFlight(std::size_t slots_max) : buckets_(std::bit_ceil(slots_max), no_slot) {}

  /// The slot with `hash` that `is_equal(slot)` accepts, or no_slot.
  template <typename IsEqual>
  std::uint32_t find(std::uint64_t hash, IsEqual&& is_equal) const {
    for (std::uint32_t slot = bucket(hash); slot != no_slot; slot = items_[slot].next) {
      if (items_[slot].hash == hash && is_equal(slot)) return slot;
    }
    return no_slot;
  }
  void insert(std::uint64_t hash, std::uint32_t slot) {
    if (slot >= items_.size()) items_.resize(slot + 1);
    items_[slot] = {hash, bucket(hash)};
    bucket(hash) = slot;
  }
  void erase(std::uint32_t slot) {
    std::uint32_t* link = &bucket(items_[slot].hash);
    while (*link != slot) link = &items_[*link].next;
    *link = items_[slot].next;
  }

 private:
  struct Item {
    std::uint64_t hash = 0;
    std::uint32_t next = no_slot;
  };
  const std::uint32_t& bucket(std::uint64_t hash) const { return buckets_[hash & (buckets_.size() - 1)]; }
  std::uint32_t& bucket(std::uint64_t hash) { return buckets_[hash & (buckets_.size() - 1)]; }

  std::vector<std::uint32_t> buckets_;
  std::vector<Item> items_;
};

}  // namespace fairlead::resolver
