// What the control side changes and the query path reads, without a lock or a shared write on the reading side.
//
// Read-copy-update with userspace RCU, the QSBR flavour: a reader costs nothing while it reads and says when it does
// not. A reading thread holds a ReaderThread for its life; it is offline (holds nothing back) except inside a
// ReadSection, so a thread that waits for packets never delays the freeing of old versions.
//
// Threads: read() inside a ReadSection on a thread that holds a ReaderThread; publish() and reclaim_later() on any
// thread that holds one.
// Limits: a ReadSection must be short: no waiting inside. Sections may stand in each other; the outermost counts.
#pragma once

#include <memory>

namespace fairlead::base {

/// Registers this thread with RCU until it goes out of scope; again on the same thread changes nothing.
class ReaderThread {
 public:
  ReaderThread();
  ~ReaderThread();
  ReaderThread(const ReaderThread&) = delete;
  ReaderThread& operator=(const ReaderThread&) = delete;
};

/// While it lives, nothing that this thread can reach is freed.
class ReadSection {
 public:
  ReadSection();
  ~ReadSection();
  ReadSection(const ReadSection&) = delete;
  ReadSection& operator=(const ReadSection&) = delete;
};

/// Calls `reclaim(object)` on a background thread once every section that runs now has ended. Never waits.
void reclaim_later(void* object, void (*reclaim)(void*));

/// Waits until everything given to reclaim_later() before has been reclaimed. Outside of sections; for orderly ends.
void wait_for_reclaim();

namespace detail {
void* load_published(void* const* slot);
void* exchange_published(void** slot, void* fresh);
}  // namespace detail

/// A pointer to an immutable T. What read() gives is valid until the ReadSection ends.
template <typename T>
class Published {
 public:
  Published() = default;
  explicit Published(std::unique_ptr<const T> first) : slot_(const_cast<T*>(first.release())) {}
  /// All readers must be gone.
  ~Published() { delete static_cast<T*>(slot_); }
  Published(const Published&) = delete;
  Published& operator=(const Published&) = delete;

  const T* read() const { return static_cast<const T*>(detail::load_published(&slot_)); }
  void publish(std::unique_ptr<const T> fresh) {
    void* const old = detail::exchange_published(&slot_, const_cast<T*>(fresh.release()));
    if (old != nullptr) reclaim_later(old, [](void* object) { delete static_cast<T*>(object); });
  }

 private:
  void* slot_ = nullptr;
};

}  // namespace fairlead::base
