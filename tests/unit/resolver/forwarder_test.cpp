#include "resolver/forwarder.hpp"

#include <doctest/doctest.h>

#include "unit/resolver/fake_upstream.hpp"

namespace fairlead::resolver {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::FakeUpstream;
using test::Octets;
using test::run_for;
using test::run_until;

void answer(const FakeUpstream::Received& query) { query.reply(test::answer_to(query.query)); }

struct Outcome {
  int calls = 0;
  Octets message;
  std::size_t upstream = 99;
  Transport transport = Transport::udp;
  bool first = false;
  milliseconds elapsed{};
  std::optional<ForwardFault> fault;
  dns::Header header() const { return dns::read_header(message); }
};
using OutcomePtr = std::shared_ptr<Outcome>;

struct Ask {
  std::string qname = "www.example.";
  dns::RRType qtype = dns::RRType::a;
  bool dnssec_ok = false;
  bool checking_disabled = false;
  Transport transport = Transport::udp;
};

// Short times: a read timeout of 100 ms, probes every 20 ms.
struct Fixture {
  explicit Fixture(std::size_t servers = 1, FakeUpstream::Script script = answer) {
    for (std::size_t i = 0; i < servers; ++i) upstreams.push_back(std::make_unique<FakeUpstream>(io, script));
    config.policy = Policy::sequential;
    config.read_timeout = milliseconds(100);
    config.deadline = milliseconds(800);
    config.health_check_interval = milliseconds(20);
    config.hedge = false;
  }
  void make() {
    config.upstreams.clear();
    for (const auto& upstream : upstreams) config.upstreams.push_back(upstream->address());
    forwarder = std::make_unique<Forwarder>(io, config);
  }
  OutcomePtr start(const Ask& asked = {}) {
    if (!forwarder) make();
    auto outcome = std::make_shared<Outcome>();
    const dns::DomainName qname = test::name(asked.qname);
    const auto begun = std::chrono::steady_clock::now();
    const auto ticket = forwarder->ask(
        {.qname = qname,
         .qtype = asked.qtype,
         .checking_disabled = asked.checking_disabled,
         .dnssec_ok = asked.dnssec_ok,
         .client_transport = asked.transport},
        [outcome, begun](const ForwardResult& result) {
          ++outcome->calls;
          outcome->elapsed = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begun);
          if (!result) {
            outcome->fault = result.error().fault;
            return;
          }
          const auto message = result->reply.message();
          outcome->message.assign(message.begin(), message.end());
          outcome->upstream = result->upstream;
          outcome->transport = result->transport;
          outcome->first = result->first;
        });
    CHECK(outcome->calls == 0);
    if (ticket) {
      last_ticket = *ticket;
    } else {
      ++outcome->calls;
      outcome->fault = ticket.error().fault;
    }
    return outcome;
  }
  OutcomePtr ask(const Ask& asked = {}) {
    auto outcome = start(asked);
    CHECK(run_until(io, [&] { return outcome->calls > 0; }));
    return outcome;
  }

  asio::io_context io;
  std::vector<std::unique_ptr<FakeUpstream>> upstreams;
  ForwarderConfig config;
  ForwardTicket last_ticket;
  std::unique_ptr<Forwarder> forwarder;
};

TEST_CASE("a question is forwarded and its answer comes back whole") {
  Fixture f;
  const auto outcome = f.ask();
  CHECK(outcome->header().answer_count == 1);
  CHECK(outcome->upstream == 0);
  CHECK(outcome->first);
  CHECK(f.forwarder->waiting() == 0);
  CHECK(f.forwarder->counters().requests.value() == 1);
  const auto& histogram = f.forwarder->upstreams()[0]->counters().request_duration[0];
  std::uint64_t observed = 0;
  for (const auto& bucket : histogram.buckets) observed += bucket.value();
  CHECK(observed == 1);
  CHECK(histogram.sum_nanoseconds.value() > 0);
}

