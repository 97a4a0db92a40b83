#include "zones/name_table.hpp"

#include <algorithm>
#include <cstdlib>
#include <new>

#include "zones/base/published.hpp"
#include "zones/base/seeded_hash.hpp"

namespace fairlead::zones {
namespace {

// A reload may hold several tables for some seconds, so one begins small.
constexpr std::size_t cells_min = 64;
constexpr std::size_t small_cells = 128 * 1024;  // 1 MB

// A cell: free, a mark, or an entry's address below 16 bits of its hash.
using Cell = std::uint64_t;
constexpr Cell free_cell = 0;
constexpr Cell mark = 1;  // no address
constexpr int tag_shift = 48;
constexpr Cell address_bits = (Cell{1} << tag_shift) - 1;

Cell tag_of(std::uint64_t hash) { return hash & ~address_bits; }

Cell cell_of(const NameEntry* entry, std::uint64_t hash) {
  return tag_of(hash) | static_cast<Cell>(reinterpret_cast<std::uintptr_t>(entry));
}

bool is_entry(Cell cell) { return cell > mark; }

NameEntry* entry_of(Cell cell) {
  return reinterpret_cast<NameEntry*>(static_cast<std::uintptr_t>(cell & address_bits));
}

}  // namespace

struct NameTable::Cells {
  static_assert(sizeof(std::atomic<Cell>) == sizeof(Cell) && std::atomic<Cell>::is_always_lock_free);

  std::size_t count;

  static Cells* make(std::size_t count) {
    // Zero octets are free cells, and the kernel hands out large blocks of them without touching them.
    void* const memory = std::calloc(1, sizeof(Cells) + count * sizeof(Cell));
    if (memory == nullptr) throw std::bad_alloc();
    return new (memory) Cells{count};
  }
  static void release(void* cells) { std::free(cells); }

  std::atomic<Cell>& operator[](std::size_t index) { return reinterpret_cast<std::atomic<Cell>*>(this + 1)[index]; }
  /// Where probing for the hash begins: its lower 32 bits, scaled. The tag is of other bits.
  std::size_t home(std::uint64_t hash) const { return static_cast<std::size_t>((hash & 0xffffffff) * count >> 32); }
  std::size_t next(std::size_t index) const { return ++index == count ? 0 : index; }
  std::size_t previous(std::size_t index) const { return (index == 0 ? count : index) - 1; }

  /// The cell of the key, or the free one at the end of its run; `first_mark` is the first mark on the way there.
  std::size_t probe(std::string_view key, std::uint64_t hash, std::size_t* first_mark = nullptr) {
    const Cell tag = tag_of(hash);
    std::size_t at = home(hash);
    while (true) {
      const Cell cell = (*this)[at].load(std::memory_order_acquire);
      if (cell == free_cell) return at;
      if (cell == mark) {
        if (first_mark != nullptr && *first_mark == count) *first_mark = at;
      } else if (tag_of(cell) == tag && entry_of(cell)->key() == key) {
        return at;
      }
      at = next(at);
    }
  }
};

NameTable::NameTable() : cells_(Cells::make(cells_min)) { seed_ = base::draw_seed(); }

NameTable::~NameTable() {
  Cells& cells = *cells_.load();
  for (std::size_t i = 0; i < cells.count; ++i) {
    const Cell cell = cells[i].load(std::memory_order_relaxed);
    if (is_entry(cell)) NameEntry::Deleter{}(entry_of(cell));
  }
  Cells::release(&cells);
  // So that whoever counts what is left at the end finds nothing.
  const base::ReaderThread thread;
  base::wait_for_reclaim();
}

std::uint64_t NameTable::hash(std::string_view key) const { return base::seeded_hash(key, seed_); }

std::size_t NameTable::cells() const { return cells_.load(std::memory_order_relaxed)->count; }

const NameEntry* NameTable::find(const Key& key) const {
  Cells& cells = *cells_.load(std::memory_order_acquire);
  const Cell tag = tag_of(key.hash);
  for (std::size_t at = cells.home(key.hash);; at = cells.next(at)) {
    const Cell cell = cells[at].load(std::memory_order_acquire);
    if (cell == free_cell) return nullptr;
    if (tag_of(cell) != tag || cell == mark) continue;
    const NameEntry* const entry = entry_of(cell);
    if (entry->key() == key.text) return entry;
  }
}

void NameTable::visit(void (*use)(void*, const NameEntry&), void* context) const {
  const base::ReadSection section;
  Cells& cells = *cells_.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < cells.count; ++i) {
    const Cell cell = cells[i].load(std::memory_order_acquire);
    if (is_entry(cell)) use(context, *entry_of(cell));
  }
}

