#include "server/net/time_slice.hpp"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace fairlead::server {
namespace {

// As in <linux/sched/types.h>, which older kernels' headers cannot include beside <sched.h>.
struct SchedulingAttributes {
  std::uint32_t size;
  std::uint32_t policy;
  std::uint64_t flags;
  std::int32_t nice;
  std::uint32_t priority;
  std::uint64_t runtime;  // nanoseconds; the slice of a thread of SCHED_OTHER
  std::uint64_t deadline;
  std::uint64_t period;
};

}  // namespace

bool ask_for_time_slice(std::chrono::microseconds slice) {
  SchedulingAttributes attributes{};
  if (::syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0) return false;
  // Before Linux 6.12 there are no slices, and the field is 0.
  if (attributes.policy != SCHED_OTHER || attributes.runtime == 0) return false;
  attributes.runtime = static_cast<std::uint64_t>(std::chrono::nanoseconds(slice).count());
  return ::syscall(SYS_sched_setattr, 0, &attributes, 0) == 0;
}

}  // namespace fairlead::server