TEST_CASE("RD, CD and DO travel to the upstream; the client's transport too") {
  Fixture f;
  f.ask({.dnssec_ok = true, .checking_disabled = true, .transport = Transport::tcp});
  REQUIRE(f.upstreams[0]->received.size() == 1);
  const auto& received = f.upstreams[0]->received[0];
  CHECK(received.transport == Transport::tcp);
  const auto query = dns::read_query(received.query);
  REQUIRE(query);
  CHECK(query->header.has(dns::Header::cd));
  CHECK(query->header.has(dns::Header::rd));
  CHECK_FALSE(query->header.has(dns::Header::ad));
  CHECK(query->edns->dnssec_ok);
}

TEST_CASE("force_tcp wins over prefer_udp, prefer_udp over the client's transport") {
  Fixture f;
  f.config.prefer_udp = true;
  f.ask({.transport = Transport::tcp});
  CHECK(f.upstreams[0]->received.back().transport == Transport::udp);
  f.config.force_tcp = true;
  f.make();
  f.ask();
  CHECK(f.upstreams[0]->received.back().transport == Transport::tcp);
}

TEST_CASE("a truncated answer is asked again over TCP; without TCP it is handed on") {
  const auto truncated = [](const FakeUpstream::Received& query) {
    if (query.transport == Transport::tcp) return query.reply(test::answer_to(query.query, 100));
    query.reply(test::reply_to(query.query, [](dns::MessageWriter& writer) { writer.set_flag(dns::Header::tc); }));
  };
  Fixture f(1, truncated);
  const auto whole = f.ask();
  CHECK(whole->header().answer_count == 100);
  CHECK(whole->transport == Transport::tcp);
  SUBCASE("TCP refused") {
    f.upstreams[0] = std::make_unique<FakeUpstream>(f.io, truncated, false);
    f.make();
  }
  SUBCASE("TCP silent") {
    f.upstreams[0]->script = [&](const FakeUpstream::Received& query) {
      if (query.transport == Transport::udp) truncated(query);
    };
  }
  const auto cut = f.ask();
  CHECK_FALSE(cut->fault);
  CHECK(cut->header().has(dns::Header::tc));
}

TEST_CASE("a silent upstream is left for the next, and the next answers") {
  Fixture f(2);
  f.upstreams[0]->script = nullptr;
  const auto outcome = f.ask();
  CHECK(outcome->upstream == 1);
  CHECK(outcome->elapsed >= milliseconds(100));
}

TEST_CASE("with hedging a silent upstream costs less than 100 ms, and soon nothing") {
  Fixture f(2);
  f.upstreams[0]->script = nullptr;
  f.config.hedge = true;
  f.config.read_timeout = seconds(2);
  f.config.deadline = seconds(5);
  const auto first = f.ask();
  CHECK(first->upstream == 1);
  CHECK(first->elapsed < f.config.read_timeout);  // it did not wait for the silence to be certain
  for (int i = 0; i < 4; ++i) f.ask();
  const auto hedges = f.forwarder->counters().hedges.value();
  CHECK(hedges <= 5);
  CHECK(f.ask()->upstream == 1);
  CHECK(f.forwarder->counters().hedges.value() == hedges);  // suspect: asked last, so nobody joins
  f.upstreams[0]->script = answer;                          // the next probe finds it well
  run_for(f.io, milliseconds(1200));
  CHECK(f.ask()->upstream == 0);
}

TEST_CASE("an upstream that is alive but slow with some questions is not probed nor suspected") {
  Fixture f(2, [](const FakeUpstream::Received& query) {
    if (query.query[12] != 4) answer(query);  // "slow" has no answer
  });
  f.config.hedge = true;
  f.config.read_timeout = seconds(2);
  f.config.deadline = seconds(5);
  f.ask({.qname = "www.example."});
  const auto slow = f.start({.qname = "slow.example."});
  for (int i = 0; i < 8; ++i) {
    CHECK(f.ask({.qname = "n" + std::to_string(i) + ".example."})->upstream == 0);
    run_for(f.io, milliseconds(10));
  }
  for (const auto& query : f.upstreams[0]->received) CHECK(query.query[12] != 0);  // no `. NS`
}

TEST_CASE("when every upstream is silent the question ends at its deadline") {
  Fixture f(2, nullptr);
  const auto outcome = f.ask();
  CHECK(outcome->fault == ForwardFault::timed_out);
  CHECK(f.upstreams[0]->received.size() >= 2);  // and was tried in two passes
}