TableVersion NameTable::take_version() {
  TableVersion version;
  version.hold = versions_.hold();
  version.entries.reserve(size_);
  for_each([&](const NameEntry& entry) { version.entries.push_back(&entry); });
  return version;
}

void NameTable::put(NameEntry::Pointer entry) {
  if (entry == nullptr) return;
  const Key known = key(entry->key());
  put(std::move(entry), known);
}

void NameTable::put(NameEntry::Pointer entry, const Key& key) {
  Cells& cells = *cells_.load(std::memory_order_relaxed);
  std::size_t first_mark = cells.count;
  const std::size_t found = cells.probe(entry->key(), key.hash, &first_mark);
  const Cell old = cells[found].load(std::memory_order_relaxed);
  const Cell fresh = cell_of(entry.release(), key.hash);
  if (is_entry(old)) {
    cells[found].store(fresh, std::memory_order_release);
    versions_.retire(entry_of(old));
    return;
  }
  const bool takes_mark = first_mark != cells.count;
  cells[takes_mark ? first_mark : found].store(fresh, std::memory_order_release);
  if (takes_mark) --marks_;
  ++size_;
  // Above three quarters, runs become long; a table that is full would have no end of a run at all. Small ones grow in
  // larger steps, because each hashes all names again.
  if ((size_ + marks_) * 4 > cells.count * 3) resize(size_ * (cells.count < small_cells ? 3 : 2));
}

bool NameTable::erase(std::string_view key) {
  Cells& cells = *cells_.load(std::memory_order_relaxed);
  std::size_t at = cells.probe(key, hash(key));
  const Cell old = cells[at].load(std::memory_order_relaxed);
  if (!is_entry(old)) return false;
  cells[at].store(mark, std::memory_order_release);
  ++marks_;
  --size_;
  versions_.retire(entry_of(old));
  // At the end of a run nobody needs to probe further, so marks there are free cells again.
  if (cells[cells.next(at)].load(std::memory_order_relaxed) == free_cell) {
    for (; cells[at].load(std::memory_order_relaxed) == mark; at = cells.previous(at)) {
      cells[at].store(free_cell, std::memory_order_release);
      --marks_;
    }
  }
  if (cells.count > cells_min && size_ * 8 < cells.count) resize(size_ * 2);
  return true;
}

void NameTable::resize(std::size_t count) {
  Cells& old = *cells_.load(std::memory_order_relaxed);
  Cells& fresh = *Cells::make(std::max(count, cells_min));
  // Hashing again reads every key; asked for some cells ahead, the memory answers all at once.
  constexpr std::size_t ahead = 16;
  for (std::size_t i = 0; i < old.count; ++i) {
    if (i + ahead < old.count) __builtin_prefetch(entry_of(old[i + ahead].load(std::memory_order_relaxed)));
    const Cell cell = old[i].load(std::memory_order_relaxed);
    if (!is_entry(cell)) continue;
    std::size_t at = fresh.home(hash(entry_of(cell)->key()));
    while (fresh[at].load(std::memory_order_relaxed) != free_cell) at = fresh.next(at);
    fresh[at].store(cell, std::memory_order_relaxed);
  }
  marks_ = 0;
  cells_.store(&fresh, std::memory_order_release);
  base::reclaim_later(&old, Cells::release);
}

}  // namespace fairlead::zones
