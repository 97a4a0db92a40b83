// How long the calling thread may run before the kernel looks whether another should: short for threads that answer.
//
// All threads of the process have the same share of the processor, but a thread with a short slice that wakes up does
// not wait for one with a longer slice to end its own (EEVDF, sched_setattr(2), Linux 6.12): a query that arrives
// while an event is decoded on the same core is answered first, and the event a moment later. Elsewhere, or where
// seccomp forbids the call, nothing changes.
//
// Threads: any; it is of the calling one alone.
#pragma once

#include <chrono>

namespace fairlead::server {

/// What a worker asks for. The kernel's own is 0.7 ms on one core and 2.8 ms on eight; its least is 0.1 ms.
constexpr std::chrono::microseconds worker_time_slice{200};

/// False when the kernel does not know slices or does not let us. Threads under a policy of their own (chrt) keep it.
bool ask_for_time_slice(std::chrono::microseconds slice);

}  // namespace fairlead::server
