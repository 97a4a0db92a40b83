// Deadlines of many questions: one per slot, set, moved and cancelled in constant time.
//
// The wheel has no timer of its own. Its owner calls advance() about every tick while is_empty() is false.
//
// Threads: belongs to one worker.
// Limits: one deadline per slot number; times are rounded up to a tick.
// Errors: none.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <vector>

#include "resolver/slot_pool.hpp"
#include "zones/base/clock.hpp"

namespace fairlead::resolver {

class TimerWheel {
 public:
  static constexpr std::chrono::milliseconds tick{5};

  TimerWheel() { heads_.fill(no_slot); }

  void schedule(std::uint32_t slot, base::TimePoint due) {
    if (slot >= items_.size()) items_.resize(slot + 1);
    cancel(slot);
    const std::uint64_t due_tick = tick_of(due) + 1;
    items_[slot].due_tick = due_tick;
    // Later than one turn away: it waits at the far end and is placed anew.
    const std::uint64_t at = std::clamp(due_tick, now_tick_ + 1, now_tick_ + buckets - 1);
    link(slot, static_cast<std::uint32_t>(at % buckets));
  }
  void cancel(std::uint32_t slot) {
    if (slot < items_.size() && items_[slot].list != no_slot) unlink(slot);
  }
  bool is_empty() const { return size_ == 0; }

  /// Must be called before schedule() after a time without deadlines.
  void start(base::TimePoint now) {
    if (is_empty()) now_tick_ = tick_of(now);
  }

  /// Calls `fire(slot)` for each deadline that has passed. `fire` may schedule and cancel any slot.
  template <typename Fire>
  void advance(base::TimePoint now, Fire&& fire) {
    const std::uint64_t target = tick_of(now);
    // After a long sleep every bucket is looked at once.
    if (target > now_tick_ + buckets) now_tick_ = target - buckets;
    while (now_tick_ < target) {
      ++now_tick_;
      const auto bucket = static_cast<std::uint32_t>(now_tick_ % buckets);
      // Set aside first: `fire` changes lists.
      while (heads_[bucket] != no_slot) {
        const std::uint32_t slot = heads_[bucket];
        unlink(slot);
        link(slot, set_aside);
      }
      while (heads_[set_aside] != no_slot) {
        const std::uint32_t slot = heads_[set_aside];
        unlink(slot);
        if (items_[slot].due_tick <= now_tick_) {
          fire(slot);
        } else {
          const std::uint64_t at = std::clamp(items_[slot].due_tick, now_tick_ + 1, now_tick_ + buckets - 1);
          link(slot, static_cast<std::uint32_t>(at % buckets));
        }
      }
    }
  }

 private:
  static constexpr std::uint32_t buckets = 1024;  // 5.12 s: CoreDNS's deadline of 5 s in one turn
  static constexpr std::uint32_t set_aside = buckets;

  struct Item {
    std::uint64_t due_tick = 0;
    std::uint32_t list = no_slot;
    std::uint32_t next = no_slot;
    std::uint32_t previous = no_slot;
  };

  static std::uint64_t tick_of(base::TimePoint time) {
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()) /
                                      tick);
  }
  void link(std::uint32_t slot, std::uint32_t list) {
    Item& item = items_[slot];
    item.list = list;
    item.previous = no_slot;
    item.next = heads_[list];
    if (item.next != no_slot) items_[item.next].previous = slot;
    heads_[list] = slot;
    ++size_;
  }
  void unlink(std::uint32_t slot) {
    Item& item = items_[slot];
    (item.previous != no_slot ? items_[item.previous].next : heads_[item.list]) = item.next;
    if (item.next != no_slot) items_[item.next].previous = item.previous;
    item.list = no_slot;
    --size_;
  }

  std::array<std::uint32_t, buckets + 1> heads_;
  std::vector<Item> items_;
  std::uint64_t now_tick_ = 0;
  std::size_t size_ = 0;
};

}  // namespace fairlead::resolver
