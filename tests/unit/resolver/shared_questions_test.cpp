#include "resolver/shared_questions.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "unit/resolver/fake_upstream.hpp"

namespace fairlead::resolver {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::FakeUpstream;
using test::Octets;
using test::run_until;

struct Outcome {
  int calls = 0;
  Octets message;
  bool first = false;
  Transport transport = Transport::udp;
  std::optional<ForwardFault> fault;
};

// One worker: an event loop and a forwarder.
struct Worker {
  explicit Worker(const ForwarderConfig& config) : forwarder(std::make_unique<Forwarder>(io, config)) {}

  std::shared_ptr<Outcome> ask(std::string_view qname = "www.example.", ForwardQuestion asked = {}) {
    auto outcome = std::make_shared<Outcome>();
    const dns::DomainName owner = test::name(qname);
    asked.qname = owner;
    asked.qtype = dns::RRType::a;
    const auto started = forwarder->ask(asked, [outcome](const ForwardResult& result) {
      ++outcome->calls;
      if (!result) {
        outcome->fault = result.error().fault;
        return;
      }
      const auto message = result->reply.message();
      outcome->message.assign(message.begin(), message.end());
      outcome->first = result->first;
      outcome->transport = result->transport;
    });
    REQUIRE(started);
    ticket = *started;
    return outcome;
  }

  asio::io_context io;
  std::unique_ptr<Forwarder> forwarder;
  ForwardTicket ticket;
};

// Two workers of one `forward`; the upstream has a loop of its own. A busy machine may pause for a second.
struct Fixture {
  explicit Fixture(FakeUpstream::Script script = {}) : upstream(io, std::move(script)) {
    config.upstreams = {upstream.address()};
    config.read_timeout = milliseconds(1000);
    config.deadline = milliseconds(3000);
    config.max_fails = 0;  // no probes among the queries that are counted
    config.hedge = false;
    config.shared = std::make_shared<SharedQuestions>();
    one = std::make_unique<Worker>(config);
    two = std::make_unique<Worker>(config);
  }
  template <typename Done>
  bool run(Done&& done, bool runs_one = true, milliseconds limit = seconds(10)) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!done() && std::chrono::steady_clock::now() < end) {
      for (asio::io_context* const each : {&io, runs_one ? &one->io : &io, &two->io}) {
        each->restart();
        each->run_for(milliseconds(1));
      }
    }
    return done();
  }

  asio::io_context io;
  FakeUpstream upstream;
  ForwarderConfig config;
  std::unique_ptr<Worker> one, two;
};

void answer_last(const FakeUpstream& upstream) {
  upstream.received.back().reply(test::answer_to(upstream.received.back().query));
}

TEST_CASE("equal questions of two workers are one upstream query, and each worker's first client has the reply first") {
  Fixture f;
  const auto first = f.one->ask("www.example.");
  const auto second = f.two->ask("WWW.example.");
  const auto third = f.two->ask();
  REQUIRE(f.run([&] { return !f.upstream.received.empty(); }));
  CHECK_FALSE(f.run([&] { return f.upstream.received.size() > 1; }, true, milliseconds(50)));
  CHECK(f.config.shared->size() == 1);
  answer_last(f.upstream);
  REQUIRE(f.run([&] { return first->calls + second->calls + third->calls == 3; }));
  CHECK(second->message == first->message);
  CHECK(first->first);
  CHECK(second->first);
  CHECK_FALSE(third->first);
  CHECK(f.upstream.received.size() == 1);
  CHECK(f.two->forwarder->counters().joined_elsewhere.value() == 1);
  CHECK(f.config.shared->size() == 0);
}

TEST_CASE("questions that differ in a flag or an option are each asked") {
  Fixture f;
  f.one->ask();
  f.two->ask("www.example.", {.qname = {}, .checking_disabled = true});
  const Octets option{0, 10, 0, 1, 7};
  f.two->ask("www.example.", {.qname = {}, .edns_options = option});
  CHECK(f.config.shared->size() == 3);
  CHECK(f.run([&] { return f.upstream.received.size() == 3; }));
}

TEST_CASE("a truncated reply that TCP could not better reaches the other worker as it is") {
  Fixture f([](const FakeUpstream::Received& query) {
    if (query.transport == Transport::tcp) return query.close();
    query.reply(test::reply_to(query.query, [](dns::MessageWriter& writer) { writer.set_flag(dns::Header::tc); }));
  });
  const auto first = f.one->ask();
  const auto second = f.two->ask();
  REQUIRE(f.run([&] { return first->calls + second->calls == 2; }));
  CHECK(f.upstream.count(Transport::udp) == 1);
  REQUIRE(second->message.size() >= dns::header_octets);
  CHECK(dns::read_header(second->message).has(dns::Header::tc));
  CHECK(second->transport == Transport::udp);
}

