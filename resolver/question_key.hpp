// A question in the form in which tables hash and compare it: the name in lower case, then type, class and flags.
//
// Threads: values; HashSeed is made once per table.
// Limits: name_octets_max plus thirteen octets.
// Security: names come from clients. The hash is keyed with a seed drawn at start, so nobody outside can choose names
// that fall into one bucket.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <span>

#include "resolver/random.hpp"
#include "zones/dns/domain_name.hpp"
#include "zones/dns/message_writer.hpp"
#include "zones/dns/rr_type.hpp"

namespace fairlead::resolver {

/// What distinguishes questions besides name, type and class. The cache uses the first two bits alone.
namespace question_flag {
inline constexpr std::uint8_t dnssec_ok = 1, checking_disabled = 2, recursion_desired = 4, authentic_data = 8, tcp = 16;
}

class QuestionKey {
 public:
  /// `options` is options_hash() of EDNS options that the answer may depend on; 0 without.
  QuestionKey(dns::NameView qname, dns::RRType qtype, dns::RRClass qclass, std::uint8_t flags,
              std::uint64_t options = 0) {
    const std::size_t name_octets = qname.size();
    qname.copy_lower(octets_.data());
    dns::write_u16(&octets_[name_octets], static_cast<std::uint16_t>(qtype));
    dns::write_u16(&octets_[name_octets + 2], static_cast<std::uint16_t>(qclass));
    octets_[name_octets + 4] = flags;
    size_ = static_cast<std::uint16_t>(name_octets + 5);
    if (options == 0) return;
    std::memcpy(&octets_[size_], &options, sizeof options);
    size_ = static_cast<std::uint16_t>(size_ + sizeof options);
  }

  std::span<const std::uint8_t> octets() const { return {octets_.data(), size_}; }

 private:
  std::array<std::uint8_t, dns::name_octets_max + 5 + sizeof(std::uint64_t)> octets_;
  std::uint16_t size_;
};

struct HashSeed {
  std::uint64_t a = random_u64();
  std::uint64_t b = random_u64();
};

/// Multiply and fold, eight octets at a time.
inline std::uint64_t hash_octets(std::span<const std::uint8_t> octets, const HashSeed& seed) {
  const auto fold = [](std::uint64_t x, std::uint64_t y) {
    const auto product = static_cast<unsigned __int128>(x) * y;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  };
  std::uint64_t hash = seed.a ^ octets.size();
  const std::uint64_t factor = seed.b | 1;
  std::uint64_t word = 0;
  while (octets.size() >= sizeof word) {
    std::memcpy(&word, octets.data(), sizeof word);
    hash = fold(hash ^ word, factor);
    octets = octets.subspan(sizeof word);
  }
  word = 0;
  if (!octets.empty()) std::memcpy(&word, octets.data(), octets.size());
  hash = fold(hash ^ word, factor);
  return fold(hash ^ seed.b, seed.a | 1);
}

/// For QuestionKey; 0 without options, and never 0 with some. The same within a process.
inline std::uint64_t options_hash(std::span<const std::uint8_t> options) {
  static const HashSeed seed;
  return options.empty() ? 0 : hash_octets(options, seed) | 1;
}

}  // namespace fairlead::resolver