TEST_CASE("max_connect_attempts ends a question after so many failures") {
  Fixture f(2, nullptr);
  f.config.max_connect_attempts = 1;
  const auto outcome = f.ask();
  CHECK(outcome->fault == ForwardFault::timed_out);
  CHECK(f.upstreams[0]->received.size() + f.upstreams[1]->received.size() == 1);
}

TEST_CASE("closed ports fail at once and are not asked in a circle") {
  Fixture f(2);
  f.make();
  f.upstreams.clear();
  f.config.max_connect_attempts = 0;
  f.forwarder = std::make_unique<Forwarder>(f.io, f.config);
  const auto outcome = f.ask();
  CHECK(outcome->fault == ForwardFault::unreachable);
}

TEST_CASE("SERVFAIL is an answer, unless failover names it") {
  Fixture f(2);
  f.upstreams[0]->script = [](const FakeUpstream::Received& query) {
    query.reply(test::rcode_to(query.query, dns::Rcode::servfail));
  };
  const auto passed = f.ask();
  CHECK(passed->header().rcode() == dns::Rcode::servfail);
  CHECK(f.upstreams[0]->received.size() == 1);
  f.config.failover_rcodes = {2};
  f.make();
  const auto other = f.ask();
  CHECK(other->header().rcode() == dns::Rcode::noerror);
  CHECK(other->upstream == 1);
  f.upstreams[1]->script = f.upstreams[0]->script;
  CHECK(f.ask()->header().rcode() == dns::Rcode::servfail);  // the last one's
}

TEST_CASE("failover asks each upstream once, and a hedge that is on its way counts") {
  Fixture f(3);
  const auto servfail = [](const FakeUpstream::Received& query) {
    query.reply(test::rcode_to(query.query, dns::Rcode::servfail));
  };
  f.config.hedge = true;
  f.config.failover_rcodes = {2};
  f.upstreams[0]->script = {};  // silent: the hedge goes to the second, whose SERVFAIL leads to the third
  f.upstreams[1]->script = servfail;
  const auto outcome = f.ask();
  CHECK(outcome->header().rcode() == dns::Rcode::noerror);
  CHECK(outcome->upstream == 2);
  CHECK(f.upstreams[1]->received.size() == 1);
}

TEST_CASE("max_connect_attempts counts hedges") {
  Fixture f(2);
  f.upstreams[0]->script = {};
  f.config.hedge = true;
  f.config.max_connect_attempts = 1;
  CHECK(f.ask()->fault == ForwardFault::timed_out);
  CHECK(f.upstreams[1]->received.empty());
}

TEST_CASE("without upstreams every question fails at once") {
  Fixture f(0);
  CHECK(f.ask()->fault == ForwardFault::no_healthy);
}

TEST_CASE("an upstream without EDNS is asked again without OPT, once, and the next query has it again") {
  Fixture f(1, [](const FakeUpstream::Received& query) {
    const auto parsed = dns::read_query(query.query);
    if (!parsed->edns) return answer(query);
    Octets reply = test::rcode_to(query.query, dns::Rcode::formerr);
    reply.resize(reply.size() - dns::opt_octets);
    reply[11] = 0;
    query.reply(reply);
  });
  for (int i = 0; i < 3; ++i) CHECK(f.ask()->header().answer_count == 1);
  CHECK(f.upstreams[0]->received.size() == 6);
  f.upstreams[0]->script = [](const FakeUpstream::Received& query) {
    query.reply(test::rcode_to(query.query, dns::Rcode::formerr));
  };
  CHECK(f.ask()->header().rcode() == dns::Rcode::formerr);
  CHECK(f.upstreams[0]->received.size() == 7);
}

TEST_CASE("a reply that does not parse is a failure of the upstream") {
  Fixture f(2);
  f.upstreams[0]->script = [](const FakeUpstream::Received& query) {
    Octets reply = test::answer_to(query.query);
    reply.resize(reply.size() - 20);
    query.reply(reply);
  };
  CHECK(f.ask()->upstream == 1);
  f.upstreams[1]->script = f.upstreams[0]->script;
  CHECK(f.ask()->fault == ForwardFault::bad_reply);
}

