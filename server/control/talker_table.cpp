#include "server/control/talker_table.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "zones/base/seeded_hash.hpp"

namespace fairlead::server {
namespace {

void add(TalkerCounts& counts, const TalkerCounts& more) {
  counts.queries += more.queries;
  counts.nxdomain += more.nxdomain;
  counts.failed += more.failed;
}

}  // namespace

TalkerTable::TalkerTable(std::size_t capacity, std::size_t key_octets_max)
    : key_octets_max_(std::min<std::size_t>(key_octets_max, std::numeric_limits<std::uint8_t>::max())),
      seed_(base::draw_seed()),
      places_(std::bit_floor(std::max<std::size_t>(capacity / talker_ways, 1)) * talker_ways),
      keys_(places_.size() * key_octets_max_) {}

void TalkerTable::count(std::span<const std::uint8_t> key, const TalkerCounts& more) {
  key = key.first(std::min(key.size(), key_octets_max_));
  const std::uint64_t hash = base::seeded_hash(key.data(), key.size(), seed_);
  const std::size_t first = (hash & (places_.size() / talker_ways - 1)) * talker_ways;
  std::size_t lightest = first;
  for (std::size_t i = first; i < first + talker_ways; ++i) {
    Place& place = places_[i];
    if (place.hash == hash && place.counts.queries > 0 && place.key_octets == key.size() &&
        std::memcmp(keys_.data() + i * key_octets_max_, key.data(), key.size()) == 0) {
      return add(place.counts, more);
    }
    if (place.counts.queries < places_[lightest].counts.queries) lightest = i;
  }
  // What went wrong for the one that goes is not passed on: it was another's.
  Place& taken = places_[lightest];
  taken.hash = hash;
  taken.key_octets = static_cast<std::uint8_t>(key.size());
  taken.counts = {.queries = taken.counts.queries, .overcount = taken.counts.queries};
  std::ranges::copy(key, keys_.begin() + static_cast<std::ptrdiff_t>(lightest * key_octets_max_));
  add(taken.counts, more);
}

void TalkerTable::clear() { std::ranges::fill(places_, Place{}); }

}  // namespace fairlead::server
