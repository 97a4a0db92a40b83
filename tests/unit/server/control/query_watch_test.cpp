#include "server/control/query_watch.hpp"

#include <doctest/doctest.h>

#include <set>
#include <thread>

#include "server/control/debug_pages.hpp"

using namespace fairlead;
using namespace fairlead::server;
using namespace std::chrono_literals;

namespace {

const base::TimePoint start = std::chrono::steady_clock::now();

base::IpAddress client(int number) { return *base::IpAddress::parse("10.244.0." + std::to_string(number)); }

/// Gives a worker's watch queries as the query path does.
class Worker {
 public:
  explicit Worker(QueryWatch& watch) : watch_(watch) {}

  int seen = 0;

  void answer(SeenQuery query, int times = 1) {
    for (int i = 0; i < times; ++i) {
      if (!watch_.wants(query.duration)) continue;
      ++seen;
      watch_.see(query);
    }
  }

 private:
  QueryWatch& watch_;
};

const dns::DomainName web = *dns::DomainName::parse("web.shop.svc.cluster.local.");
const dns::DomainName other = *dns::DomainName::parse("other.example.");

SeenQuery query_of(const base::IpAddress& from, const dns::DomainName& name, dns::Rcode rcode = dns::Rcode::noerror) {
  return {.client = from,
          .qname = name.view(),
          .qtype = dns::RRType::a,
          .rcode = rcode,
          .error = {},
          .received = start,
          .duration = 5us};
}

std::uint64_t queries_of(const std::vector<Talker>& talkers, const std::string& key) {
  for (const auto& talker : talkers) {
    if (talker.key == key) return talker.counts.queries;
  }
  return 0;
}

std::vector<SlowQuery> slow_of(QueryWatch& watch) {
  std::vector<SlowQuery> queries;
  watch.read(start, [&](const auto&, const auto&, const SlowQueries& slow) {
    slow.for_each([&](const SlowQuery& query) { queries.push_back(query); });
  });
  return queries;
}

}  // namespace

TEST_CASE("the first queries are all counted, by client and by name, with what became of them") {
  QueryWatches watches(2);
  Worker worker(*watches.of_worker(0));
  worker.answer(query_of(client(1), web), 7);
  worker.answer(query_of(client(1), other, dns::Rcode::nxdomain), 5);
  worker.answer(query_of(client(2), other, dns::Rcode::servfail), 3);
  auto dropped = query_of(client(2), other);
  dropped.rcode = std::nullopt;
  worker.answer(dropped, 2);
  SeenQuery no_query = query_of(client(2), web, dns::Rcode::formerr);
  no_query.qname = std::nullopt;
  worker.answer(no_query);

  const TopTalkers top = watches.top(start + 30s);
  CHECK(top.queries == 18);
  CHECK(top.samples == 18);
  REQUIRE(top.clients.size() == 2);
  CHECK(top.clients[0].key == "10.244.0.1");
  CHECK(top.clients[0].counts.queries == 12);
  CHECK(top.clients[0].counts.nxdomain == 5);
  CHECK(top.clients[0].counts.failed == 0);
  CHECK(top.clients[1].counts.queries == 6);
  CHECK(top.clients[1].counts.failed == 6);
  REQUIRE(top.names.size() == 2);
  CHECK(top.names[0].key == "other.example.");
  CHECK(top.names[0].counts.queries == 10);
  CHECK(top.names[0].counts.failed == 5);
  CHECK(top.names[1].counts.queries == 7);
}

TEST_CASE("a busy server samples, and the sums are those of all queries") {
  QueryWatches watches(1);
  Worker worker(*watches.of_worker(0));
  constexpr int rounds = 40'000;
  for (int i = 0; i < rounds; ++i) {
    // In step, as clients that ask for A and AAAA.
    worker.answer(query_of(client(1), web));
    worker.answer(query_of(client(2), other, dns::Rcode::nxdomain));
  }
  const TopTalkers top = watches.top(start);
  CHECK(worker.seen < 2 * rounds / 50);
  CHECK(top.samples == static_cast<std::uint64_t>(worker.seen));
  CHECK(top.queries > 2 * rounds - 2 * query_sample_gap);
  CHECK(top.queries <= 2 * rounds);
  for (const auto* const talkers : {&top.clients, &top.names}) {
    REQUIRE(talkers->size() == 2);
    // 600 samples each: seven standard deviations.
    for (const auto& talker : *talkers) {
      CHECK(talker.counts.queries > rounds * 0.6);
      CHECK(talker.counts.queries < rounds * 1.4);
    }
  }
}

