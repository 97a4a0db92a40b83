#include "server/config/nearest_name.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace fairlead::server {
namespace {

constexpr std::size_t octets_max = 32;

// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
std::size_t count_slips(std::string_view a, std::string_view b) {
  std::array<std::array<std::size_t, octets_max + 1>, octets_max + 1> slips;
  for (std::size_t i = 0; i <= a.size(); ++i) slips[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) slips[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = slips[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      slips[i][j] = std::min({slips[i - 1][j] + 1, slips[i][j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        slips[i][j] = std::min(slips[i][j], slips[i - 2][j - 2] + 1);
      }
    }
  }
  return slips[a.size()][b.size()];
}

}  // namespace

std::string_view nearest_name(std::string_view name, std::span<const std::string_view> names) {
  std::string_view nearest;
  if (name.size() < 2 || name.size() > octets_max) return nearest;
  std::size_t fewest = name.size() < 5 ? 2 : 3;
  for (const std::string_view known : names) {
    // Each octet of difference in length is a slip; this spares most comparisons.
    const std::size_t difference = known.size() > name.size() ? known.size() - name.size() : name.size() - known.size();
    if (known.size() > octets_max || difference >= fewest) continue;
    const std::size_t slips = count_slips(name, known);
    if (slips < fewest) {
      fewest = slips;
      nearest = known;
    }
  }
  return nearest;
}

}  // namespace fairlead::server
