#include "zones/base/checksum.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace fairlead::base {

struct Checksum::State {
  XXH3_state_t hash;
};

Checksum::Checksum() : state_(std::make_unique<State>()) { XXH3_64bits_reset(&state_->hash); }
Checksum::~Checksum() = default;

void Checksum::add(std::string_view octets) { XXH3_64bits_update(&state_->hash, octets.data(), octets.size()); }
std::uint64_t Checksum::value() const { return XXH3_64bits_digest(&state_->hash); }

std::uint64_t checksum(std::string_view octets) { return XXH3_64bits(octets.data(), octets.size()); }

}  // namespace fairlead::base