TEST_CASE("all workers are told together, and each has one watch") {
  QueryWatches watches(2);
  CHECK(watches.of_worker(1) == watches.of_worker(1));
  CHECK(watches.of_worker(0) != watches.of_worker(1));
  Worker first(*watches.of_worker(0)), second(*watches.of_worker(1));
  first.answer(query_of(client(1), web), 3);
  second.answer(query_of(client(1), other), 4);
  const TopTalkers top = watches.top(start);
  CHECK(queries_of(top.clients, "10.244.0.1") == 7);
  CHECK(top.names.size() == 2);
}

TEST_CASE("what was asked two windows ago is forgotten") {
  QueryWatches watches(1);
  Worker worker(*watches.of_worker(0));
  const auto ask_at = [&](const dns::DomainName& name, base::TimePoint when) {
    auto query = query_of(client(1), name);
    query.received = when;
    worker.answer(query, 4);
  };
  ask_at(web, start + 1s);
  ask_at(other, start + query_window + 1min);
  TopTalkers top = watches.top(start + query_window + 2min);
  CHECK(queries_of(top.names, "web.shop.svc.cluster.local.") == 4);
  CHECK(queries_of(top.names, "other.example.") == 4);
  CHECK(std::chrono::round<std::chrono::minutes>(top.covered) == 7min);
  top = watches.top(start + 2 * query_window + 2min);
  CHECK(queries_of(top.names, "web.shop.svc.cluster.local.") == 0);
  CHECK(queries_of(top.names, "other.example.") == 4);
  top = watches.top(start + 5 * query_window);
  CHECK(top.names.empty());
  CHECK(top.queries == 0);
}

TEST_CASE("memory is bounded for any number of workers, and a flood of names and clients adds nothing") {
  for (const std::size_t workers : {1u, 2u, 16u, 64u, 256u}) {
    CAPTURE(workers);
    QueryWatches watches(workers);
    QueryWatch& watch = *watches.of_worker(0);
    Worker worker(watch);
    for (int i = 0; i < 20'000; ++i) {
      const auto name = *dns::DomainName::parse("n" + std::to_string(i) + ".example.");
      auto query = query_of(client(i % 250), name);
      query.duration = std::chrono::milliseconds(i);
      worker.answer(query);
    }
    std::size_t octets = sizeof(QueryWatch);
    watch.read(start, [&](const auto& current, const auto& before, const SlowQueries& slow) {
      for (const auto* const window : {&current, &before}) octets += window->clients.octets() + window->names.octets();
      octets += slow.octets();
    });
    CHECK(octets * workers <= query_watches_octets_max);
    CHECK(watches.top(start).clients.size() >= std::min<std::size_t>(top_talkers_max, talker_ways / 2));
  }
}

TEST_CASE("slow queries are remembered all, the last of each magnitude, with their stages") {
  QueryWatch watch(256 * 1024, start);
  Worker worker(watch);
  auto query = query_of(client(1), web, dns::Rcode::servfail);
  query.directive = plugin_label("forward");
  query.error = "upstream timed out";
  query.duration = 2s;
  const resolver::UpstreamAddress upstream{
      .address = *base::IpAddress::parse("192.0.2.53"), .port = 53, .tls_server_name = {}};
  {
    const UpstreamExchange exchange{.upstream = &upstream, .asked = start + 1ms, .replied = start + 1999ms};
    const QueryWatch::During during(&watch, exchange);
    worker.answer(query);
  }
  auto ordinary = query_of(client(2), other);
  for (int i = 0; i < 1000; ++i) {
    ordinary.duration = 20ms + std::chrono::microseconds(i);
    worker.answer(ordinary);
  }
  ordinary.duration = slow_query_min - 1ns;
  worker.answer(ordinary);

  const auto found = slow_of(watch);
  std::set<std::chrono::nanoseconds> totals;
  for (const auto& one : found) totals.insert(one.total);
  CHECK(totals.contains(20ms + 999us));
  CHECK_FALSE(totals.contains(20ms));
  CHECK_FALSE(totals.contains(ordinary.duration));
  REQUIRE(found.back().total == 2s);
  const SlowQuery& slow = found.back();
  CHECK(slow.until_asked == 1ms);
  CHECK(slow.until_replied == 1999ms);
  CHECK(slow.client == client(1));
  CHECK(slow.qname() == web.view());
  CHECK(slow.error() == "upstream timed out");
  CHECK(slow.upstream == upstream.address);
  CHECK(slow.directive == plugin_label("forward"));
  CHECK_FALSE(found.front().until_asked.has_value());
}