TEST_CASE("10,000 equal questions in flight are one upstream query") {
  Fixture f(1, [](const FakeUpstream::Received&) {});
  f.config.deadline = seconds(5);
  f.config.read_timeout = seconds(2);
  std::vector<OutcomePtr> outcomes;
  for (int i = 0; i < 10000; ++i) outcomes.push_back(f.start({.qname = i % 2 == 0 ? "www.example." : "WWW.example."}));
  CHECK(run_until(f.io, [&] { return f.upstreams[0]->received.size() == 1; }));
  answer(f.upstreams[0]->received[0]);
  CHECK(run_until(f.io, [&] { return f.forwarder->waiting() == 0; }));
  CHECK(f.upstreams[0]->received.size() == 1);
  int first = 0;
  for (const auto& outcome : outcomes) {
    REQUIRE(outcome->calls == 1);
    REQUIRE(outcome->header().answer_count == 1);
    first += outcome->first;
  }
  CHECK(first == 1);
  CHECK(f.forwarder->counters().joined.value() == 9999);
}

TEST_CASE("questions that differ in type, DO, CD or transport do not share a query") {
  Fixture f(1, [](const FakeUpstream::Received&) {});
  f.start();
  f.start({.qtype = dns::RRType::aaaa});
  f.start({.dnssec_ok = true});
  f.start({.checking_disabled = true});
  f.start({.transport = Transport::tcp});
  f.start();
  CHECK(run_until(f.io, [&] { return f.upstreams[0]->received.size() == 5; }));
  run_for(f.io, milliseconds(20));
  CHECK(f.upstreams[0]->received.size() == 5);
}

TEST_CASE("max_concurrent rejects at once, joined questions count, and forwarders may share the count") {
  Fixture f(1, [](const FakeUpstream::Received&) {});
  f.config.max_concurrent = 2;
  f.config.concurrent = std::make_shared<std::atomic<std::uint32_t>>(0);
  f.start();
  f.start();
  CHECK(f.start()->fault == ForwardFault::too_many_concurrent);
  Forwarder other(f.io, f.config);
  const dns::DomainName qname = test::name("www.example.");
  CHECK_FALSE(other.ask({.qname = qname, .qtype = dns::RRType::a}, [](const ForwardResult&) {}));
  CHECK(f.forwarder->counters().max_concurrent_rejects.value() == 1);
  CHECK(run_until(f.io, [&] { return f.forwarder->waiting() == 0; }));
  CHECK(f.config.concurrent->load() == 0);
  f.upstreams[0]->script = answer;
  CHECK_FALSE(f.ask()->fault);
}

TEST_CASE("distinct questions in flight are bounded") {
  Fixture f(1, [](const FakeUpstream::Received&) {});
  f.config.deadline = milliseconds(300);
  int rejected = 0;
  for (std::size_t i = 0; i < questions_in_flight_max + 100; ++i) {
    rejected += f.start({.qname = "n" + std::to_string(i) + ".example."})->fault.has_value();
  }
  CHECK(rejected == 100);
  CHECK(f.forwarder->counters().limit_rejects.value() == 100);
  CHECK(run_until(f.io, [&] { return f.forwarder->waiting() == 0; }));
}

TEST_CASE("an upstream goes down after failed probes, is passed over, and comes back") {
  Fixture f(2);
  f.upstreams[0] = std::make_unique<FakeUpstream>(f.io, answer);
  const auto address = f.upstreams[0]->address();
  f.make();
  f.upstreams[0]->script = nullptr;
  CHECK(f.ask()->upstream == 1);
  CHECK_FALSE(f.forwarder->is_down(0));
  CHECK(run_until(f.io, [&] { return f.forwarder->is_down(0); }));
  CHECK(f.forwarder->upstreams()[0]->counters().healthcheck_failures.value() == 3);
  CHECK(f.forwarder->upstreams()[0]->counters().down.value() == 1);
  const auto& probe = f.upstreams[0]->received.back();
  const auto query = dns::read_query(probe.query);
  CHECK(query->qname.is_root());
  CHECK(query->qtype == dns::RRType::ns);
  CHECK(query->header.has(dns::Header::rd));
  CHECK(f.ask()->upstream == 1);
  f.upstreams[0]->script = [](const FakeUpstream::Received& received) {
    received.reply(test::rcode_to(received.query, dns::Rcode::refused));  // any reply is a sign of life
  };
  CHECK(run_until(f.io, [&] { return !f.forwarder->is_down(0); }));
  run_for(f.io, milliseconds(50));
  const std::size_t received = f.upstreams[0]->received.size();
  run_for(f.io, milliseconds(100));
  CHECK(f.upstreams[0]->received.size() == received);  // no probe while all is well
  CHECK(f.ask()->upstream == 0);
}

