#include "server/control/source_metrics.hpp"

#include <doctest/doctest.h>

using namespace fairlead;
using namespace fairlead::server;
using namespace std::chrono_literals;

namespace {

bool has_line(const std::string& page, const std::string& line) {
  return ("\n" + page).find("\n" + line + "\n") != std::string::npos;
}

/// The text of a scrape with one collector.
template <typename Collect>
std::string scrape(Collect collect) {
  MetricsRegistry registry;
  const auto registered = registry.add_collector(collect);
  return registry.scrape();
}

void check_lines(const std::string& page, std::initializer_list<std::string> lines) {
  for (const std::string& line : lines) {
    CAPTURE(line);
    CHECK(has_line(page, line));
  }
}

class FakeCluster final : public k8s::Cluster {
 public:
  void start() override {}
  void stop() override {}
  const k8s::ClusterTable& table() const override { return table_; }
  k8s::ClusterCounters counters() const override {
    k8s::ClusterCounters counters;
    counters.lists = 3;
    counters.list_failures = 4;
    counters.watches = 5;
    counters.watch_failures = 6;
    counters.events = 7;
    counters.skipped_objects = 2;
    counters.names = 41;
    counters.api_reachable = true;
    counters.streamed_lists = 8;
    counters.silent_watches = 9;
    counters.protobuf_answers = 10;
    counters.odd = {{"services", "event", 4}};
    counters.api.host = "10.96.0.1:443";
    counters.api.requests["200"] = 7;
    counters.api.duration.observe(0.3, k8s::request_duration_bounds);
    counters.api.rate_limiter.observe(0, k8s::request_duration_bounds);
    counters.programming.cluster_ip.observe(0.003, k8s::programming_duration_bounds);
    counters.snapshot = snapshot_;
    return counters;
  }
  k8s::ClusterTable table_;
  std::optional<k8s::SnapshotCounters> snapshot_;
};

}  // namespace

