// The table of names that the query path reads: owner name -> everything that the name has (NameEntry).
//
// A change replaces the entry of a name, so a reader sees all RRsets of a name (A and AAAA above all) in one version.
// Readers take no lock and write nothing shared.
//
// An open hash table with linear probing whose cells are 8 octets: the address of an entry (48 bits) and 16 bits of
// its key's hash, so that hardly ever a wrong entry is looked at and a lookup costs about two cache misses at any size.
// The one writer changes a cell at a time. A name that goes leaves a mark, because a reader may be probing past it;
// marks go where the run of cells ends behind them, and when the table is written anew, larger or smaller, beside the
// old one, which readers keep until their section ends (userspace RCU). 1.3 to 2 cells a name.
//
// Keys are lower-case wire labels without the root, relative to wherever the owner of the table puts it: the cluster
// table leaves the zone out, so that one table serves several zones and the zone's case comes from the client.
//
// Threads: find() inside a base::ReadSection; put() and erase() on one writing thread at a time, which holds a
//   base::ReaderThread, is outside of a section, and needs none to find() either.
// Limits: addresses of 48 bits, as user space has them on x86-64 and AArch64.
// Errors: none.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <type_traits>

#include "zones/name_entry.hpp"
#include "zones/table_version.hpp"

namespace fairlead::zones {

class NameTable {
 public:
  NameTable();
  /// Nobody reads any more.
  ~NameTable();
  NameTable(const NameTable&) = delete;
  NameTable& operator=(const NameTable&) = delete;

  /// A name as the table looks for it, for who asks more than once; of this table alone. Looks at the text.
  struct Key {
    std::string_view text;  // in lower case
    std::uint64_t hash;
  };
  Key key(std::string_view text) const { return {text, hash(text)}; }

  /// `text` in lower case. The entry is valid until the ReadSection ends.
  const NameEntry* find(std::string_view text) const { return find(key(text)); }
  const NameEntry* find(const Key& key) const;

  /// Calls `use(entry)` for every name, in no order, inside a ReadSection of its own: a name that is there from
  /// beginning to end is seen. On any thread that holds a base::ReaderThread. For dumps and transfers: freeing waits
  /// meanwhile.
  template <typename F>
  void for_each(F&& use) const {
    visit([](void* context, const NameEntry& entry) { (*static_cast<std::remove_reference_t<F>*>(context))(entry); },
          const_cast<void*>(static_cast<const void*>(std::addressof(use))));
  }

  /// What is in the table now, for a reader that takes longer than a ReadSection may; on the writing thread. The table
  /// outlives it.
  TableVersion take_version();

  /// Adds the name or replaces what it had; nothing changes for a null entry.
  void put(NameEntry::Pointer entry);
  /// The same, `key` being the entry's.
  void put(NameEntry::Pointer entry, const Key& key);
  /// False when there is no such name.
  bool erase(std::string_view key);
  /// Entries now; for gauges and tests, on the writing thread.
  std::size_t size() const { return size_; }
  /// Cells now, used or not; likewise.
  std::size_t cells() const;

 private:
  struct Cells;

  std::uint64_t hash(std::string_view key) const;
  void visit(void (*use)(void*, const NameEntry&), void* context) const;
  void resize(std::size_t cells);

  std::atomic<Cells*> cells_;
  std::uint64_t seed_;     // unpredictable, so that nobody picks Service names that collide
  std::size_t size_ = 0;   // names
  std::size_t marks_ = 0;  // cells of names that went
  VersionKeeper versions_;
};

}  // namespace fairlead::zones
