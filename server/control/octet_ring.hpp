// Octets on their way from the one thread that writes them to the one that reads them: lines of the log, messages of
// dnstap. What is pushed goes in whole or not at all, so that the reader always finds whole pieces.
//
// Threads: one writer, one reader; lost() from any.
// Limits: the size that it is made with, a power of two. Memory is touched as it is written for the first time.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace fairlead::server {

class OctetRing {
 public:
  explicit OctetRing(std::size_t octets) : octets_(std::make_unique_for_overwrite<char[]>(octets)), mask_(octets - 1) {}

  // The writer's.

  /// False, with nothing taken, when there is no room.
  bool push(std::string_view piece);
  bool is_half_full();
  void close() { closed_.store(true, std::memory_order_release); }

  // The reader's.

  /// What is there, in one run or in two.
  struct Content {
    std::string_view first, second;
    std::size_t size() const { return first.size() + second.size(); }
  };
  Content content() const;
  void take(std::size_t octets);
  bool is_closed() const { return closed_.load(std::memory_order_acquire); }

  /// Pieces that found no room.
  std::uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }

 private:
  std::size_t size() const { return mask_ + 1; }

  const std::unique_ptr<char[]> octets_;
  const std::size_t mask_;
  // Ever growing; each on a cache line of its own, since two threads write them.
  alignas(64) std::atomic<std::uint64_t> written_{0};
  std::atomic<std::uint64_t> lost_{0};
  std::uint64_t taken_seen_ = 0;  // by the writer
  alignas(64) std::atomic<std::uint64_t> taken_{0};
  std::atomic<bool> closed_{false};
};

}  // namespace fairlead::server
