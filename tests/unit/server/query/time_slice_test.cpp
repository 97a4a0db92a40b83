#include "server/net/time_slice.hpp"

#include <doctest/doctest.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <thread>

namespace fairlead::server {
namespace {

// The slice that the kernel gives the calling thread, in nanoseconds: bytes 24 to 31 of its sched_attr; 0 where it has
// none.
std::uint64_t own_slice() {
  std::array<std::uint8_t, 48> attributes{};
  if (::syscall(SYS_sched_getattr, 0, attributes.data(), attributes.size(), 0) != 0) return 0;
  std::uint64_t slice = 0;
  std::memcpy(&slice, attributes.data() + 24, sizeof slice);
  return slice;
}

TEST_CASE("a thread that asks for a short time slice has it, and the others keep theirs") {
  const std::uint64_t before = own_slice();
  bool has_asked = false;
  std::uint64_t after = 0;
  std::thread([&] {
    has_asked = ask_for_time_slice(worker_time_slice);
    after = own_slice();
  }).join();
  CHECK(own_slice() == before);
  // Kernels before 6.12 have none, and seccomp may forbid to ask; the server runs on either.
  if (has_asked) CHECK(after == 200'000);
  if (!has_asked) CHECK(after == before);
}

TEST_CASE("a thread with a policy of its own keeps it") {
  std::thread([] {
    const sched_param none{};
    if (::sched_setscheduler(0, SCHED_BATCH, &none) != 0) return;
    CHECK_FALSE(ask_for_time_slice(worker_time_slice));
    CHECK(::sched_getscheduler(0) == SCHED_BATCH);
  }).join();
}

}  // namespace
}  // namespace fairlead::server