TEST_CASE("with all upstreams down one is tried at random, or none with failfast") {
  Fixture f(2, nullptr);
  f.ask();
  CHECK(run_until(f.io, [&] { return f.forwarder->is_down(0) && f.forwarder->is_down(1); }));
  for (const auto& upstream : f.upstreams) {
    upstream->script = [](const FakeUpstream::Received& query) {
      if (query.query[12] != 0) answer(query);  // probes go on failing
    };
  }
  CHECK_FALSE(f.ask()->fault);
  CHECK(f.forwarder->counters().healthcheck_broken.value() >= 1);
  f.config.failfast_all_unhealthy = true;
  for (const auto& upstream : f.upstreams) upstream->script = nullptr;
  f.make();
  f.ask();
  CHECK(run_until(f.io, [&] { return f.forwarder->is_down(0) && f.forwarder->is_down(1); }));
  CHECK(f.start()->fault == ForwardFault::no_healthy);
}

TEST_CASE("max_fails 0 never probes and never marks down") {
  Fixture f(1, nullptr);
  f.config.max_fails = 0;
  f.ask();
  run_for(f.io, milliseconds(100));
  for (const auto& query : f.upstreams[0]->received) CHECK(query.query[12] != 0);
  CHECK_FALSE(f.forwarder->is_down(0));
}

TEST_CASE("policies: round_robin takes turns, random reaches all, sequential the first") {
  Fixture f(3);
  const auto counts = [&] {
    std::vector<std::size_t> received;
    for (const auto& upstream : f.upstreams) received.push_back(upstream->received.size());
    return received;
  };
  SUBCASE("round_robin") {
    f.config.policy = Policy::round_robin;
    for (int i = 0; i < 9; ++i) f.ask();
    CHECK(counts() == std::vector<std::size_t>{3, 3, 3});
  }
  SUBCASE("random") {
    f.config.policy = Policy::random;
    for (int i = 0; i < 120; ++i) f.ask();
    for (const std::size_t count : counts()) CHECK(count > 15);
  }
  SUBCASE("sequential") {
    for (int i = 0; i < 9; ++i) f.ask();
    CHECK(counts() == std::vector<std::size_t>{9, 0, 0});
  }
}

TEST_CASE("a cancelled question is not called back; others that wait for it are") {
  Fixture f(1, [](const FakeUpstream::Received&) {});
  const auto kept = f.start();
  const auto cancelled = f.start();
  f.forwarder->cancel(f.last_ticket);
  f.forwarder->cancel(f.last_ticket);
  CHECK(f.forwarder->waiting() == 1);
  CHECK(run_until(f.io, [&] { return f.upstreams[0]->received.size() == 1; }));
  answer(f.upstreams[0]->received[0]);
  CHECK(run_until(f.io, [&] { return kept->calls == 1; }));
  const auto alone = f.start();
  f.forwarder->cancel(f.last_ticket);
  CHECK(f.forwarder->waiting() == 0);
  run_for(f.io, milliseconds(200));
  CHECK(cancelled->calls == 0);
  CHECK(alone->calls == 0);
  f.upstreams[0]->script = answer;
  CHECK_FALSE(f.ask()->fault);
}

TEST_CASE("destruction calls every waiter once with `cancelled`") {
  Fixture f(2, [](const FakeUpstream::Received&) {});
  f.config.hedge = true;
  std::vector<OutcomePtr> outcomes;
  for (int i = 0; i < 50; ++i) {
    outcomes.push_back(f.start({.qname = "n" + std::to_string(i / 2) + ".example.",
                                .transport = i % 4 == 0 ? Transport::tcp : Transport::udp}));
  }
  SUBCASE("at once") {}
  SUBCASE("with queries, hedges and probes on their way") { run_for(f.io, milliseconds(90)); }
  f.forwarder.reset();
  for (const auto& outcome : outcomes) {
    CHECK(outcome->calls == 1);
    CHECK(outcome->fault == ForwardFault::cancelled);
  }
  run_for(f.io, milliseconds(30));
  for (const auto& outcome : outcomes) CHECK(outcome->calls == 1);
}

