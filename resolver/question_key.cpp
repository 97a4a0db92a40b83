#include "resolver/question_key.hpp"

#include <cerrno>
#include <cstdlib>

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

HashSeed::HashSeed() : a(0), b(0) {
  std::array<std::uint8_t, 2 * sizeof(std::uint64_t)> octets;
  fill_random(octets);
  std::memcpy(&a, octets.data(), sizeof a);
  std::memcpy(&b, octets.data() + sizeof a, sizeof b);
}

}  // namespace fairlead::resolver
