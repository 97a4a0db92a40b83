#include "k8s/api_health.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace fairlead;
using namespace fairlead::k8s;
using namespace std::chrono_literals;

TEST_CASE("an API server that is away is one line a minute for all who ask it") {
  base::ManualClock clock;
  std::vector<std::string> lines;
  ApiHealth health("https://api:443", clock, [&](base::LogLevel, std::string_view line) { lines.emplace_back(line); });
  CHECK_FALSE(health.is_reachable());
  health.note_answer();
  CHECK(health.is_reachable());
  CHECK(lines.empty());
  clock.advance(1s);
  for (int i = 0; i < 150; ++i) {
    health.note_silence(clock.now(), "refused");
    clock.advance(1s);
  }
  CHECK_FALSE(health.is_reachable());
  REQUIRE(lines.size() == 3);  // at 0, 60 and 120 s
  CHECK(
      lines[2] ==
      "no answer from the API server at https://api:443 since 120 s: refused; answering from what is known, and trying "
      "again");
  health.note_answer();
  REQUIRE(lines.size() == 4);
  CHECK(lines[3] == "the API server at https://api:443 answers again after 150 s");
}

TEST_CASE("an attempt from before the last answer says nothing about now") {
  base::ManualClock clock;
  int lines = 0;
  ApiHealth health("x", clock, [&](base::LogLevel, std::string_view) { ++lines; });
  const auto early = clock.now();
  clock.advance(1s);
  health.note_answer();
  health.note_silence(early, "timed out");
  CHECK(health.is_reachable());
  CHECK(lines == 0);
}
