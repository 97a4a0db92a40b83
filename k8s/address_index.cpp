#include "k8s/address_index.hpp"

#include <cstring>
#include <random>

namespace fairlead::k8s {
namespace {

// The finaliser of MurmurHash3: every input bit changes half of the output bits.
std::uint64_t mix(std::uint64_t x) {
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccd;
  x ^= x >> 33;
  x *= 0xc4ceb9fe1a85ec53;
  x ^= x >> 33;
  return x;
}

}  // namespace

AddressIndex::AddressIndex() : cells_(cells_min) {
  std::random_device random;
  seed_ = static_cast<std::uint64_t>(random()) << 32 | random();
}

std::uint32_t AddressIndex::hash(const base::IpAddress& address) const {
  std::uint64_t halves[2] = {0, address.is_v4() ? std::uint64_t{4} : 0};
  std::memcpy(halves, address.octets().data(), address.octets().size());
  return static_cast<std::uint32_t>(mix(mix(halves[0] + seed_) + halves[1] * 0x9e3779b97f4a7c15 + seed_));
}

void AddressIndex::place(Cell cell) {
  std::size_t at = cell.tag & mask();
  while (cells_[at].object != free_cell) at = (at + 1) & mask();
  cells_[at] = cell;
}

void AddressIndex::resize(std::size_t cells) {
  std::vector<Cell> old(cells);
  old.swap(cells_);
  for (const Cell& cell : old) {
    if (cell.object != free_cell) place(cell);
  }
}

void AddressIndex::insert(const base::IpAddress& address, std::uint32_t object) {
  if ((size_ + 1) * 4 > cells_.size() * 3) resize(cells_.size() * 2);
  place({hash(address), object});
  ++size_;
}

void AddressIndex::erase(const base::IpAddress& address, std::uint32_t object) {
  const std::uint32_t tag = hash(address);
  std::size_t hole = tag & mask();
  while (cells_[hole].object != free_cell && (cells_[hole].tag != tag || cells_[hole].object != object)) {
    hole = (hole + 1) & mask();
  }
  if (cells_[hole].object == free_cell) return;
  // Linear probing without tombstones: move back what the hole would cut off from where its probing begins.
  for (std::size_t at = (hole + 1) & mask(); cells_[at].object != free_cell; at = (at + 1) & mask()) {
    const std::size_t begins = cells_[at].tag & mask();
    if (((at - begins) & mask()) >= ((at - hole) & mask())) {
      cells_[hole] = cells_[at];
      hole = at;
    }
  }
  cells_[hole] = Cell{};
  --size_;
  if (cells_.size() > cells_min && size_ * 8 < cells_.size()) resize(cells_.size() / 2);
}

}  // namespace fairlead::k8s