TEST_CASE("a callback may destroy the forwarder, in its call or when it is let go of") {
  Fixture f;
  f.config.max_connect_attempts = 1;
  SUBCASE("with a reply") {}
  SUBCASE("without one") { f.upstreams[0]->script = {}; }
  SUBCASE("with a malformed one") {
    f.upstreams[0]->script = [](const FakeUpstream::Received& query) {
      Octets reply = test::answer_to(query.query);
      reply.pop_back();
      query.reply(reply);
    };
  }
  f.make();
  const auto other = f.start({.qname = "other.example."});
  int calls = 0;
  // What a query of an old plan is: the last owner of everything.
  std::shared_ptr<Forwarder> owned(f.forwarder.release());
  const dns::DomainName qname = test::name("www.example.");
  Forwarder& forwarder = *owned;
  bool in_call = false;
  SUBCASE("in its call") { in_call = true; }
  SUBCASE("afterwards") {}
  REQUIRE(forwarder.ask({.qname = qname, .qtype = dns::RRType::a},
                        [&calls, in_call, last = std::move(owned)](const ForwardResult&) mutable {
                          ++calls;
                          if (in_call) last.reset();
                        }));
  CHECK(run_until(f.io, [&] { return calls == 1 && other->calls == 1; }));
  run_for(f.io, milliseconds(30));
  CHECK(calls == 1);
  CHECK(other->calls == 1);
}

TEST_CASE("a callback may ask the same question again and cancel another") {
  Fixture f;
  f.make();
  const dns::DomainName qname = test::name("www.example.");
  const ForwardQuestion question{.qname = qname, .qtype = dns::RRType::a};
  int calls = 0;
  ForwardTicket second;
  int second_calls = 0;
  REQUIRE(f.forwarder->ask(question, [&](const ForwardResult&) {
    ++calls;
    f.forwarder->cancel(second);
    CHECK(f.forwarder->ask(question, [&](const ForwardResult& result) { calls += result.has_value(); }));
  }));
  second = f.forwarder->ask(question, [&](const ForwardResult&) { ++second_calls; }).value();
  CHECK(run_until(f.io, [&] { return calls == 2; }));
  CHECK(second_calls == 0);
  CHECK(f.forwarder->waiting() == 0);
}

TEST_CASE("5,000 questions with lost, late, refused and truncated replies all end, once each") {
  std::uint32_t state = 7;
  const auto random = [&state](std::uint32_t below) {
    state = state * 1664525 + 1013904223;
    return (state >> 8) % below;
  };
  Fixture f(3, [&](const FakeUpstream::Received& query) {
    switch (random(8)) {
      case 0: return;
      case 1: return query.reply(test::rcode_to(query.query, dns::Rcode::refused));
      case 2:
        return query.reply(
            test::reply_to(query.query, [](dns::MessageWriter& writer) { writer.set_flag(dns::Header::tc); }));
      case 3: return query.close();
      case 4: return query.reply({0, 1, 2, 3, 4});
      default: return answer(query);
    }
  });
  f.config.hedge = true;
  f.config.policy = Policy::random;
  std::vector<OutcomePtr> outcomes;
  for (int i = 0; i < 5000; ++i) {
    outcomes.push_back(f.start({.qname = "n" + std::to_string(random(1000)) + ".example.",
                                .transport = random(10) == 0 ? Transport::tcp : Transport::udp}));
    if (random(20) == 0) {
      f.forwarder->cancel(f.last_ticket);
      outcomes.pop_back();
    }
    if (i % 10 == 0) f.io.poll();
  }
  CHECK(run_until(f.io, [&] { return f.forwarder->waiting() == 0; }));
  for (const auto& outcome : outcomes) REQUIRE(outcome->calls == 1);
}

}  // namespace
}  // namespace fairlead::resolver
