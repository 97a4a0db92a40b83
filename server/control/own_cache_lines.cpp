#include "server/control/own_cache_lines.hpp"

#include <cstdlib>
#include <new>
#include <utility>

namespace fairlead::server {
namespace {

thread_local constinit bool is_on = false;

}  // namespace

OwnCacheLines::OwnCacheLines() : before_(std::exchange(is_on, true)) {}
OwnCacheLines::~OwnCacheLines() { is_on = before_; }

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
namespace {

void* allocate(std::size_t octets) {
  if (!is_on) return std::malloc(octets > 0 ? octets : 1);
  // The allocator's own words stand before an object, and so behind the lines of this one.
  return std::aligned_alloc(cache_line_octets, (octets + cache_line_octets) & ~(cache_line_octets - 1));
}

}  // namespace
}  // namespace fairlead::server

// The library's other forms come here, and its delete frees what malloc() and aligned_alloc() give.
void* operator new(std::size_t octets) {
  for (;;) {
    if (void* const memory = fairlead::server::allocate(octets)) return memory;
    const std::new_handler make_room = std::get_new_handler();
    if (make_room == nullptr) throw std::bad_alloc();
    make_room();
  }
}

namespace fairlead::server {
#endif

}  // namespace fairlead::server
