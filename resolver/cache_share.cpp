#include "resolver/cache_share.hpp"

#include <algorithm>
#include <bit>

namespace fairlead::resolver {
namespace {

constexpr std::size_t small_share = 10;  // one in ten entries; the figure of the S3-FIFO paper

std::size_t table_size(std::size_t entries) { return std::bit_ceil(std::max<std::size_t>(entries, 16)); }
// The bits that do not pick the bucket.
std::uint32_t fingerprint(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32) | 1; }

}  // namespace

CacheShare::CacheShare(std::size_t capacity, std::size_t octets_max, CacheShareCounters& counters)
    : capacity_(std::min<std::size_t>(capacity, none - chunk_entries)), octets_max_(octets_max), counters_(counters) {
  if (capacity_ == 0) return;
  buckets_.assign(table_size(capacity_), none);
  ghosts_.assign(table_size(capacity_), 0);
}

CacheEntry* CacheShare::find(std::uint64_t hash, std::span<const std::uint8_t> key) {
  if (capacity_ == 0) return nullptr;
  for (std::uint32_t index = *bucket_of(hash); index != none; index = at(index).chain) {
    CacheEntry& entry = at(index);
    if (entry.hash == hash && std::ranges::equal(entry.key(), key)) return &entry;
  }
  return nullptr;
}

CacheEntry* CacheShare::insert(CacheEntry entry) {
  const std::size_t octets = entry.octets();
  if (capacity_ == 0 || octets > octets_max_) return nullptr;
  const std::uint64_t hash = entry.hash;
  bool in_main = false;
  std::uint8_t frequency = 0;
  if (CacheEntry* const old = find(hash, entry.key())) {
    // A refresh keeps the standing of what it replaces.
    in_main = old->in_main;
    frequency = old->frequency;
    remove(index_of(*old));
  } else {
    std::uint32_t& ghost = ghosts_[hash & (ghosts_.size() - 1)];
    if (ghost == fingerprint(hash)) {
      in_main = true;
      ghost = 0;
    }
  }
  while (size_ >= capacity_ || octets_ + octets > octets_max_) evict();

  const std::uint32_t index = take_slot();
  CacheEntry& slot = at(index);
  slot = std::move(entry);
  slot.in_main = in_main;
  slot.frequency = frequency;
  std::uint32_t* const bucket = bucket_of(hash);
  slot.chain = *bucket;
  *bucket = index;
  push(in_main ? main_ : small_, index);
  ++size_;
  octets_ += octets;
  counters_.entries.set(size_);
  counters_.octets.set(octets_);
  return &slot;
}

void CacheShare::erase(CacheEntry& entry) { remove(index_of(entry)); }

std::uint32_t CacheShare::index_of(const CacheEntry& entry) {
  std::uint32_t index = *bucket_of(entry.hash);
  while (&at(index) != &entry) index = at(index).chain;
  return index;
}

std::uint32_t CacheShare::take_slot() {
  if (free_ != none) {
    const std::uint32_t index = free_;
    free_ = at(index).chain;
    return index;
  }
  if (slots_used_ == chunks_.size() * chunk_entries) chunks_.push_back(std::make_unique<CacheEntry[]>(chunk_entries));
  return slots_used_++;
}

void CacheShare::push(Queue& queue, std::uint32_t index) {
  CacheEntry& entry = at(index);
  entry.newer = none;
  entry.older = queue.newest;
  (queue.newest != none ? at(queue.newest).newer : queue.oldest) = index;
  queue.newest = index;
  ++queue.size;
}

void CacheShare::unlink(Queue& queue, std::uint32_t index) {
  CacheEntry& entry = at(index);
  (entry.newer != none ? at(entry.newer).older : queue.newest) = entry.older;
  (entry.older != none ? at(entry.older).newer : queue.oldest) = entry.newer;
  --queue.size;
}

void CacheShare::remove(std::uint32_t index) {
  CacheEntry& entry = at(index);
  unlink(entry.in_main ? main_ : small_, index);
  std::uint32_t* link = bucket_of(entry.hash);
  while (*link != index) link = &at(*link).chain;
  *link = entry.chain;
  --size_;
  octets_ -= entry.octets();
  entry = CacheEntry{};
  entry.chain = free_;
  free_ = index;
  counters_.entries.set(size_);
  counters_.octets.set(octets_);
}

// Every turn lowers a frequency, moves an entry out of the small queue or removes one, so this ends.
void CacheShare::evict() {
  while (true) {
    if (small_.size > 0 && (main_.size == 0 || small_.size * small_share >= capacity_)) {
      const std::uint32_t index = small_.oldest;
      CacheEntry& entry = at(index);
      if (entry.frequency > 0) {
        unlink(small_, index);
        entry.frequency = 0;
        entry.in_main = true;
        push(main_, index);
        continue;
      }
      ghosts_[entry.hash & (ghosts_.size() - 1)] = fingerprint(entry.hash);
      remove(index);
    } else {
      const std::uint32_t index = main_.oldest;
      CacheEntry& entry = at(index);
      if (entry.frequency > 0) {
        --entry.frequency;
        unlink(main_, index);
        push(main_, index);
        continue;
      }
      remove(index);
    }
    counters_.evictions.add();
    return;
  }
}

}  // namespace fairlead::resolver