TEST_CASE("when the worker that asks fails, the other asks once itself, and then both know") {
  Fixture f;
  f.config.max_connect_attempts = 1;
  f.one = std::make_unique<Worker>(f.config);
  f.two = std::make_unique<Worker>(f.config);
  const auto first = f.one->ask();
  const auto second = f.two->ask();
  REQUIRE(f.run([&] { return first->calls == 1; }));
  CHECK(first->fault == ForwardFault::timed_out);
  REQUIRE(f.run([&] { return f.upstream.received.size() == 2; }));
  CHECK(second->calls == 0);
  answer_last(f.upstream);
  REQUIRE(f.run([&] { return second->calls == 1; }));
  CHECK_FALSE(second->fault);
  CHECK(f.config.shared->size() == 0);
}

TEST_CASE("a follower believes two workers that failed, and asks no third time") {
  Fixture f;
  f.config.max_connect_attempts = 1;
  f.config.deadline = seconds(5);
  f.one = std::make_unique<Worker>(f.config);
  f.two = std::make_unique<Worker>(f.config);
  Worker three(f.config);
  const auto first = f.one->ask();
  const auto second = f.two->ask();
  const auto third = three.ask();
  REQUIRE(f.run([&] {
    three.io.restart();
    three.io.run_for(milliseconds(1));
    return first->calls + second->calls + third->calls == 3;
  }));
  CHECK(third->fault == ForwardFault::timed_out);
  CHECK(f.upstream.received.size() == 2);
}

TEST_CASE("a worker whose forwarder is destroyed hands the question on") {
  Fixture f;
  const auto first = f.one->ask();
  const auto second = f.two->ask();
  REQUIRE(f.run([&] { return !f.upstream.received.empty(); }));
  f.one->forwarder.reset();
  CHECK(first->fault == ForwardFault::cancelled);
  REQUIRE(f.run([&] { return f.upstream.received.size() == 2; }));
  answer_last(f.upstream);
  REQUIRE(f.run([&] { return second->calls == 1; }));
  CHECK_FALSE(second->fault);
}

TEST_CASE("a follower that is destroyed, or whose client has gone, is told nothing") {
  Fixture f;
  const auto first = f.one->ask();
  const auto second = f.two->ask();
  SUBCASE("destroyed") { f.two->forwarder.reset(); }
  SUBCASE("cancelled") { f.two->forwarder->cancel(f.two->ticket); }
  const int calls = second->calls;
  REQUIRE(f.run([&] { return !f.upstream.received.empty(); }));
  answer_last(f.upstream);
  REQUIRE(f.run([&] { return first->calls == 1; }));
  f.run([] { return false; }, true, milliseconds(20));
  CHECK(second->calls == calls);
  CHECK(f.config.shared->size() == 0);
}

TEST_CASE("a leader without clients goes on for those of the other worker") {
  Fixture f;
  const auto first = f.one->ask();
  const auto second = f.two->ask();
  f.one->forwarder->cancel(f.one->ticket);
  REQUIRE(f.run([&] { return !f.upstream.received.empty(); }));
  answer_last(f.upstream);
  REQUIRE(f.run([&] { return second->calls == 1; }));
  CHECK(first->calls == 0);
  CHECK_FALSE(second->fault);
  CHECK(f.upstream.received.size() == 1);
  // Without them it ends.
  const auto alone = f.one->ask();
  f.one->forwarder->cancel(f.one->ticket);
  CHECK(f.config.shared->size() == 0);
}

TEST_CASE("a worker that is stuck is replaced when its question should have ended") {
  Fixture f;
  const auto first = f.one->ask();  // whose loop stands still from now on
  f.run([] { return false; }, false, milliseconds(2000));
  const auto second = f.two->ask();
  REQUIRE(f.run([&] { return !f.upstream.received.empty(); }, false));
  const std::size_t before = f.upstream.received.size();
  REQUIRE(f.run([&] { return f.upstream.received.size() > before; }, false));
  answer_last(f.upstream);
  REQUIRE(f.run([&] { return second->calls == 1; }, false));
  CHECK_FALSE(second->fault);
  // What it finds when it wakes up is nobody's business but its own.
  REQUIRE(f.run([&] { return first->calls == 1; }));
  CHECK(f.config.shared->size() == 0);
}

