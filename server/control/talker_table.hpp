// Who asks most, or what is asked most, in memory that does not grow: the heaviest keys with their counts.
//
// Space-Saving (Metwally, Agrawal and El Abbadi, 2005): a key that has no place takes that of the lightest one and its
// count, which is remembered as what it may have been counted too much. The table is cut into sets of talker_ways
// places, and a key has its place in one of them, so that counting costs the same however large the table is.
//
// Threads: one at a time.
// Limits: `capacity` keys of `key_octets_max` octets, all memory taken at the start.
// Security: sets are picked by a hash with a random seed, so nobody can push a key out but by asking more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace fairlead::server {

inline constexpr std::size_t talker_ways = 8;

struct TalkerCounts {
  std::uint64_t queries = 0;
  std::uint64_t nxdomain = 0;   // of these
  std::uint64_t failed = 0;     // of these: SERVFAIL, REFUSED and other errors, or no reply at all
  std::uint64_t overcount = 0;  // `queries` is too high by this at most
};

class TalkerTable {
 public:
  /// `capacity` is a multiple of talker_ways, whose quotient is a power of two.
  TalkerTable(std::size_t capacity, std::size_t key_octets_max);

  /// Adds; the `overcount` of what is added is not looked at. A longer key is cut off.
  void count(std::span<const std::uint8_t> key, const TalkerCounts& more);
  void clear();
  /// What it takes, whatever it holds.
  std::size_t octets() const { return places_.size() * sizeof(Place) + keys_.size(); }

  /// use(key, counts)
  template <typename F>
  void for_each(const F& use) const {
    for (std::size_t i = 0; i < places_.size(); ++i) {
      if (places_[i].counts.queries > 0) use(key_of(i), places_[i].counts);
    }
  }

 private:
  struct Place {
    std::uint64_t hash = 0;
    TalkerCounts counts;
    std::uint8_t key_octets = 0;
  };

  std::string_view key_of(std::size_t place) const {
    return {reinterpret_cast<const char*>(keys_.data()) + place * key_octets_max_, places_[place].key_octets};
  }

  std::size_t key_octets_max_;
  std::uint64_t seed_;
  std::vector<Place> places_;
  std::vector<std::uint8_t> keys_;  // key_octets_max_ for each place
};

}  // namespace fairlead::server
