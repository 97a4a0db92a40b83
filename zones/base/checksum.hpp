// A checksum over octets that come in pieces: XXH3, 64 bits. It finds damage, not forgery.
//
// Threads: one owner.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

namespace fairlead::base {

class Checksum {
 public:
  Checksum();
  ~Checksum();
  Checksum(const Checksum&) = delete;
  Checksum& operator=(const Checksum&) = delete;

  void add(std::string_view octets);
  /// Of everything that was added.
  std::uint64_t value() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Of octets in one piece.
std::uint64_t checksum(std::string_view octets);

}  // namespace fairlead::base
