#include "zones/base/published.hpp"

#include <urcu-qsbr.h>

#include "zones/base/race_annotations.hpp"

#ifdef FAIRLEAD_TSAN
// What liburcu does with its own memory and locks is its own affair.
extern "C" const char* __tsan_default_suppressions() {
  return "called_from_lib:liburcu-qsbr.so\n"
         "called_from_lib:liburcu-cds.so\n"
         "called_from_lib:liburcu-common.so\n";
}
#endif

namespace fairlead::base {
namespace {

struct Reclaim {
  rcu_head head;
  void* object;
  void (*reclaim)(void*);
};

thread_local int registrations = 0;
thread_local int sections = 0;

char grace_period;  // an address for the race annotations

}  // namespace

ReaderThread::ReaderThread() {
  if (registrations++ > 0) return;
  rcu_register_thread();
  rcu_thread_offline();
}
ReaderThread::~ReaderThread() {
  if (--registrations > 0) return;
  rcu_thread_online();  // liburcu wants the thread online when it leaves
  rcu_unregister_thread();
}

ReadSection::ReadSection() {
  // Going online again would say that nothing is held any more.
  if (sections++ == 0) rcu_thread_online();
}
ReadSection::~ReadSection() {
  if (--sections > 0) return;
  detail::annotate_release(&grace_period);
  rcu_thread_offline();
}

void reclaim_later(void* object, void (*reclaim)(void*)) {
  auto* const entry = new Reclaim{.head = {}, .object = object, .reclaim = reclaim};
  detail::annotate_release(entry);
  call_rcu(&entry->head, [](rcu_head* head) {
    auto* const due = caa_container_of(head, Reclaim, head);
    detail::annotate_acquire(due);
    detail::annotate_acquire(&grace_period);
    due->reclaim(due->object);
    delete due;
  });
}

void wait_for_reclaim() { rcu_barrier(); }

namespace detail {

void* load_published(void* const* slot) {
  void* const object = rcu_dereference(*slot);
  annotate_acquire(object);
  return object;
}
void* exchange_published(void** slot, void* fresh) {
  annotate_release(fresh);
  return rcu_xchg_pointer(slot, fresh);
}

}  // namespace detail
}  // namespace fairlead::base
