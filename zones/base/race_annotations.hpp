// What ThreadSanitizer cannot see: liburcu is not built with it, so the order that RCU gives looks like a race.
//
// The writer releases an object before it publishes it and a reader acquires it when it has found it; a reader releases
// the grace period when its section ends and the reclaimer acquires it before it frees. Empty in every other build.
#pragma once

#if defined(__SANITIZE_THREAD__)
#define FAIRLEAD_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FAIRLEAD_TSAN 1
#endif
#endif

#ifdef FAIRLEAD_TSAN
extern "C" {
void __tsan_acquire(void* address);
void __tsan_release(void* address);
}
#endif

namespace fairlead::base::detail {

inline void annotate_release([[maybe_unused]] const void* address) {
#ifdef FAIRLEAD_TSAN
  __tsan_release(const_cast<void*>(address));
#endif
}
inline void annotate_acquire([[maybe_unused]] const void* address) {
#ifdef FAIRLEAD_TSAN
  __tsan_acquire(const_cast<void*>(address));
#endif
}

}  // namespace fairlead::base::detail
