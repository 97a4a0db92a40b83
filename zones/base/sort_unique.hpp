// Sorted, and each value once.
//
// Threads: pure.
#pragma once

#include <algorithm>

namespace fairlead::base {

template <typename Container>
void sort_unique(Container& values) {
  if (values.size() < 2) return;
  std::ranges::sort(values);
  const auto repeated = std::ranges::unique(values);
  values.erase(repeated.begin(), repeated.end());
}

}  // namespace fairlead::base
