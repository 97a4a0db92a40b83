#include "resolver/upstream_window.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <functional>

namespace fairlead::resolver {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds read_timeout{2000};

// An upstream by the millisecond: what is asked of it, what it answers, and what came in time.
class Simulation {
 public:
  struct Query {
    base::TimePoint sent{};
    bool is_answered = true;
    milliseconds takes{1};
  };

  // It can answer so many a millisecond, and lets `queue_max` wait; more than that is lost.
  double rate = 1;
  std::size_t queue_max = 1'000'000;
  bool is_dead = false;
  /// What the next query is like.
  std::function<Query(int number)> kind = [](int) { return Query{}; };

  int sent = 0, shed = 0, in_time = 0, answered = 0;
  std::size_t peak = 0;
  UpstreamWindow window;

  void run(milliseconds time, double demand) {
    for (const base::TimePoint end = now_ + time; now_ < end; now_ += milliseconds(1)) {
      for (due_ += demand; due_ >= 1; --due_) ask();
      answer();
      expire();
    }
  }
  void reset() { sent = shed = in_time = answered = 0; }

 private:
  void ask() {
    if (!window.has_room(outstanding_)) {
      window.note_full();
      ++shed;
      return;
    }
    window.note_sent(now_, outstanding_);
    ++sent;
    Query query = kind(++number_);
    query.sent = now_;
    peak = std::max(peak, ++outstanding_);
    ends_.push_back(now_ + read_timeout);
    if (query.is_answered && !is_dead && queue_.size() < queue_max) queue_.push_back(query);
  }
  // In the order of the questions: who takes long holds nobody up, since only the own time is added.
  void answer() {
    for (can_ = std::min(can_ + rate, std::max(1.0, rate)); can_ >= 1 && !queue_.empty() && !is_dead; --can_) {
      const Query query = queue_.front();
      queue_.pop_front();
      ++answered;
      const auto elapsed = now_ - query.sent + query.takes;
      if (elapsed >= read_timeout) continue;
      ++in_time;
      --outstanding_;
      ++ended_early_;
      window.note_reply(now_ + query.takes, elapsed);
    }
  }
  // Each query leaves when its time is over, unless its reply came before; which one it was does not matter here.
  void expire() {
    for (; !ends_.empty() && ends_.front() <= now_; ends_.pop_front()) {
      if (ended_early_ > 0) {
        --ended_early_;
      } else {
        --outstanding_;
      }
    }
  }

  base::TimePoint now_{seconds(100)};
  double due_ = 0, can_ = 0;
  int number_ = 0;
  std::size_t outstanding_ = 0;
  std::size_t ended_early_ = 0;
  std::deque<Query> queue_;
  std::deque<base::TimePoint> ends_;
};

TEST_CASE("an upstream that lets ten times as much wait as it can answer is kept at what it answers in time") {
  Simulation upstream;
  upstream.run(seconds(5), 0.9);
  CHECK(upstream.shed == 0);
  upstream.run(seconds(15), 10);  // until the line is gone
  upstream.reset();
  upstream.run(seconds(60), 10);
  CHECK(upstream.in_time >= 54'000);  // of the 60,000 that it could
  CHECK(upstream.window.limit() < 1500);
  // And when the flood is over, all is as before.
  upstream.run(seconds(5), 0.9);
  upstream.reset();
  upstream.run(seconds(5), 0.9);
  CHECK(upstream.shed == 0);
  CHECK(upstream.in_time >= 4'400);
}

TEST_CASE("an upstream that drops what is too much is asked as much as ever") {
  Simulation upstream;
  upstream.queue_max = 10;
  upstream.run(seconds(60), 5);
  CHECK(upstream.shed == 0);
  CHECK(upstream.in_time >= 59'000);
}

TEST_CASE("names that nobody answers cost the others nothing") {
  Simulation upstream;
  upstream.rate = 100;
  upstream.kind = [](int number) { return Simulation::Query{.sent = {}, .is_answered = number % 20 == 0}; };
  upstream.run(seconds(60), 5);
  CHECK(upstream.shed == 0);
}

TEST_CASE("a silent upstream is owed less and less, and all again when it is back") {
  Simulation upstream;
  upstream.rate = 100;
  upstream.run(seconds(2), 5);
  upstream.is_dead = true;
  upstream.run(seconds(20), 5);
  CHECK(upstream.window.limit() == UpstreamWindow::limit_min);
  upstream.is_dead = false;
  upstream.run(seconds(10), 5);
  upstream.reset();
  upstream.run(seconds(5), 5);
  CHECK(upstream.shed == 0);
}

TEST_CASE("a way that became longer is no line") {
  Simulation upstream;
  upstream.rate = 100;
  upstream.run(seconds(5), 2);
  upstream.kind = [](int) { return Simulation::Query{.sent = {}, .takes = milliseconds(700)}; };
  upstream.run(seconds(20), 2);
  upstream.reset();
  upstream.run(seconds(30), 2);
  CHECK(upstream.shed < upstream.sent / 20);
}

TEST_CASE("few queries are never held back, however late replies are") {
  Simulation upstream;
  upstream.rate = 0.001;  // one a second
  upstream.run(seconds(60), 0.1);
  CHECK(upstream.shed == 0);
}

}  // namespace
}  // namespace fairlead::resolver