TEST_CASE("who comes while the question is under way has waited for it from the start") {
  QueryWatch watch(256 * 1024, start);
  Worker worker(watch);
  const UpstreamExchange exchange{.upstream = nullptr, .asked = start - 1s, .replied = start + 1s};
  const QueryWatch::During during(&watch, exchange);
  auto query = query_of(client(1), web);
  query.duration = 900ms;
  worker.answer(query);
  const auto found = slow_of(watch);
  REQUIRE(found.size() == 1);
  CHECK(found[0].until_asked == 0ms);
  CHECK(found[0].until_replied == 900ms);
}

TEST_CASE("readers and the worker do not disturb each other") {
  QueryWatches watches(1);
  QueryWatch& watch = *watches.of_worker(0);
  std::jthread reader([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      (void)watches.top();
      (void)watches.slow();
    }
  });
  Worker worker(watch);
  auto slow = query_of(client(2), other);
  slow.duration = 5ms;
  for (int i = 0; i < 20'000; ++i) {
    worker.answer(query_of(client(1), web));
    worker.answer(slow);
  }
  reader.request_stop();
  reader.join();
  // What could not be written while the reader looked is in the next sample.
  worker.answer(query_of(client(1), web), 2 * query_sample_gap);
  const auto top = watches.top();
  CHECK(top.queries > 40'000);
  CHECK(top.queries <= 40'000 + 2 * query_sample_gap);
}

TEST_CASE("the pages are JSON that stays as it is") {
  TopTalkers top{.covered = 95s, .queries = 30, .samples = 20, .clients = {}, .names = {}};
  CHECK(top_page(top) == "{\"covered_seconds\":95,\"queries\":30,\"samples\":20,\"clients\":[\n],\"names\":[\n]}\n");
  top.clients.push_back({"10.0.0.1", {.queries = 4, .nxdomain = 3, .failed = 1, .overcount = 2}});
  top.names.push_back({"a\\\"b.", {.queries = 1}});
  CHECK(top_page(top) ==
        "{\"covered_seconds\":95,\"queries\":30,\"samples\":20,\"clients\":[\n"
        "{\"client\":\"10.0.0.1\",\"queries\":4,\"nxdomain\":3,\"failed\":1,\"overcount\":2}\n],\"names\":[\n"
        "{\"name\":\"a\\\\\\\"b.\",\"queries\":1,\"nxdomain\":0,\"failed\":0,\"overcount\":0}\n]}\n");

  SlowQuery query;
  query.received = std::chrono::system_clock::time_point(1'700'000'000'042ms);
  query.total = 1234567us;
  query.client = client(9);
  query.qtype = dns::RRType::aaaa;
  query.rcode = dns::Rcode::servfail;
  query.directive = plugin_label("forward");
  query.set_qname(web);
  CHECK(slow_page({query}) ==
        "{\"queries\":[\n{\"received\":\"2023-11-14T22:13:20.042Z\",\"client\":\"10.244.0.9\","
        "\"name\":\"web.shop.svc.cluster.local.\",\"type\":\"AAAA\",\"proto\":\"udp\",\"rcode\":\"SERVFAIL\","
        "\"directive\":\"forward\",\"answered_us\":1234567}\n]}\n");
  query.until_asked = 12us;
  query.until_replied = 1234000us;
  query.upstream = *base::IpAddress::parse("2001:db8::53");
  query.upstream_port = 853;
  query.is_tls = true;
  query.rcode = std::nullopt;
  query.set_error("broken\n\xff" + std::string(300, 'x'));
  const std::string page = slow_page({query});
  CHECK(page.contains("\"rcode\":\"no reply\""));
  CHECK(page.contains(
      "\"asked_upstream_us\":12,\"upstream_replied_us\":1234000,\"upstream\":\"tls://[2001:db8::53]:853\","
      "\"error\":\"broken\\n\\\\xffxxx"));
}
