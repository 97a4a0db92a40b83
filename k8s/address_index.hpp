// Which objects have an address: a multimap from IP addresses to numbers of objects, eight octets an entry.
//
// An open hash table keeps 32 bits of the address's hash beside the number, not the address: what it finds are
// candidates, and the caller looks into the object. 150,000 endpoints take 2 MB, a std::unordered_multimap 12 MB.
//
// Threads: one owner.
// Limits: 2^31 entries.
#pragma once

#include <cstdint>
#include <vector>

#include "zones/base/ip_address.hpp"

namespace fairlead::k8s {

class AddressIndex {
 public:
  AddressIndex();

  /// Any number but 0xffffffff.
  void insert(const base::IpAddress& address, std::uint32_t object);
  /// Does nothing when there is no such entry.
  void erase(const base::IpAddress& address, std::uint32_t object);
  /// Calls `visit(object)` for every object that has the address, and perhaps for some that do not.
  template <typename Visit>
  void for_each_candidate(const base::IpAddress& address, Visit visit) const {
    const std::uint32_t tag = hash(address);
    for (std::size_t at = tag & mask(); cells_[at].object != free_cell; at = (at + 1) & mask()) {
      if (cells_[at].tag == tag) visit(cells_[at].object);
    }
  }
  std::size_t size() const { return size_; }

 private:
  static constexpr std::uint32_t free_cell = 0xffffffff;
  static constexpr std::size_t cells_min = 64;
  struct Cell {
    std::uint32_t tag = 0;
    std::uint32_t object = free_cell;
  };

  std::uint32_t hash(const base::IpAddress& address) const;
  std::size_t mask() const { return cells_.size() - 1; }
  void place(Cell cell);
  void resize(std::size_t cells);

  std::vector<Cell> cells_;
  std::size_t size_ = 0;
  std::uint64_t seed_;  // unpredictable, so that nobody picks addresses that collide
};

}  // namespace fairlead::k8s
