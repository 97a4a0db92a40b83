#include "resolver/timer_wheel.hpp"

#include <doctest/doctest.h>

#include <map>

#include "resolver/in_flight.hpp"
#include "zones/base/clock.hpp"

namespace fairlead::resolver {
namespace {

using std::chrono::milliseconds;

TEST_CASE("deadlines fire once, not before their time and within two ticks, whatever their distance") {
  base::ManualClock clock;
  TimerWheel wheel;
  wheel.start(clock.now());
  std::map<std::uint32_t, base::TimePoint> due;
  for (std::uint32_t slot = 0; slot < 2000; ++slot) {
    due[slot] = clock.now() + milliseconds(slot * 7 % 20000);
    wheel.schedule(slot, due[slot]);
  }
  for (int turn = 0; turn < 5000 && !wheel.is_empty(); ++turn) {
    clock.advance(TimerWheel::tick);
    wheel.advance(clock.now(), [&](std::uint32_t slot) {
      REQUIRE(due.contains(slot));
      REQUIRE(clock.now() >= due[slot]);
      REQUIRE(clock.now() - due[slot] <= 2 * TimerWheel::tick);
      due.erase(slot);
    });
  }
  CHECK(due.empty());
}

TEST_CASE("deadlines can be moved and cancelled, also by those that fire") {
  base::ManualClock clock;
  TimerWheel wheel;
  wheel.start(clock.now());
  for (std::uint32_t slot = 0; slot < 4; ++slot) wheel.schedule(slot, clock.now() + milliseconds(20));
  wheel.schedule(3, clock.now() + milliseconds(100));
  std::vector<std::uint32_t> fired;
  const auto run = [&](milliseconds time) {
    clock.advance(time);
    wheel.advance(clock.now(), [&](std::uint32_t slot) {
      fired.push_back(slot);
      for (std::uint32_t other = 0; other < 3; ++other) {
        if (other != slot) wheel.cancel(other);
      }
      if (fired.size() == 1) wheel.schedule(slot, clock.now() + milliseconds(10));
    });
  };
  run(milliseconds(30));
  CHECK(fired.size() == 1);
  run(milliseconds(20));
  REQUIRE(fired.size() == 2);
  CHECK(fired[0] == fired[1]);
  run(milliseconds(60));
  CHECK(fired.back() == 3);
  CHECK(wheel.is_empty());
}

TEST_CASE("a wheel that slept for a minute fires everything that is due") {
  base::ManualClock clock;
  TimerWheel wheel;
  wheel.start(clock.now());
  for (std::uint32_t slot = 0; slot < 100; ++slot) wheel.schedule(slot, clock.now() + milliseconds(slot * 40));
  clock.advance(std::chrono::minutes(1));
  int fired = 0;
  wheel.advance(clock.now(), [&](std::uint32_t) { ++fired; });
  CHECK(fired == 100);
}

TEST_CASE("slots are found by hash and equality and forgotten when erased") {
  InFlight table(16);
  for (std::uint32_t slot = 0; slot < 16; ++slot) table.insert(slot % 2, slot);
  const auto find = [&](std::uint64_t hash, std::uint32_t wanted) {
    return table.find(hash, [wanted](std::uint32_t slot) { return slot == wanted; });
  };
  CHECK(find(1, 5) == 5);
  CHECK(find(0, 5) == no_slot);
  table.erase(5);
  CHECK(find(1, 5) == no_slot);
  CHECK(find(1, 3) == 3);
  CHECK(find(1, 15) == 15);
}

}  // namespace
}  // namespace fairlead::resolver
