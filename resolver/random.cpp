#include "resolver/random.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <sys/random.h>

namespace fairlead::resolver {

void fill_random(std::span<std::uint8_t> octets) {
  while (!octets.empty()) {
    const ssize_t got = ::getrandom(octets.data(), octets.size(), 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      std::abort();
    }
    octets = octets.subspan(static_cast<std::size_t>(got));
  }
}

std::uint64_t random_u64() {
  std::array<std::uint8_t, sizeof(std::uint64_t)> octets;
  fill_random(octets);
  std::uint64_t value = 0;
  std::memcpy(&value, octets.data(), sizeof value);
  return value;
}

std::uint16_t RandomIds::next() {
  if (at_ == octets_.size()) {
    fill_random(octets_);
    at_ = 0;
  }
  const auto id = static_cast<std::uint16_t>(octets_[at_] << 8 | octets_[at_ + 1]);
  at_ += 2;
  return id;
}

void RandomBits::refill() {
  fill_random(octets_);
  left_ = octets_.size() * 8;
}

}  // namespace fairlead::resolver
