#include "k8s/address_index.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <set>

using namespace fairlead;
using namespace fairlead::k8s;

TEST_CASE("the index finds what a plain multimap finds, through growth and shrinking") {
  AddressIndex index;
  std::set<std::pair<std::string, std::uint32_t>> held;
  std::mt19937 random(3);
  const auto pick = [&] {
    const auto low = std::to_string(random() % 700);
    return base::IpAddress::parse(random() % 2 == 0
                                      ? "fd00::" + low
                                      : "10.0." + std::to_string(random() % 3) + "." + std::to_string(random() % 256))
        .value();
  };
  for (int phase = 0; phase < 4; ++phase) {
    for (int step = 0; step < 5000; ++step) {
      const auto address = pick();
      const std::uint32_t object = random() % 5;
      const bool grows = phase % 2 == 0 ? random() % 4 != 0 : random() % 4 == 0;
      if (grows) {
        if (held.emplace(address.to_string(), object).second) index.insert(address, object);
      } else {
        held.erase({address.to_string(), object});
        index.erase(address, object);
      }
    }
    CHECK(index.size() == held.size());
    for (const auto& [text, object] : held) {
      std::vector<std::uint32_t> found;
      index.for_each_candidate(base::IpAddress::parse(text).value(), [&](std::uint32_t o) { found.push_back(o); });
      CHECK(std::ranges::find(found, object) != found.end());
      CHECK(found.size() <= 5);
    }
  }
  for (const auto& [text, object] : held) index.erase(base::IpAddress::parse(text).value(), object);
  CHECK(index.size() == 0);
}
