#include "server/control/octet_ring.hpp"

#include <algorithm>
#include <cstring>

namespace fairlead::server {

bool OctetRing::push(std::string_view piece) {
  const std::uint64_t written = written_.load(std::memory_order_relaxed);
  if (written - taken_seen_ + piece.size() > size()) {
    taken_seen_ = taken_.load(std::memory_order_acquire);
    if (written - taken_seen_ + piece.size() > size()) {
      lost_.store(lost_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
      return false;
    }
  }
  const std::size_t at = written & mask_;
  const std::size_t to_end = std::min(piece.size(), size() - at);
  std::memcpy(octets_.get() + at, piece.data(), to_end);
  std::memcpy(octets_.get(), piece.data() + to_end, piece.size() - to_end);
  // In one order with what says that the reader sleeps: it sees the piece, or we see that it does.
  written_.store(written + piece.size(), std::memory_order_seq_cst);
  return true;
}

bool OctetRing::is_half_full() {
  const std::uint64_t written = written_.load(std::memory_order_relaxed);
  if (written - taken_seen_ < size() / 2) return false;
  taken_seen_ = taken_.load(std::memory_order_acquire);
  return written - taken_seen_ >= size() / 2;
}

OctetRing::Content OctetRing::content() const {
  const std::uint64_t taken = taken_.load(std::memory_order_relaxed);
  const std::size_t count = written_.load(std::memory_order_seq_cst) - taken;
  const std::size_t at = taken & mask_;
  const std::size_t to_end = std::min(count, size() - at);
  return {{octets_.get() + at, to_end}, {octets_.get(), count - to_end}};
}

void OctetRing::take(std::size_t octets) {
  taken_.store(taken_.load(std::memory_order_relaxed) + octets, std::memory_order_release);
}

}  // namespace fairlead::server
