// Random numbers: unforeseeable ones for ids and hash seeds, quick ones for spreading load.
//
// Threads: the functions may be called from every thread; an object belongs to one.
// Errors: a kernel without random octets ends the process: guessable ids would invite spoofing.
// Standards: RFC 5452 §9.2 (query ids).
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace fairlead::resolver {

/// From the kernel.
void fill_random(std::span<std::uint8_t> octets);
std::uint64_t random_u64();

/// Query ids. The kernel is asked once for 256 of them.
class RandomIds {
 public:
  std::uint16_t next();

 private:
  std::array<std::uint8_t, 512> octets_;
  std::size_t at_ = sizeof octets_;
};

/// Single bits that nobody foresees, for the case of letters. The kernel is asked once for 2,048 of them.
class RandomBits {
 public:
  bool next() {
    if (left_ == 0) refill();
    --left_;
    return (octets_[left_ / 8] >> left_ % 8 & 1) != 0;
  }

 private:
  void refill();

  std::array<std::uint8_t, 256> octets_;
  std::size_t left_ = 0;
};

/// xorshift64*: for choosing among upstreams and channels, where foresight gains nothing.
class QuickRandom {
 public:
  /// A number below `bound`, which is small.
  std::uint32_t below(std::uint32_t bound) {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return static_cast<std::uint32_t>((state_ * 0x2545f4914f6cdd1dULL >> 32) * bound >> 32);
  }

 private:
  std::uint64_t state_ = random_u64() | 1;
};

}  // namespace fairlead::resolver
