// The cache in a chain: what is asked behind it, who waits for that, and what clients are told.
#include <doctest/doctest.h>

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "server/handlers/cache_handler.hpp"
#include "server/query/answer.hpp"
#include "server/query/limits.hpp"
#include "server/query/pending_query.hpp"
#include "unit/resolver/test_messages.hpp"
#include "unit/server/query/cluster_fixture.hpp"

namespace fairlead::test {
namespace {

using dns::RRType;
using resolver::test::Octets;
using resolver::test::ReplyBuilder;
using server::Step;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// Stands where `forward` does; the test says what comes from upstream, and when.
class UpstreamHandler final : public server::Handler {
 public:
  Step handle(server::QueryContext& context) override {
    asked.push_back(context.qname.view().to_string());
    flags.push_back(context.query.header.flags);
    auto pending = is_full ? nullptr : server::PendingQuery::suspend(context);
    if (pending == nullptr) {
      context.writer.set_rcode(dns::Rcode::servfail);
      return Step::answered;
    }
    waiting.push_back(std::move(pending));
    return Step::suspended;
  }
  /// As ForwardHandler with a reply; with none as after its deadline.
  void answer_one(std::function<void(ReplyBuilder&)> fill) {
    auto pending = std::move(waiting.front());
    waiting.pop_front();
    server::QueryContext& context = pending->context();
    context.upstream = &address;
    if (!fill) {
      context.writer.set_rcode(dns::Rcode::servfail);
    } else {
      ReplyBuilder builder(context.query.qname.to_string(), context.query.qtype);
      fill(builder);
      const Octets octets = builder.octets();
      const resolver::ForwardReply reply{.reply = *resolver::Reply::parse(octets)};
      context.upstream_reply = &reply;
      context.run_observers();
      resolver::copy_reply(reply.reply, true, context.shown_ttl, context.writer);
      context.upstream_reply = nullptr;
    }
    pending->reply(server::no_plugin);
  }
  server::PluginLabel plugin() const override { return server::no_plugin; }

  std::vector<std::string> asked;
  std::vector<std::uint16_t> flags;
  std::deque<std::unique_ptr<server::PendingQuery>> waiting;
  bool is_full = false;
  const resolver::UpstreamAddress address;
};

std::function<void(ReplyBuilder&)> address(std::uint8_t last, std::uint32_t ttl = 100) {
  return [=](ReplyBuilder& builder) { builder.a(ttl, {192, 0, 2, last}); };
}
std::function<void(ReplyBuilder&)> rcode(dns::Rcode rcode) {
  return [=](ReplyBuilder& builder) {
    builder.rcode(rcode);
    if (rcode == dns::Rcode::nxdomain) builder.soa("example.", 60, 60);
  };
}

class CacheFixture {
 public:
  explicit CacheFixture(const server::CacheOptions& options) {
    auto chain = std::make_unique<server::Chain>();
    cache = std::make_shared<resolver::Cache>(server::make_cache_config(options));
    chain->handlers.push_back(std::make_unique<server::CacheHandler>(options, cache, clock, io, false));
    auto handler = std::make_unique<UpstreamHandler>();
    upstream = handler.get();
    chain->handlers.push_back(std::move(handler));
    plan->routers.resize(1);
    plan->routers[0].add({.zone = dns::DomainName(), .chain = chain.get(), .slots = &slots});
    plan->chains.push_back(std::move(chain));
  }
  ~CacheFixture() {
    upstream->waiting.clear();  // they hold the plan, as a forwarder's do
  }

  /// The reply as text; "suspended" while there is none, which `later` will have.
  Lines ask(std::string_view qname = "www.example.", QueryPacketOptions options = {}) {
    TestOrigin origin(server::Transport::tcp);
    std::vector<std::uint8_t> buffer(dns::message_octets_max);
    const auto packet = query_packet(qname, RRType::a, options);
    const base::ReadSection section;
    const auto answered = server::answer(packet, origin, plan, 0, buffer);
    if (answered.outcome == server::Outcome::suspended) {
      later.push_back(origin.later);
      return {"suspended"};
    }
    last.assign(answered.message.begin(), answered.message.end());
    return message_lines(last);
  }
  Lines reply(std::size_t client) { return later.at(client)->empty() ? Lines{} : message_lines(*later.at(client)); }
  /// Asked once and answered, so that it is in the cache.
  void fill(std::uint32_t ttl = 100) {
    REQUIRE(ask() == Lines{"suspended"});
    upstream->answer_one(address(1, ttl));
    later.clear();
    upstream->asked.clear();
    upstream->flags.clear();
  }
  void run_timers() {
    io.restart();
    io.run_for(milliseconds(200));
  }
  int error_code(const std::vector<std::uint8_t>& message) {
    const auto error = resolver::Reply::parse(message)->extended_error();
    return error ? static_cast<int>(error->code) : -1;
  }