TEST_CASE("the caches of all workers are shown as CoreDNS's one cache") {
  resolver::CacheCounters one, two;
  one.requests.add(10);
  two.requests.add(5);
  one.misses.add(6);
  two.prefetches.add(2);
  one.drops.add(3);
  two.served_stale.add(4);
  one.success.hits.add(4);
  one.success.octets.set(1000);
  two.success.octets.set(234);
  two.success.entries.set(7);
  two.denial.evictions.add(1);
  const CacheSource source{"dns://:53", ".", "", {&one, &two}};
  const std::string page = scrape([&](auto& families) { collect_cache(source, families); });
  const std::string of_all = R"({server="dns://:53",zones=".",view=""} )";
  const std::string of_success = R"({server="dns://:53",type="success",zones=".",view=""} )";
  check_lines(page, {"coredns_cache_requests_total" + of_all + "15", "coredns_cache_misses_total" + of_all + "6",
                     "coredns_cache_prefetch_total" + of_all + "2", "coredns_cache_drops_total" + of_all + "3",
                     "coredns_cache_served_stale_total" + of_all + "4", "coredns_cache_hits_total" + of_success + "4",
                     "coredns_cache_entries" + of_success + "7", "fairlead_cache_size_bytes" + of_success + "1234",
                     R"(coredns_cache_evictions_total{server="dns://:53",type="denial",zones=".",view=""} 1)"});
}

TEST_CASE("forwarders and upstreams are shown under CoreDNS's names, of several directives as one") {
  resolver::ForwardCounters forward;
  forward.requests.add(1);
  forward.max_concurrent_rejects.add(2);
  forward.joined.add(3);
  forward.limit_rejects.add(4);
  forward.healthcheck_broken.add(5);
  forward.hedges.add(6);
  forward.failed.add(7);
  resolver::UpstreamCounters one, two;
  one.request_duration[0].observe(300us);
  two.request_duration[0].observe(100us);
  two.request_duration[3].observe(10s);
  one.connection_cache_misses[1].add();
  two.connection_cache_hits[0].add(3);
  one.healthcheck_failures.add(4);
  one.timeouts.add(5);
  two.failures.add(6);
  one.truncated.add(7);
  two.ignored_replies.add(8);
  one.outstanding.set(9);
  one.down.set(1);
  two.down.set(1);
  const ForwardSource source{"forward", {&forward}, {{"10.0.0.10:53", false, {&one, &two}}}};
  MetricsRegistry registry;
  const auto first = registry.add_collector([&](auto& families) { collect_forward(source, families); });
  const auto second = registry.add_collector([&](auto& families) { collect_forward(source, families); });
  const std::string page = registry.scrape();
  check_lines(page, {"fairlead_forward_requests_total 2", "coredns_forward_max_concurrent_rejects_total 4",
                     "fairlead_forward_joined_total 6", "fairlead_forward_limit_rejects_total 8",
                     "coredns_forward_healthcheck_broken_total 10", "fairlead_forward_hedges_total 12",
                     "fairlead_forward_failed_total 14"});
  const std::string to = R"(proxy_name="forward",to="10.0.0.10:53")";
  const std::string duration = "coredns_proxy_request_duration_seconds";
  check_lines(
      page,
      {duration + "_bucket{" + to + R"(,rcode="NOERROR",le="0.00025"} 2)",
       duration + "_count{" + to + R"(,rcode="NOERROR"} 4)", duration + "_sum{" + to + R"(,rcode="NOERROR"} 0.0008)",
       duration + "_bucket{" + to + R"(,rcode="NXDOMAIN",le="8.192"} 0)",
       duration + "_count{" + to + R"(,rcode="NXDOMAIN"} 2)",
       "coredns_proxy_conn_cache_misses_total{" + to + R"(,proto="tcp"} 2)",
       "coredns_proxy_conn_cache_hits_total{" + to + R"(,proto="udp"} 6)",
       "coredns_proxy_healthcheck_failures_total{" + to + "} 8", "fairlead_upstream_timeouts_total{" + to + "} 10",
       "fairlead_upstream_failures_total{" + to + "} 12", "fairlead_upstream_truncated_total{" + to + "} 14",
       "fairlead_upstream_ignored_replies_total{" + to + "} 16"});
  CHECK(page.find(R"(rcode="SERVFAIL")") == std::string::npos);
  const std::string of_one = scrape([&](auto& families) { collect_forward(source, families); });
  check_lines(of_one, {"fairlead_upstream_down{" + to + "} 1", "fairlead_upstream_outstanding{" + to + "} 9"});
}

TEST_CASE("handshakes are counted for TLS upstreams alone, whose protocol is tcp-tls") {
  resolver::ForwardCounters forward;
  resolver::UpstreamCounters one, two;
  one.tls_handshakes.add(1);
  two.tls_handshakes.add(2);
  two.tls_resumptions.add(4);
  one.connection_cache_hits[1].add(5);
  const auto page = [&](bool is_tls) {
    const ForwardSource source{"forward", {&forward}, {{"10.0.0.10:853", is_tls, {&one, &two}}}};
    return scrape([&](auto& families) { collect_forward(source, families); });
  };
  const std::string to = R"(proxy_name="forward",to="10.0.0.10:853")";
  const std::string name = "fairlead_upstream_tls_handshakes_total";
  check_lines(page(true), {name + "{" + to + R"(,resumed="false"} 3)", name + "{" + to + R"(,resumed="true"} 4)",
                           "coredns_proxy_conn_cache_hits_total{" + to + R"(,proto="tcp-tls"} 5)"});
  CHECK(page(false).find(name) == std::string::npos);
}

TEST_CASE("a cluster's state is shown") {
  FakeCluster cluster;
  const auto page = [&] { return scrape([&](auto& families) { collect_cluster(cluster, {}, families); }); };
  CHECK(has_line(page(), "fairlead_kubernetes_synced 0"));
  CHECK(page().find("fairlead_kubernetes_snapshot") == std::string::npos);
  cluster.table_.synced = true;
  cluster.table_.serial = 1'700'000'000;
  const std::string name = "fairlead_kubernetes_";
  check_lines(page(),
              {name + "synced 1", name + "api_reachable 1", name + "names 41", name + "serial 1700000000",
               name + "lists_total 3", name + "list_failures_total 4", name + "watches_total 5",
               name + "watch_failures_total 6", name + "events_total 7", name + "skipped_objects_total 2",
               name + "streamed_lists_total 8", name + "silent_watches_total 9", name + "protobuf_answers_total 10",
               name + R"(odd_input_total{resource="services",reason="event"} 4)"});
  const std::string programming = "coredns_kubernetes_dns_programming_duration_seconds_count";
  check_lines(page(), {programming + R"({service_kind="cluster_ip"} 1)",
                       programming + R"({service_kind="headless_with_selector"} 0)"});
}

TEST_CASE("the age of a snapshot is shown only where there is one that can be used") {
  FakeCluster cluster;
  const auto page = [&] { return scrape([&](auto& families) { collect_cluster(cluster, {}, families); }); };
  const std::string name = "fairlead_kubernetes_snapshot_";
  cluster.snapshot_ = {.writes = 2, .write_failures = 3, .refusals = 4, .age = std::nullopt, .is_in_use = false};
  check_lines(page(),
              {name + "writes_total 2", name + "write_failures_total 3", name + "refusals_total 4", name + "in_use 0"});
  CHECK(page().find(name + "age_seconds") == std::string::npos);
  cluster.snapshot_->age = 75;
  cluster.snapshot_->is_in_use = true;
  check_lines(page(), {name + "age_seconds 75", name + "in_use 1"});
}

TEST_CASE("requests to the API server are shown under CoreDNS's names") {
  FakeCluster cluster;
  const std::string page = scrape([&](auto& families) { collect_cluster(cluster, {}, families); });
  const std::string name = "coredns_kubernetes_rest_client_";
  CHECK(has_line(page, name + R"(requests_total{code="200",method="GET",host="10.96.0.1:443"} 7)"));
  CHECK(has_line(page, name + R"(request_duration_seconds_bucket{verb="GET",host="10.96.0.1:443",le="0.25"} 0)"));
  CHECK(has_line(page, name + R"(request_duration_seconds_bucket{verb="GET",host="10.96.0.1:443",le="0.5"} 1)"));
  CHECK(has_line(page, name + R"(request_duration_seconds_sum{verb="GET",host="10.96.0.1:443"} 0.3)"));
  CHECK(has_line(page, name + R"(rate_limiter_duration_seconds_count{verb="GET",host="10.96.0.1:443"} 1)"));
}
