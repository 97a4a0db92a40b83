#include "k8s/request_gate.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

using namespace fairlead;
using namespace fairlead::k8s;
using namespace std::chrono_literals;

TEST_CASE("a burst passes at once, what follows waits for the rate, and a pause fills the bucket up to its size") {
  base::ManualClock clock;
  TokenBucket bucket(10, 3);
  for (int i = 0; i < 3; ++i) CHECK(bucket.take(clock.now()) == 0s);
  CHECK(bucket.take(clock.now()) == 100ms);
  CHECK(bucket.take(clock.now()) == 200ms);  // behind the one before
  clock.advance(300ms);
  CHECK(bucket.take(clock.now()) == 0s);
  CHECK(bucket.take(clock.now()) == 100ms);
  clock.advance(1h);
  for (int i = 0; i < 3; ++i) CHECK(bucket.take(clock.now()) == 0s);
  CHECK(bucket.take(clock.now()) > 0s);
}

TEST_CASE("a token given back is for the next, and a rate near zero makes no endless wait") {
  base::ManualClock clock;
  TokenBucket bucket(1, 1);
  CHECK(bucket.take(clock.now()) == 0s);
  CHECK(bucket.take(clock.now()) == 1s);
  bucket.give_back();
  CHECK(bucket.take(clock.now()) == 1s);
  TokenBucket slow(1e-300, 1);
  static_cast<void>(slow.take(clock.now()));
  CHECK(slow.take(clock.now()) == 24h);
}

TEST_CASE("without limits everything enters") {
  RequestGate gate({});
  base::Duration waited{1};
  std::vector<std::unique_ptr<RequestGate::Pass>> passes;
  for (int i = 0; i < 100; ++i) {
    passes.push_back(gate.enter(false, {}, waited));
    CHECK(passes.back());
    CHECK(waited == 0s);
  }
}

TEST_CASE("no more than max_inflight are under way, watches among them") {
  RequestGate gate({.max_inflight = 2});
  base::Duration waited{};
  auto first = gate.enter(false, {}, waited);
  auto second = gate.enter(true, {}, waited);
  std::atomic<bool> entered{false};
  std::jthread third([&](const std::stop_token& stop) {
    base::Duration time{};
    const auto pass = gate.enter(false, stop, time);
    entered = pass != nullptr;
  });
  std::this_thread::sleep_for(50ms);
  CHECK_FALSE(entered);
  second.reset();
  third.join();
  CHECK(entered);
}

TEST_CASE("a stop ends the wait for a place and for a token") {
  base::Duration waited{};
  for (const ApiLimits& limits : {ApiLimits{.max_inflight = 1}, ApiLimits{.qps = 0.001, .burst = 1}}) {
    RequestGate gate(limits);
    const auto first = gate.enter(false, {}, waited);
    std::stop_source stop;
    std::jthread stopping([&] {
      std::this_thread::sleep_for(20ms);
      stop.request_stop();
    });
    CHECK_FALSE(gate.enter(false, stop.get_token(), waited));
  }
}

TEST_CASE("watches do not wait for the rate; a burst without a rate has client-go's") {
  RequestGate gate({.burst = 1});
  base::Duration waited{};
  CHECK(gate.enter(false, {}, waited));
  for (int i = 0; i < 10; ++i) {
    CHECK(gate.enter(true, {}, waited));
    CHECK(waited == 0s);
  }
  CHECK(gate.enter(false, {}, waited));
  CHECK(waited > 0s);
}