TEST_CASE("questions beyond the limit are asked by their workers alone") {
  SharedQuestions shared;
  asio::io_context io;
  const auto member = std::make_shared<SharedMember>(io, [](std::uint32_t, std::uint32_t, const SharedOutcome&) {});
  const SharedQuestions::Asker asker{.member = member};
  std::size_t led = 0;
  for (std::size_t i = 0; i < 2 * shared_questions_max; ++i) {
    const QuestionKey key(test::name("n" + std::to_string(i) + ".example."), dns::RRType::a, dns::RRClass::in, 0);
    const auto place =
        shared.enter({.hash = hash_octets(key.octets(), shared.seed()), .key = key.octets(), .options = {}}, asker, {});
    led += place.role == SharedQuestions::Role::leads;
    CHECK(place.role != SharedQuestions::Role::follows);
  }
  CHECK(led == shared.size());
  CHECK(led <= shared_questions_max);
  CHECK(led > shared_questions_max * 9 / 10);
}

TEST_CASE("10,000 equal questions on four threads are one upstream query") {
  constexpr int workers = 4;
  constexpr int questions = 2500;
  asio::io_context io;
  FakeUpstream upstream(io);
  ForwarderConfig config;
  config.upstreams = {upstream.address()};
  config.max_fails = 0;
  config.read_timeout = seconds(4);
  config.hedge = false;
  config.shared = std::make_shared<SharedQuestions>();
  std::atomic<int> asked = 0;
  std::atomic<int> answered = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < workers; ++i) {
    threads.emplace_back([&] {
      asio::io_context own;
      Forwarder forwarder(own, config);
      const dns::DomainName qname = test::name("www.example.");
      int mine = 0;
      for (int n = 0; n < questions; ++n) {
        const auto ticket = forwarder.ask({.qname = qname, .qtype = dns::RRType::a}, [&](const ForwardResult& result) {
          ++mine;
          if (result && result->reply.count(dns::Section::answer) == 1) ++answered;
        });
        if (ticket) ++asked;
      }
      run_until(own, [&] { return mine == questions; }, seconds(10));
    });
  }
  CHECK(run_until(io, [&] { return asked == workers * questions && !upstream.received.empty(); }, seconds(10)));
  answer_last(upstream);
  threads.clear();
  CHECK(answered == workers * questions);
  CHECK(upstream.received.size() == 1);
  CHECK(config.shared->size() == 0);
}

TEST_CASE("workers that ask, cancel and go at the same time end every question") {
  constexpr int workers = 4;
  asio::io_context io;
  int number = 0;
  FakeUpstream upstream(io, [&](const FakeUpstream::Received& query) {
    if (++number % 3 != 0) query.reply(test::answer_to(query.query));
  });
  ForwarderConfig config;
  config.upstreams = {upstream.address()};
  config.max_fails = 0;
  config.read_timeout = milliseconds(30);
  config.deadline = milliseconds(150);
  config.shared = std::make_shared<SharedQuestions>();
  std::atomic<int> ended = 0;
  std::atomic<int> started = 0;
  std::atomic<int> running = workers;
  std::vector<std::jthread> threads;
  for (int i = 0; i < workers; ++i) {
    threads.emplace_back([&, i] {
      for (int life = 0; life < 8; ++life) {
        asio::io_context own;
        int mine = 0;
        int waiting = 0;
        {
          Forwarder forwarder(own, config);
          for (int n = 0; n < 60; ++n) {
            const auto ticket = forwarder.ask(
                {.qname = test::name("n" + std::to_string(n % 20) + ".example."), .qtype = dns::RRType::a},
                [&](const ForwardResult&) { ++mine; });
            if (!ticket) continue;
            ++waiting;
            if ((n + i) % 7 == 0) {
              forwarder.cancel(*ticket);
              --waiting;
            }
            if (n % 20 == 19) own.run_for(milliseconds(1));
          }
          // Every other one goes with questions on their way.
          if (life % 2 == 0) run_until(own, [&] { return mine == waiting; });
        }
        started += waiting;
        ended += mine;
      }
      --running;
    });
  }
  CHECK(run_until(io, [&] { return running == 0; }, seconds(60)));
  threads.clear();
  CHECK(ended == started);
  CHECK(config.shared->size() == 0);
}

}  // namespace
}  // namespace fairlead::resolver
