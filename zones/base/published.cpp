#include "zones/base/published.hpp"

#include <urcu-qsbr.h>

namespace fairlead::base {
namespace {

struct Reclaim {
  rcu_head head;
  void* object;
  void (*reclaim)(void*);
};

thread_local int registrations = 0;

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

ReadSection::ReadSection() { rcu_thread_online(); }
ReadSection::~ReadSection() { rcu_thread_offline(); }

void reclaim_later(void* object, void (*reclaim)(void*)) {
  auto* const entry = new Reclaim{.head = {}, .object = object, .reclaim = reclaim};
  call_rcu(&entry->head, [](rcu_head* head) {
    auto* const due = caa_container_of(head, Reclaim, head);
    due->reclaim(due->object);
    delete due;
  });
}

void wait_for_reclaim() { rcu_barrier(); }

namespace detail {

void* load_published(void* const* slot) { return rcu_dereference(*slot); }
void* exchange_published(void** slot, void* fresh) { return rcu_xchg_pointer(slot, fresh); }

}  // namespace detail
}  // namespace fairlead::base
