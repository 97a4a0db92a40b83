#include "server/control/log_queue.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace fairlead::server;
using namespace std::chrono_literals;

namespace {

std::string warning_line(fairlead::base::LogLevel, std::string_view message) {
  return "[WARNING] " + std::string(message) + "\n";
}

/// A pipe whose other end is read only when the test says so.
class Pipe {
 public:
  Pipe() {
    REQUIRE(pipe(ends_.data()) == 0);
    fcntl(ends_[1], F_SETPIPE_SZ, 4096);
  }
  ~Pipe() {
    finish();
    close(ends_[0]);
  }
  int input() const { return ends_[1]; }
  void read_on() {
    reader_ = std::thread([this] {
      std::array<char, 65536> block;
      for (ssize_t count; (count = read(ends_[0], block.data(), block.size())) > 0;) {
        text_.append(block.data(), static_cast<std::size_t>(count));
      }
    });
  }
  void close_output() { close(std::exchange(ends_[0], -1)); }
  /// All that was written.
  const std::string& finish() {
    if (ends_[1] >= 0) close(std::exchange(ends_[1], -1));
    if (reader_.joinable()) reader_.join();
    return text_;
  }

 private:
  std::array<int, 2> ends_{};
  std::string text_;
  std::thread reader_;
};

}  // namespace

TEST_CASE("each thread's lines come whole and in order, whoever else writes") {
  constexpr int threads = 4;
  constexpr int lines = 5000;
  Pipe output;
  output.read_on();
  std::mutex mutex;
  LogQueue queue(output.input(), mutex, warning_line);
  queue.start();
  {
    std::vector<std::jthread> writers;
    for (int writer = 0; writer < threads; ++writer) {
      writers.emplace_back([&queue, writer] {
        for (int i = 0; i < lines; ++i) {
          const std::string line = std::to_string(writer) + ' ' + std::to_string(i) + ' ' +
                                   std::string(static_cast<std::size_t>(i % 200), 'x') + '\n';
          while (!queue.push(line)) std::this_thread::yield();
        }
      });
    }
  }
  CHECK(queue.stop(10s));
  std::istringstream text(output.finish());
  std::map<std::string, int> next;
  int count = 0;
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with("[WARNING] log: ")) continue;  // this test's writers push until there is room
    std::istringstream words(line);
    std::string writer, filling;
    int number = -1;
    words >> writer >> number >> filling;
    REQUIRE(number == next[writer]++);
    REQUIRE(filling == std::string(static_cast<std::size_t>(number % 200), 'x'));
    ++count;
  }
  CHECK(count == threads * lines);
}

TEST_CASE("an output that nobody reads takes lines but no time, and a line says how many") {
  Pipe output;
  std::mutex mutex;
  LogQueue queue(output.input(), mutex, warning_line);
  queue.start();
  const std::string line = std::string(999, 'x') + '\n';
  std::uint64_t refused = 0;
  for (std::size_t i = 0; i < 3 * log_ring_octets / line.size(); ++i) refused += queue.push(line) ? 0 : 1;
  CHECK(refused > 0);
  CHECK(queue.lost() == refused);
  CHECK_FALSE(queue.stop(10ms));
  output.read_on();
  CHECK(queue.stop(10s));
  const std::string& text = output.finish();
  // Perhaps in two parts: one before the output was full.
  std::uint64_t told = 0;
  constexpr std::string_view before = "[WARNING] log: ";
  for (auto at = text.find(before); at != std::string::npos; at = text.find(before, at + 1)) {
    const std::string told_line = text.substr(at, text.find('\n', at) - at);
    CHECK(told_line.ends_with(" lines were lost: the standard output is read too slowly or not at all"));
    told += std::stoull(told_line.substr(before.size()));
  }
  CHECK(told == refused);
  const auto written = static_cast<std::uint64_t>(std::ranges::count(text, 'x')) / 999;
  CHECK(written + refused == 3 * log_ring_octets / line.size());
}

TEST_CASE("lines that the output refuses are counted, and the queue goes on") {
  Pipe output;
  output.close_output();
  std::mutex mutex;
  LogQueue queue(output.input(), mutex, warning_line);
  queue.start();
  std::signal(SIGPIPE, SIG_IGN);
  for (int i = 0; i < 10; ++i) queue.push("x\n");
  CHECK(queue.stop(10s));
  CHECK(queue.lost() == 10);
}

TEST_CASE("what was pushed before the end is written, however soon the end comes") {
  Pipe output;
  output.read_on();
  std::mutex mutex;
  for (int i = 0; i < 2000; ++i) {
    LogQueue queue(output.input(), mutex, warning_line);
    queue.start();
    // The queue's thread may be anywhere in its first round.
    for (int spin = 0; spin < i % 50; ++spin) std::this_thread::yield();
    queue.push("x\n");
    REQUIRE(queue.stop(10s));
  }
  CHECK(std::ranges::count(output.finish(), 'x') == 2000);
}

TEST_CASE("a line comes without another one behind it, and the queue may start again") {
  std::array<int, 2> ends{};
  REQUIRE(pipe(ends.data()) == 0);
  std::mutex mutex;
  LogQueue queue(ends[1], mutex, warning_line);
  for (const std::string line : {"one\n", "two\n"}) {
    queue.start();
    for (int i = 0; i < 3; ++i) {
      queue.push(line);
      std::array<char, 16> text{};
      CHECK(read(ends[0], text.data(), text.size()) == static_cast<ssize_t>(line.size()));
      CHECK(std::string(text.data()) == line);
      // Long enough for the queue's thread to fall asleep in one of the rounds.
      std::this_thread::sleep_for(i * 2 * log_pause);
    }
    CHECK(queue.stop(10s));
  }
  close(ends[0]);
  close(ends[1]);
}
