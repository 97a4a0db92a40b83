// A hash of octets that nobody can foresee: the seed is drawn at start, so that names and addresses that collide cannot
// be picked. The only <xxhash.h>.
//
// Threads: any; pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fairlead::base {

/// XXH3 of the octets, 64 bits.
std::uint64_t seeded_hash(const void* octets, std::size_t count, std::uint64_t seed);
inline std::uint64_t seeded_hash(std::string_view text, std::uint64_t seed) {
  return seeded_hash(text.data(), text.size(), seed);
}

/// A seed from the system's random numbers.
std::uint64_t draw_seed();

}  // namespace fairlead::base
