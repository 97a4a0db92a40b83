// One share of the cache: a bounded hash table of replies that evicts by S3-FIFO.
//
// New entries wait in a small queue, a tenth of the room. Those that were hit again when they reach its end move to the
// main queue, the rest leaves and is remembered by its hash alone; if such a one comes back soon it enters the main
// queue at once. A scan of a million names therefore passes through the small queue and leaves the main one alone.
//
// Threads: belongs to one worker.
// Limits: entries and octets as given; slots are allocated as they are needed and reused.
// Errors: insert() gives nothing when the entry cannot be kept.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "resolver/counters.hpp"
#include "zones/base/clock.hpp"

namespace fairlead::resolver {

struct CacheEntry {
  /// Key, records, then the offset of each TTL within the records (two octets each). Never changed once stored.
  std::unique_ptr<std::uint8_t[]> block;
  std::uint64_t hash = 0;
  base::TimePoint stored{};
  std::uint32_t ttl = 0;
  std::uint32_t record_octets = 0;
  std::uint16_t key_octets = 0;
  std::uint16_t ttl_count = 0;
  std::array<std::uint16_t, 3> counts{};
  std::uint16_t rcode = 0;
  bool authentic_data = false;
  bool recursion_available = false;
  bool answers_question = false;

  // Prefetch and serve_stale.
  std::uint32_t hits = 0;
  base::TimePoint last_hit{};
  base::TimePoint refresh_blocked_until{};
  bool refresh_failed = false;

  std::span<const std::uint8_t> key() const { return {block.get(), key_octets}; }
  std::span<const std::uint8_t> records() const { return {block.get() + key_octets, record_octets}; }
  const std::uint8_t* ttl_offsets() const { return block.get() + key_octets + record_octets; }
  std::size_t octets() const { return std::size_t{key_octets} + record_octets + 2u * ttl_count; }

 private:
  friend class CacheShare;
  static constexpr std::uint32_t none = 0xffffffff;
  std::uint32_t chain = none;  // the next entry of the bucket, or of the free list
  std::uint32_t newer = none;
  std::uint32_t older = none;
  std::uint8_t frequency = 0;
  bool in_main = false;
};

class CacheShare {
 public:
  CacheShare(std::size_t capacity, std::size_t octets_max, CacheShareCounters& counters);

  /// Null when the key is not there. The pointer is valid until the next insert() or erase().
  CacheEntry* find(std::uint64_t hash, std::span<const std::uint8_t> key);
  /// Tells the eviction that the entry was of use.
  static void touch(CacheEntry& entry) {
    if (entry.frequency < frequency_max) ++entry.frequency;
  }
  /// Takes `entry` (block, hash and the rest filled in), in the place of one with an equal key. Null when one entry is
  /// larger than the share.
  CacheEntry* insert(CacheEntry entry);
  void erase(CacheEntry& entry);
  std::size_t size() const { return size_; }

 private:
  static constexpr std::uint32_t none = CacheEntry::none;
  static constexpr std::uint8_t frequency_max = 3;
  static constexpr std::size_t chunk_entries = 256;

  struct Queue {
    std::uint32_t newest = none;
    std::uint32_t oldest = none;
    std::size_t size = 0;
  };

  CacheEntry& at(std::uint32_t index) { return chunks_[index / chunk_entries][index % chunk_entries]; }
  std::uint32_t* bucket_of(std::uint64_t hash) { return &buckets_[hash & (buckets_.size() - 1)]; }
  std::uint32_t index_of(const CacheEntry& entry);
  std::uint32_t take_slot();
  void push(Queue& queue, std::uint32_t index);
  void unlink(Queue& queue, std::uint32_t index);
  void remove(std::uint32_t index);
  void evict();

  const std::size_t capacity_;
  const std::size_t octets_max_;
  std::vector<std::unique_ptr<CacheEntry[]>> chunks_;
  std::vector<std::uint32_t> buckets_;
  std::vector<std::uint32_t> ghosts_;  // direct-mapped fingerprints of what left the small queue
  std::uint32_t free_ = none;
  std::uint32_t slots_used_ = 0;
  Queue small_;
  Queue main_;
  std::size_t size_ = 0;
  std::size_t octets_ = 0;
  CacheShareCounters& counters_;
};

}  // namespace fairlead::resolver
