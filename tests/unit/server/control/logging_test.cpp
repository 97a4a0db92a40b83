#include "server/control/logging.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <regex>
#include <thread>
#include <vector>

using namespace fairlead;
using namespace fairlead::server;
using namespace std::chrono_literals;

namespace {

// What goes to stdout while it lives.
class CapturedOutput {
 public:
  CapturedOutput() {
    std::fflush(stdout);
    saved_ = dup(1);
    file_ = std::tmpfile();
    dup2(fileno(file_), 1);
  }
  ~CapturedOutput() {
    restore();
    std::fclose(file_);
  }
  std::string text() {
    restore();
    std::string text;
    std::array<char, 4096> block;
    std::rewind(file_);
    while (const auto count = std::fread(block.data(), 1, block.size(), file_)) text.append(block.data(), count);
    return text;
  }

 private:
  void restore() {
    if (saved_ < 0) return;
    std::fflush(stdout);
    dup2(saved_, 1);
    close(saved_);
    saved_ = -1;
  }
  int saved_ = -1;
  FILE* file_ = nullptr;
};

}  // namespace

TEST_CASE("lines look like CoreDNS's") {
  init_logging({});
  CapturedOutput output;
  log_info("hello");
  log_warning("careful");
  log_error("broken");
  log_function("plugin/kubernetes: ")(base::LogLevel::info, "in step");
  CHECK(output.text() == "[INFO] hello\n[WARNING] careful\n[ERROR] broken\n[INFO] plugin/kubernetes: in step\n");
}

TEST_CASE("debug lines appear only after the debug directive") {
  init_logging({});
  CapturedOutput output;
  log_debug("one");
  set_debug_logging(true);
  log_debug("two");
  init_logging({});
  log_debug("three");
  CHECK(output.text() == "[DEBUG] two\n");
}

TEST_CASE("timestamps are UTC and come first when asked for") {
  init_logging({.timestamps = true});
  CapturedOutput output;
  log_info("hello");
  init_logging({});
  CHECK(std::regex_match(output.text(), std::regex(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \[INFO\] hello\n)")));
}

TEST_CASE("a message cannot forge a line or grow without bound") {
  init_logging({});
  CapturedOutput output;
  log_info("a\n[ERROR] forged\r\x1b[2J\x7f");
  log_info(std::string(2 * log_line_size_max, 'x'));
  const std::string text = output.text();
  CHECK(text.starts_with("[INFO] a\\n[ERROR] forged\\x0d\\x1b[2J\\x7f\n[INFO] xxx"));
  CHECK(text.size() < log_line_size_max + 100);
  CHECK(text.ends_with("...\n"));
}

TEST_CASE("with JSON every line is an object, whoever writes it") {
  init_logging({.json = true});
  CapturedOutput output;
  print_startup(".:53\n.:54\n");
  log_warning("plugin/loop: a\n\"b\"");
  std::jthread([] {
    queue_lines_of_this_thread();
    log_error("queued");
  }).join();
  shutdown_logging();
  init_logging({});
  log_info("text again");
  const std::string text = std::regex_replace(output.text(), std::regex(R"("time":"[^"]*")"), "TIME");
  CHECK(text ==
        "{TIME,\"level\":\"info\",\"message\":\".:53\"}\n{TIME,\"level\":\"info\",\"message\":\".:54\"}\n"
        "{TIME,\"level\":\"warning\",\"plugin\":\"loop\",\"message\":\"a\\n\\\"b\\\"\"}\n"
        "{TIME,\"level\":\"error\",\"message\":\"queued\"}\n[INFO] text again\n");
}

TEST_CASE("start-up output is silent with -quiet, events are not") {
  init_logging({.quiet = true});
  CapturedOutput output;
  print_startup(".:53");
  log_info("event");
  init_logging({});
  print_startup(".:53");
  CHECK(output.text() == "[INFO] event\n.:53\n");
}

TEST_CASE("queued lines are all written at shutdown, and lines after it at once") {
  init_logging({});
  CapturedOutput output;
  for (int i = 0; i < 100; ++i) log_query("[INFO] line " + std::to_string(i) + "\n");
  shutdown_logging();
  log_query("[INFO] after\n");
  const std::string text = output.text();
  CHECK(text.starts_with("[INFO] line 0\n"));
  CHECK(text.ends_with("[INFO] line 99\n[INFO] after\n"));
}

TEST_CASE("a worker's events stay in order with its queries") {
  init_logging({});
  CapturedOutput output;
  std::jthread([] {
    queue_lines_of_this_thread();
    for (int i = 0; i < 100; ++i) {
      log_query("[INFO] query\n");
      log_warning("event");
      log_queued(base::LogLevel::error, "error");
    }
  }).join();
  shutdown_logging();
  std::string expected;
  for (int i = 0; i < 100; ++i) expected += "[INFO] query\n[WARNING] event\n[ERROR] error\n";
  CHECK(output.text() == expected);
}

TEST_CASE("a limiter writes one line an interval and says how many it swallowed") {
  base::ManualClock clock;
  std::vector<std::string> lines;
  LogLimiter limiter(clock, [&](base::LogLevel, std::string_view line) { lines.emplace_back(line); }, 1min);
  for (int i = 0; i < 5; ++i) limiter.log(base::LogLevel::error, "10.0.0.1", "upstream 10.0.0.1 timed out");
  limiter.log(base::LogLevel::error, "10.0.0.2", "upstream 10.0.0.2 timed out");
  REQUIRE(lines.size() == 2);
  clock.advance(1min);
  limiter.log(base::LogLevel::error, "10.0.0.1", "upstream 10.0.0.1 timed out");
  limiter.log(base::LogLevel::error, "10.0.0.2", "upstream 10.0.0.2 timed out");
  REQUIRE(lines.size() == 4);
  CHECK(lines[2] == "upstream 10.0.0.1 timed out (and 4 more like this since the last line)");
  CHECK(lines[3] == "upstream 10.0.0.2 timed out");
}

TEST_CASE("keys beyond a limiter's bound share one, and old keys make room") {
  base::ManualClock clock;
  std::size_t lines = 0;
  LogLimiter limiter(clock, [&](base::LogLevel, std::string_view) { ++lines; }, 1min);
  for (std::size_t i = 0; i < log_limiter_keys_max + 100; ++i) {
    limiter.log(base::LogLevel::error, std::to_string(i), "x");
  }
  CHECK(lines == log_limiter_keys_max + 1);
  clock.advance(1min);
  limiter.log(base::LogLevel::error, "new", "x");
  limiter.log(base::LogLevel::error, "newer", "x");
  CHECK(lines == log_limiter_keys_max + 3);
}
