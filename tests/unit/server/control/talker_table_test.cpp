#include "server/control/talker_table.hpp"

#include <doctest/doctest.h>

#include <map>
#include <string>

using namespace fairlead::server;

namespace {

std::span<const std::uint8_t> octets_of(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::map<std::string, TalkerCounts> contents(const TalkerTable& table) {
  std::map<std::string, TalkerCounts> found;
  table.for_each([&](std::string_view key, const TalkerCounts& counts) { found[std::string(key)] = counts; });
  return found;
}

}  // namespace

TEST_CASE("as long as there is room, counts are exact") {
  TalkerTable table(64, 16);
  for (int i = 0; i < 3; ++i) table.count(octets_of("a"), {.queries = 10, .nxdomain = 4, .failed = 1});
  table.count(octets_of(""), {.queries = 1});
  const auto found = contents(table);
  REQUIRE(found.size() == 2);
  CHECK(found.at("a").queries == 30);
  CHECK(found.at("a").nxdomain == 12);
  CHECK(found.at("a").failed == 3);
  CHECK(found.at("a").overcount == 0);
  CHECK(found.at("").queries == 1);
}

TEST_CASE("keys with equal beginnings are different ones, and too long a key is cut off") {
  TalkerTable table(64, 4);
  table.count(octets_of("abc"), {.queries = 1});
  table.count(octets_of("ab"), {.queries = 2});
  table.count(octets_of("abcdefg"), {.queries = 4});
  const auto found = contents(table);
  CHECK(found.at("abc").queries == 1);
  CHECK(found.at("ab").queries == 2);
  CHECK(found.at("abcd").queries == 4);
}

TEST_CASE("the heavy ones stay, whatever comes between; the count is too high by overcount at most") {
  TalkerTable table(64, 16);
  constexpr std::uint64_t rounds = 2000;
  for (std::uint64_t i = 0; i < rounds; ++i) {
    table.count(octets_of("heavy"), {.queries = 1, .failed = 1});
    // A flood of names of which none comes twice.
    for (int n = 0; n < 4; ++n) table.count(octets_of("n" + std::to_string(4 * i + n)), {.queries = 1, .nxdomain = 1});
  }
  const auto found = contents(table);
  REQUIRE(found.contains("heavy"));
  const auto& heavy = found.at("heavy");
  CHECK(heavy.queries >= rounds);
  CHECK(heavy.queries - heavy.overcount <= rounds);
  CHECK(heavy.failed == rounds);
  CHECK(heavy.nxdomain == 0);
  CHECK(found.size() <= 64);
  std::uint64_t sum = 0;
  for (const auto& [key, counts] : found) {
    sum += counts.queries;
    CHECK(counts.nxdomain + counts.failed <= counts.queries);
  }
  CHECK(sum == 5 * rounds);
}

TEST_CASE("a table that is cleared is empty") {
  TalkerTable table(8, 16);
  for (int n = 0; n < 100; ++n) table.count(octets_of(std::to_string(n)), {.queries = 1});
  table.clear();
  CHECK(contents(table).empty());
  table.count(octets_of("a"), {.queries = 1});
  CHECK(contents(table).at("a").overcount == 0);
}