  const base::ReaderThread reader;
  base::ManualClock clock;
  asio::io_context io;
  server::ZoneSlots slots;
  std::shared_ptr<resolver::Cache> cache;
  std::shared_ptr<server::WorkerPlan> plan = std::make_shared<server::WorkerPlan>();
  UpstreamHandler* upstream = nullptr;
  std::vector<std::shared_ptr<std::vector<std::uint8_t>>> later;
  std::vector<std::uint8_t> last;
};

const Lines answer_1 = {"NOERROR aa ra", "answer: www.example. 10 A 192.0.2.1"};

server::CacheOptions prefetching() {
  server::CacheOptions options;
  options.prefetch = server::CacheOptions::Prefetch{.amount = 2, .duration = seconds(60), .percentage = 10};
  return options;
}

server::CacheOptions stale(bool verify, milliseconds timeout = milliseconds(20)) {
  server::CacheOptions options;
  options.serve_stale = server::CacheOptions::ServeStale{.verify = verify, .verify_timeout = timeout};
  return options;
}

TEST_CASE("prefetch asks anew for a popular name near its end, once, and nobody waits for it") {
  CacheFixture f(prefetching());
  f.fill();
  f.clock.advance(seconds(90));
  CHECK(f.ask() == answer_1);
  CHECK(f.upstream->asked.empty());
  CHECK(f.ask("WWW.example.")[0] == "NOERROR aa ra");
  CHECK(f.ask() == answer_1);
  CHECK(f.upstream->asked == std::vector<std::string>{"www.example."});
  f.upstream->answer_one(address(2));
  CHECK(f.ask() == Lines{"NOERROR aa ra", "answer: www.example. 100 A 192.0.2.2"});
  CHECK(f.cache->counters().prefetches.value() == 1);
  CHECK(f.plan->pending_queries == 0);
}

TEST_CASE("what is asked anew does not depend on the client: RD and AD are set, CD and DO are the key's") {
  CacheFixture f(prefetching());
  f.fill();
  f.clock.advance(seconds(90));
  f.ask();
  f.ask("www.example.", {.flags = 0});
  CHECK(f.upstream->flags == std::vector<std::uint16_t>{dns::Header::rd | dns::Header::ad});
}

TEST_CASE("a prefetch that fails leaves the answer until its end") {
  CacheFixture f(prefetching());
  f.fill();
  f.clock.advance(seconds(90));
  f.ask();
  f.ask();
  f.upstream->answer_one(nullptr);
  CHECK(f.ask() == answer_1);
  CHECK(f.upstream->asked.size() == 1);
  f.clock.advance(seconds(9));
  CHECK(f.ask() == Lines{"NOERROR aa ra", "answer: www.example. 1 A 192.0.2.1"});
}

TEST_CASE("a prefetch that nobody takes is a failed one, and the number at a time is bounded") {
  CacheFixture f(prefetching());
  f.fill();
  f.clock.advance(seconds(90));
  f.upstream->is_full = true;
  f.ask();
  CHECK(f.ask() == answer_1);
  CHECK(f.ask() == answer_1);
  CHECK(f.upstream->asked.size() == 1);
  f.upstream->is_full = false;
  const auto name = [](std::size_t i) { return "n" + std::to_string(i) + ".example."; };
  for (std::size_t i = 0; i < server::refreshes_max + 10; ++i) {
    f.ask(name(i));
    f.upstream->answer_one(address(1));
  }
  f.clock.advance(seconds(95));
  for (std::size_t i = 0; i < server::refreshes_max + 10; ++i) {
    f.ask(name(i));
    CHECK(f.ask(name(i))[0] == "NOERROR aa ra");
  }
  CHECK(f.upstream->waiting.size() == server::refreshes_max);
}

TEST_CASE("serve_stale answers at once with TTL 0 and EDE 3, and asks anew behind the client's back") {
  CacheFixture f(stale(false));
  f.fill();
  f.clock.advance(seconds(142));
  CHECK(f.ask("www.example.", {.edns_octets = 1232}) == Lines{"NOERROR aa ra", "answer: www.example. 0 A 192.0.2.1"});
  CHECK(f.error_code(f.last) == 3);
  f.ask();
  CHECK(f.upstream->asked.size() == 1);
  f.upstream->answer_one(address(2));
  CHECK(f.ask() == Lines{"NOERROR aa ra", "answer: www.example. 100 A 192.0.2.2"});
  CHECK(f.cache->counters().served_stale.value() == 2);
}

TEST_CASE("verify: the client gets the new answer, all who wait the same, from one query") {
  CacheFixture f(stale(true));
  f.fill();
  f.clock.advance(seconds(142));
  for (int i = 0; i < 3; ++i) CHECK(f.ask() == Lines{"suspended"});
  CHECK(f.upstream->asked.size() == 1);
  CHECK(f.plan->pending_queries == 4);
  f.upstream->answer_one(address(2));
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(f.reply(i) == Lines{"NOERROR ra", "answer: www.example. 100 A 192.0.2.2"});
  }
  CHECK(f.plan->pending_queries == 0);
  CHECK(f.ask() == Lines{"NOERROR aa ra", "answer: www.example. 100 A 192.0.2.2"});
  f.run_timers();
  CHECK(f.cache->counters().served_stale.value() == 0);
}

TEST_CASE("verify: NXDOMAIN is news, failures are not") {
  struct Row {
    std::function<void(ReplyBuilder&)> reply;
    Lines told;
    int reason;
  };
  const Lines old = {"NOERROR aa ra", "answer: www.example. 0 A 192.0.2.1"};
  const std::vector<Row> rows = {
      {rcode(dns::Rcode::nxdomain), {"NXDOMAIN ra", "authority: example. 60 SOA . . SERIAL 0 0 0 60"}, -1},
      {rcode(dns::Rcode::servfail), old, 3},
      {rcode(dns::Rcode::refused), old, 3},
      {nullptr, old, 3},
  };
  for (const Row& row : rows) {
    CacheFixture f(stale(true));
    f.fill();
    f.clock.advance(seconds(142));
    CHECK(f.ask("www.example.", {.edns_octets = 1232}) == Lines{"suspended"});
    f.upstream->answer_one(row.reply);
    CHECK(f.reply(0) == row.told);
    CHECK(f.error_code(*f.later[0]) == row.reason);
  }
}

TEST_CASE("verify: whoever waits is answered at the client timer, and those who come then at once") {
  CacheFixture f(stale(true));
  f.fill();
  f.clock.advance(seconds(142));
  CHECK(f.ask("www.example.", {.edns_octets = 1232}) == Lines{"suspended"});
  CHECK(f.ask() == Lines{"suspended"});
  CHECK(f.reply(0).empty());
  f.run_timers();
  CHECK(f.reply(0) == Lines{"NOERROR aa ra", "answer: www.example. 0 A 192.0.2.1"});
  CHECK(f.error_code(*f.later[0]) == 3);
  CHECK(f.reply(1)[0] == "NOERROR aa ra");
  CHECK(f.ask()[0] == "NOERROR aa ra");
  CHECK(f.upstream->asked.size() == 1);
  // The upstream's late reply is taken all the same.
  f.upstream->answer_one(address(2));
  CHECK(f.ask() == Lines{"NOERROR aa ra", "answer: www.example. 100 A 192.0.2.2"});
  CHECK(f.plan->pending_queries == 0);
}

TEST_CASE("an outage: upstreams are asked once in a while, and no client waits again") {
  CacheFixture f(stale(true));
  f.fill();
  f.clock.advance(seconds(142));
  CHECK(f.ask() == Lines{"suspended"});
  f.upstream->answer_one(nullptr);
  for (int second = 0; second < 60; ++second) {
    for (int i = 0; i < 10; ++i) CHECK(f.ask()[0] == "NOERROR aa ra");
    while (!f.upstream->waiting.empty()) f.upstream->answer_one(nullptr);
    f.clock.advance(seconds(1));
  }
  CHECK(f.upstream->asked.size() == 12);  // once in 5 s
  f.clock.advance(seconds(5));
  CHECK(f.ask()[0] == "NOERROR aa ra");
  f.upstream->answer_one(address(2));
  CHECK(f.ask() == Lines{"NOERROR aa ra", "answer: www.example. 100 A 192.0.2.2"});
}

TEST_CASE("no query is left behind when the chain is taken apart") {
  CacheFixture f(stale(true));
  f.fill();
  f.clock.advance(seconds(142));
  CHECK(f.ask() == Lines{"suspended"});
  auto waiting = std::move(f.upstream->waiting);
  f.plan->chains.clear();
  f.upstream = nullptr;
  waiting.clear();
  CHECK(f.plan->pending_queries == 0);
  f.run_timers();
  CHECK(f.reply(0).empty());
  // For the fixture's end.
  auto chain = std::make_unique<server::Chain>();
  auto last = std::make_unique<UpstreamHandler>();
  f.upstream = last.get();
  chain->handlers.push_back(std::move(last));
  f.plan->chains.push_back(std::move(chain));
}

TEST_CASE("a reply to a question without RD is not kept: it may be a referral") {
  CacheFixture f(server::CacheOptions{});
  f.ask("www.example.", {.flags = 0});
  f.upstream->answer_one(address(1));
  CHECK(f.ask() == Lines{"suspended"});
  f.upstream->answer_one(address(2));
  CHECK(f.ask("www.example.", {.flags = 0})[1] == "answer: www.example. 100 A 192.0.2.2");
}

TEST_CASE("a failure is remembered, and one of our own making is not") {
  CacheFixture f(server::CacheOptions{});
  f.upstream->is_full = true;
  CHECK(f.ask() == Lines{"SERVFAIL"});
  f.upstream->is_full = false;
  CHECK(f.ask() == Lines{"suspended"});
  f.upstream->answer_one(nullptr);
  CHECK(f.ask("www.example.", {.edns_octets = 1232}) == Lines{"SERVFAIL aa ra"});
  CHECK(f.error_code(f.last) == 13);
  f.clock.advance(seconds(5));
  CHECK(f.ask() == Lines{"suspended"});
}

}  // namespace
}  // namespace fairlead::test
