#include "zones/base/seeded_hash.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <random>

namespace fairlead::base {

std::uint64_t seeded_hash(const void* octets, std::size_t count, std::uint64_t seed) {
  return XXH3_64bits_withSeed(octets, count, seed);
}

std::uint64_t draw_seed() {
  std::random_device random;
  return static_cast<std::uint64_t>(random()) << 32 | random();
}

}  // namespace fairlead::base
