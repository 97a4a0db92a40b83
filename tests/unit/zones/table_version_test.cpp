#include "zones/table_version.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <thread>

#include "wire.hpp"
#include "zones/base/published.hpp"
#include "zones/name_table.hpp"

using namespace fairlead;
using namespace fairlead::zones;
using wire::ip;

namespace {

NameEntry::Pointer entry(const std::string& label, std::string_view address) {
  NameContent content;
  content.addresses.push_back(ip(address));
  return NameEntry::make(static_cast<char>(label.size()) + label, content, 5);
}

// "a=10.0.0.1 b=10.0.0.2", sorted.
std::string text(const TableVersion& version) {
  const base::ReadSection section;
  std::vector<std::string> names;
  for (const NameEntry* const name : version.entries) {
    const auto octets = name->a_addresses();
    names.push_back(std::string(name->key().substr(1)) + "=" +
                    base::IpAddress::v4(std::span<const std::uint8_t, 4>(octets.data(), 4)).to_string());
  }
  std::ranges::sort(names);
  std::string joined;
  for (const auto& name : names) joined += (joined.empty() ? "" : " ") + name;
  return joined;
}

}  // namespace

TEST_CASE("a version stays as it was while the table replaces, erases and adds names") {
  const base::ReaderThread thread;
  NameTable table;
  table.put(entry("a", "10.0.0.1"));
  table.put(entry("b", "10.0.0.2"));
  const TableVersion first = table.take_version();
  table.put(entry("a", "10.0.0.3"));
  table.erase("\1b");
  table.put(entry("c", "10.0.0.4"));
  const TableVersion second = table.take_version();
  table.put(entry("a", "10.0.0.5"));
  table.erase("\1c");
  base::wait_for_reclaim();
  CHECK(text(first) == "a=10.0.0.1 b=10.0.0.2");
  CHECK(text(second) == "a=10.0.0.3 c=10.0.0.4");
  CHECK(text(table.take_version()) == "a=10.0.0.5");
  CHECK_FALSE(first.hold->is_lost());
}

TEST_CASE("what versions needed is freed when the last that needs it ends, in whatever order they end") {
  const base::ReaderThread thread;
  VersionKeeper keeper;
  auto first = keeper.hold();
  keeper.retire(entry("a", "10.0.0.1").release());
  auto second = keeper.hold();
  keeper.retire(entry("b", "10.0.0.1").release());
  const std::size_t two = keeper.octets();
  SUBCASE("the older first") {
    first.reset();
    CHECK(keeper.octets() == two / 2);
    second.reset();
  }
  SUBCASE("the younger first: the older one needs both") {
    second.reset();
    CHECK(keeper.octets() == two);
    first.reset();
  }
  CHECK(keeper.octets() == 0);
  keeper.retire(entry("c", "10.0.0.1").release());
  CHECK(keeper.octets() == 0);
}

TEST_CASE("a version that makes the table keep too much is lost, the oldest first") {
  const base::ReaderThread thread;
  VersionKeeper keeper(1000);
  const auto slow = keeper.hold();
  keeper.retire(entry("a", "10.0.0.1").release());
  const auto fast = keeper.hold();
  for (int i = 0; i < 1000 && !slow->is_lost(); ++i) {
    CHECK_FALSE(fast->is_lost());
    keeper.retire(entry("a", "10.0.0.1").release());
    CHECK(keeper.octets() <= 1000);
  }
  CHECK(slow->is_lost());
  CHECK_FALSE(fast->is_lost());
  for (int i = 0; i < 1000; ++i) keeper.retire(entry("a", "10.0.0.1").release());
  CHECK(fast->is_lost());
  CHECK(keeper.octets() == 0);
}

TEST_CASE("what no version needs is freed in rounds, and does not gather") {
  const base::ReaderThread thread;
  VersionKeeper keeper;
  int rounds = 0;
  std::size_t retired = 0;
  for (std::size_t before = 0; retired < 10 * unheld_octets_max;) {
    auto name = entry("a", "10.0.0.1");
    retired += name->octets();
    keeper.retire(name.release());
    CHECK(keeper.unheld_octets() < unheld_octets_max);
    if (keeper.unheld_octets() < before) ++rounds;
    before = keeper.unheld_octets();
  }
  CHECK(rounds >= 9);
  CHECK(rounds <= 10);
}

TEST_CASE("versions are read and ended on other threads while the table is written") {
  const base::ReaderThread thread;
  NameTable table;
  const auto name = [](int i) { return "n" + std::to_string(i % 50); };
  for (int i = 0; i < 50; ++i) table.put(entry(name(i), "10.0.0.1"));
  for (int round = 0; round < 20; ++round) {
    std::jthread reader([version = table.take_version()] {
      const base::ReaderThread registered;
      for (int n = 0; n < 10; ++n) {
        const base::ReadSection section;
        if (version.hold->is_lost()) return;
        for (const NameEntry* const read : version.entries) CHECK(read->a_count() == 1);
      }
    });
    for (int i = 0; i < 200; ++i) table.put(entry(name(i), "10.0.0.2"));
    for (int i = 0; i < 25; ++i) table.erase(static_cast<char>(name(i).size()) + name(i));
    for (int i = 0; i < 25; ++i) table.put(entry(name(i), "10.0.0.3"));
  }
}
