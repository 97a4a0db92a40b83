#include "server/control/source_metrics.hpp"

#include <doctest/doctest.h>

using namespace fairlead;
using namespace fairlead::server;
using namespace std::chrono_literals;

namespace {

bool has_line(const std::string& page, const std::string& line) {
  return ("\n" + page).find("\n" + line + "\n") != std::string::npos;
}

class FakeCluster final : public k8s::Cluster {
 public:
  void start() override {}
  void stop() override {}
  const k8s::ClusterTable& table() const override { return table_; }
  k8s::ClusterCounters counters() const override {
    k8s::ClusterCounters counters;
    counters.lists = 3;
    counters.skipped_objects = 2;
    counters.names = 41;
    counters.odd = {{"services", "event", 4}};
    counters.api.host = "10.96.0.1:443";
    counters.api.requests["200"] = 7;
    counters.api.duration.observe(0.3, k8s::request_duration_bounds);
    counters.api.rate_limiter.observe(0, k8s::request_duration_bounds);
    return counters;
  }
  k8s::ClusterTable table_;
};

}  // namespace

TEST_CASE("the caches of all workers are shown as CoreDNS's one cache") {
  resolver::CacheCounters one, two;
  one.requests.add(10);
  two.requests.add(5);
  one.success.hits.add(4);
  two.success.entries.set(7);
  two.denial.evictions.add(1);
  const CacheSource source{"dns://:53", ".", "", {&one, &two}};
  MetricsRegistry registry;
  const auto registered = registry.add_collector([&](auto& families) { collect_cache(source, families); });
  const std::string page = registry.scrape();
  CHECK(has_line(page, "coredns_cache_requests_total{server=\"dns://:53\",zones=\".\",view=\"\"} 15"));
  CHECK(has_line(page, "coredns_cache_hits_total{server=\"dns://:53\",type=\"success\",zones=\".\",view=\"\"} 4"));
  CHECK(has_line(page, "coredns_cache_entries{server=\"dns://:53\",type=\"success\",zones=\".\",view=\"\"} 7"));
  CHECK(has_line(page, "coredns_cache_evictions_total{server=\"dns://:53\",type=\"denial\",zones=\".\",view=\"\"} 1"));
  CHECK(has_line(page, "coredns_cache_misses_total{server=\"dns://:53\",zones=\".\",view=\"\"} 0"));
}

TEST_CASE("forwarders and upstreams are shown under CoreDNS's names, of several directives as one") {
  resolver::ForwardCounters forward;
  forward.max_concurrent_rejects.add(2);
  resolver::UpstreamCounters one, two;
  one.request_duration[0].observe(300us);
  two.request_duration[0].observe(100us);
  two.request_duration[3].observe(10s);
  one.connection_cache_misses[1].add();
  one.down.set(1);
  two.down.set(1);
  const ForwardSource source{"forward", {&forward}, {{"10.0.0.10:53", {&one, &two}}}};
  MetricsRegistry registry;
  const auto first = registry.add_collector([&](auto& families) { collect_forward(source, families); });
  const auto second = registry.add_collector([&](auto& families) { collect_forward(source, families); });
  const std::string page = registry.scrape();
  CHECK(has_line(page, "coredns_forward_max_concurrent_rejects_total 4"));
  const std::string to = "proxy_name=\"forward\",to=\"10.0.0.10:53\"";
  CHECK(has_line(page, "coredns_proxy_request_duration_seconds_bucket{" + to + ",rcode=\"NOERROR\",le=\"0.00025\"} 2"));
  CHECK(has_line(page, "coredns_proxy_request_duration_seconds_count{" + to + ",rcode=\"NOERROR\"} 4"));
  CHECK(has_line(page, "coredns_proxy_request_duration_seconds_sum{" + to + ",rcode=\"NOERROR\"} 0.0008"));
  CHECK(has_line(page, "coredns_proxy_request_duration_seconds_bucket{" + to + ",rcode=\"NXDOMAIN\",le=\"8.192\"} 0"));
  CHECK(has_line(page, "coredns_proxy_request_duration_seconds_count{" + to + ",rcode=\"NXDOMAIN\"} 2"));
  CHECK(has_line(page, "coredns_proxy_conn_cache_misses_total{" + to + ",proto=\"tcp\"} 2"));
  CHECK(page.find("rcode=\"SERVFAIL\"") == std::string::npos);
  CHECK(has_line(page, "fairlead_upstream_down{" + to + "} 1"));
}

TEST_CASE("a cluster's state is shown") {
  FakeCluster cluster;
  MetricsRegistry registry;
  const auto registered = registry.add_collector([&](auto& families) { collect_cluster(cluster, {}, families); });
  CHECK(has_line(registry.scrape(), "fairlead_kubernetes_synced 0"));
  cluster.table_.synced = true;
  const std::string page = registry.scrape();
  CHECK(has_line(page, "fairlead_kubernetes_synced 1"));
  CHECK(has_line(page, "fairlead_kubernetes_names 41"));
  CHECK(has_line(page, "fairlead_kubernetes_skipped_objects_total 2"));
  CHECK(has_line(page, "fairlead_kubernetes_lists_total 3"));
  CHECK(has_line(page, "fairlead_kubernetes_odd_input_total{resource=\"services\",reason=\"event\"} 4"));
}

TEST_CASE("requests to the API server are shown under CoreDNS's names") {
  FakeCluster cluster;
  MetricsRegistry registry;
  const auto registered = registry.add_collector([&](auto& families) { collect_cluster(cluster, {}, families); });
  const std::string page = registry.scrape();
  const std::string name = "coredns_kubernetes_rest_client_";
  CHECK(has_line(page, name + R"(requests_total{code="200",method="GET",host="10.96.0.1:443"} 7)"));
  CHECK(has_line(page, name + R"(request_duration_seconds_bucket{verb="GET",host="10.96.0.1:443",le="0.25"} 0)"));
  CHECK(has_line(page, name + R"(request_duration_seconds_bucket{verb="GET",host="10.96.0.1:443",le="0.5"} 1)"));
  CHECK(has_line(page, name + R"(request_duration_seconds_sum{verb="GET",host="10.96.0.1:443"} 0.3)"));
  CHECK(has_line(page, name + R"(rate_limiter_duration_seconds_count{verb="GET",host="10.96.0.1:443"} 1)"));
}
