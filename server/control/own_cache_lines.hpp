// Memory that no other thread's data comes to lie beside.
//
// All threads share one heap (main.cpp), in which small objects of different threads are neighbours. What a worker
// writes for every query would then take the cache line away from whoever looks at its neighbour. What is made while an
// OwnCacheLines lives, on its thread, begins and ends with a cache line:
//
//     const OwnCacheLines lines;
//     worker = std::make_unique<Worker>(i);  // with all that it makes, Asio's services included
//
// For what lives long: it costs up to 120 octets an object, and time. Sanitizers have a heap of their own; there it
// does nothing.
//
// Threads: each for itself; they nest.
// Errors: as of operator new.
#pragma once

#include <cstddef>

namespace fairlead::server {

inline constexpr std::size_t cache_line_octets = 64;

class OwnCacheLines {
 public:
  OwnCacheLines();
  ~OwnCacheLines();
  OwnCacheLines(const OwnCacheLines&) = delete;
  OwnCacheLines& operator=(const OwnCacheLines&) = delete;

 private:
  const bool before_;
};

}  // namespace fairlead::server
