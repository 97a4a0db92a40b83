// Data that is only reachable while its lock is held; for the control side, never for the query path.
//
//     Guarded<State> state;
//     state.with([](State& s) { ... });
//
// Threads: any.
#pragma once

#include <mutex>
#include <utility>

namespace fairlead::base {

template <typename T>
class Guarded {
 public:
  Guarded() = default;
  explicit Guarded(T value) : value_(std::move(value)) {}

  template <typename F>
  decltype(auto) with(F&& use) {
    const std::scoped_lock lock(mutex_);
    return std::forward<F>(use)(value_);
  }
  template <typename F>
  decltype(auto) with(F&& use) const {
    const std::scoped_lock lock(mutex_);
    return std::forward<F>(use)(value_);
  }

 private:
  mutable std::mutex mutex_;
  T value_{};
};

}  // namespace fairlead::base
