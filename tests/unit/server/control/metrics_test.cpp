#include "server/control/metrics.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <thread>

using namespace fairlead;
using namespace fairlead::server;
using namespace std::chrono_literals;

namespace {

bool has_line(const std::string& page, const std::string& line) {
  return ("\n" + page).find("\n" + line + "\n") != std::string::npos;
}

std::size_t count_lines(const std::string& page, const std::string& prefix) {
  std::size_t count = 0;
  const std::string text = "\n" + page;
  for (auto at = text.find("\n" + prefix); at != std::string::npos; at = text.find("\n" + prefix, at + 1)) ++count;
  return count;
}

}  // namespace

TEST_CASE("a query is shown under CoreDNS's names and labels") {
  MetricsRegistry registry;
  ZoneSlots* slots = registry.zone_slots(0, "dns://:53", "cluster.local.");
  slots->count_request(Proto::udp, Family::ipv4, dns::RRType::aaaa, 65, true);
  slots->count_response(Proto::udp, dns::Rcode::nxdomain, plugin_label("kubernetes"), 158, 300us);

  const std::string page = registry.scrape();
  CHECK(has_line(page, "# TYPE coredns_dns_requests_total counter"));
  CHECK(has_line(page,
                 "coredns_dns_requests_total{server=\"dns://:53\",zone=\"cluster.local.\",view=\"\",proto=\"udp\","
                 "family=\"1\",type=\"AAAA\"} 1"));
  CHECK(has_line(page, "coredns_dns_do_requests_total{server=\"dns://:53\",zone=\"cluster.local.\",view=\"\"} 1"));
  CHECK(has_line(page,
                 "coredns_dns_responses_total{server=\"dns://:53\",zone=\"cluster.local.\",view=\"\","
                 "rcode=\"NXDOMAIN\",plugin=\"kubernetes\"} 1"));
  const std::string labels = "{server=\"dns://:53\",zone=\"cluster.local.\",view=\"\"";
  CHECK(has_line(page, "# TYPE coredns_dns_request_duration_seconds histogram"));
  CHECK(has_line(page, "coredns_dns_request_duration_seconds_bucket" + labels + ",le=\"0.00025\"} 0"));
  CHECK(has_line(page, "coredns_dns_request_duration_seconds_bucket" + labels + ",le=\"0.0005\"} 1"));
  CHECK(has_line(page, "coredns_dns_request_duration_seconds_bucket" + labels + ",le=\"8.192\"} 1"));
  CHECK(has_line(page, "coredns_dns_request_duration_seconds_bucket" + labels + ",le=\"+Inf\"} 1"));
  CHECK(has_line(page, "coredns_dns_request_duration_seconds_count" + labels + "} 1"));
  CHECK(has_line(page, "coredns_dns_request_duration_seconds_sum" + labels + "} 0.0003"));
  CHECK(has_line(page, "coredns_dns_request_size_bytes_bucket" + labels + ",proto=\"udp\",le=\"0\"} 0"));
  CHECK(has_line(page, "coredns_dns_request_size_bytes_bucket" + labels + ",proto=\"udp\",le=\"100\"} 1"));
  CHECK(has_line(page, "coredns_dns_request_size_bytes_sum" + labels + ",proto=\"udp\"} 65"));
  CHECK(has_line(page, "coredns_dns_response_size_bytes_bucket" + labels + ",proto=\"udp\",le=\"100\"} 0"));
  CHECK(has_line(page, "coredns_dns_response_size_bytes_bucket" + labels + ",proto=\"udp\",le=\"200\"} 1"));
  CHECK(has_line(page, "coredns_dns_response_size_bytes_bucket" + labels + ",proto=\"udp\",le=\"64000\"} 1"));
}

TEST_CASE("only label combinations that were used are shown") {
  MetricsRegistry registry;
  registry.zone_slots(0, "dns://:53", "unused.");
  ZoneSlots* slots = registry.zone_slots(0, "dns://:53", ".");
  slots->count_request(Proto::tcp, Family::ipv6, dns::RRType::a, 40, false);
  slots->count_response(Proto::tcp, dns::Rcode::noerror, no_plugin, 56, 1ms);

  const std::string page = registry.scrape();
  CHECK(page.find("unused.") == std::string::npos);
  CHECK(count_lines(page, "coredns_dns_requests_total{") == 1);
  CHECK(count_lines(page, "coredns_dns_responses_total{") == 1);
  CHECK(count_lines(page, "coredns_dns_do_requests_total") == 0);
  CHECK(count_lines(page, "coredns_dns_request_size_bytes_count{") == 1);
  CHECK(has_line(page,
                 "coredns_dns_responses_total{server=\"dns://:53\",zone=\".\",view=\"\",rcode=\"NOERROR\","
                 "plugin=\"\"} 1"));
}

TEST_CASE("the workers of one zone are summed") {
  MetricsRegistry registry;
  std::vector<std::jthread> workers;
  for (unsigned worker = 0; worker < 2; ++worker) {
    workers.emplace_back([&registry, worker] {
      ZoneSlots* slots = registry.zone_slots(worker, "dns://:53", ".");
      for (int i = 0; i < 1000; ++i) slots->count_request(Proto::udp, Family::ipv4, dns::RRType::a, 100, false);
    });
  }
  while (registry.scrape().find("type=\"A\"} 2000\n") == std::string::npos) std::this_thread::yield();
  CHECK(registry.zone_slots(0, "dns://:53", ".") != registry.zone_slots(1, "dns://:53", "."));
}

TEST_CASE("the same server and zone are the same slots after a reload") {
  MetricsRegistry registry;
  ZoneSlots* slots = registry.zone_slots(3, "dns://:53", "example.org.", "v");
  CHECK(registry.zone_slots(3, "dns://:53", "example.org.", "v") == slots);
  CHECK(registry.zone_slots(3, "dns://:53", "example.org.") != slots);
  CHECK(registry.zone_slots(3, "dns://:54", "example.org.", "v") != slots);
}

TEST_CASE("durations fall into the buckets that their comparison with the bounds gives") {
  const auto bounds = exponential_buckets(0.00025, 2, duration_bucket_count);
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    const auto ns = std::uint64_t{250'000} << i;
    CHECK(ZoneSlots::duration_bucket(ns - 1) == i);
    CHECK(ZoneSlots::duration_bucket(ns) == i);
    CHECK(ZoneSlots::duration_bucket(ns + 1) == i + 1);
  }
  CHECK(ZoneSlots::duration_bucket(0) == 0);
  CHECK(ZoneSlots::duration_bucket(~std::uint64_t{0}) == duration_bucket_count);
}

TEST_CASE("sizes fall into the buckets that their comparison with the bounds gives") {
  for (std::size_t size = 0; size <= 65535; ++size) {
    const auto bound = std::ranges::lower_bound(size_bucket_bounds, size);
    REQUIRE(ZoneSlots::size_bucket(size) == static_cast<std::size_t>(bound - size_bucket_bounds.begin()));
  }
}

TEST_CASE("types, RCODEs and directives without a label of their own are \"other\", so clients cannot add series") {
  MetricsRegistry registry;
  ZoneSlots* slots = registry.zone_slots(0, "dns://:53", ".");
  for (unsigned value = 0; value <= 0xffff; ++value) {
    slots->count_request(Proto::udp, Family::ipv4, static_cast<dns::RRType>(value), 40, false);
  }
  for (unsigned value = 0; value <= 0xfff; ++value) {
    slots->count_response(Proto::udp, static_cast<dns::Rcode>(value), plugin_label("no-such"), 40, 1us);
  }
  const std::string page = registry.scrape();
  CHECK(count_lines(page, "coredns_dns_requests_total{") == ZoneSlots::type_count);
  CHECK(page.find("type=\"other\"} 65517\n") != std::string::npos);
  CHECK(count_lines(page, "coredns_dns_responses_total{") == ZoneSlots::rcode_count);
  CHECK(page.find("rcode=\"BADVERS\",plugin=\"other\"} 1\n") != std::string::npos);
  CHECK(page.find("rcode=\"other\",plugin=\"other\"} 4084\n") != std::string::npos);
}

TEST_CASE("zones beyond the limit share one series") {
  MetricsRegistry registry;
  for (std::size_t i = 0; i < metrics_zone_slots_max + 100; ++i) {
    registry.zone_slots(0, "dns://:53", "zone" + std::to_string(i) + ".")
        ->count_request(Proto::udp, Family::ipv4, dns::RRType::a, 40, false);
  }
  const std::string page = registry.scrape();
  CHECK(count_lines(page, "coredns_dns_requests_total{") == metrics_zone_slots_max + 1);
  CHECK(page.find("zone=\"other\",view=\"\",proto=\"udp\",family=\"1\",type=\"A\"} 100\n") != std::string::npos);
  CHECK(has_line(page, "fairlead_metrics_dropped_series 100"));
}

TEST_CASE("shared metrics beyond the limit are counted, not kept") {
  MetricsRegistry registry;
  for (std::size_t i = 0; i < metrics_shared_max + 50; ++i) {
    registry.counter("fairlead_test_total", "Test.", {{"n", std::to_string(i)}})->add();
  }
  const std::string page = registry.scrape();
  CHECK(count_lines(page, "fairlead_test_total{") <= metrics_shared_max);
  CHECK(count_lines(page, "fairlead_test_total{") > metrics_shared_max - 50);
}

TEST_CASE("process-wide metrics are there from the start") {
  MetricsRegistry registry;
  registry.set_reload_version("abc");
  registry.set_enabled_plugins({{"dns://:53", "cluster.local.", "", "kubernetes"}});
  registry.health_durations().observe(0.001);
  registry.observe_dns_programming("headless_with_selector", 0.003);
  const std::string page = registry.scrape();
  CHECK(has_line(page, "coredns_panics_total 0"));
  CHECK(has_line(page, "coredns_reload_failed_total 0"));
  CHECK(has_line(page, "coredns_health_request_failures_total 0"));
  CHECK(has_line(page, "coredns_health_request_duration_seconds_bucket{le=\"0.00025\"} 0"));
  CHECK(has_line(page, "coredns_health_request_duration_seconds_bucket{le=\"0.0025\"} 1"));
  CHECK(has_line(page, "coredns_health_request_duration_seconds_bucket{le=\"2.5\"} 1"));
  CHECK(has_line(page, "coredns_reload_version_info{hash=\"sha512\",value=\"abc\"} 1"));
  CHECK(has_line(page,
                 "coredns_plugin_enabled{server=\"dns://:53\",zone=\"cluster.local.\",view=\"\","
                 "name=\"kubernetes\"} 1"));
  CHECK(has_line(page,
                 "coredns_kubernetes_dns_programming_duration_seconds_bucket{service_kind="
                 "\"headless_with_selector\",le=\"0.002\"} 0"));
  CHECK(has_line(page,
                 "coredns_kubernetes_dns_programming_duration_seconds_bucket{service_kind="
                 "\"headless_with_selector\",le=\"0.004\"} 1"));
  CHECK(page.find("coredns_build_info{version=\"fairlead-") != std::string::npos);

  registry.set_enabled_plugins({});
  CHECK(registry.scrape().find("coredns_plugin_enabled") == std::string::npos);
}

TEST_CASE("collectors of one family are merged under one header") {
  MetricsRegistry registry;
  const auto cache = [](const char* server, double entries, double hits) {
    return [=](std::vector<MetricFamily>& families) {
      families.push_back(
          {"coredns_cache_entries", "Entries.", MetricType::gauge, {{{{"server", server}}, entries, {}, {}}}});
      families.push_back(
          {"coredns_cache_hits_total", "Hits.", MetricType::counter, {{{{"server", "all"}}, hits, {}, {}}}});
    };
  };
  const auto first = registry.add_collector(cache("dns://:53", 7, 10));
  auto second = std::optional(registry.add_collector(cache("dns://:54", 8, 5)));
  const std::string page = registry.scrape();
  CHECK(count_lines(page, "# TYPE coredns_cache_entries") == 1);
  CHECK(has_line(page, "coredns_cache_entries{server=\"dns://:53\"} 7"));
  CHECK(has_line(page, "coredns_cache_entries{server=\"dns://:54\"} 8"));
  CHECK(has_line(page, "coredns_cache_hits_total{server=\"all\"} 15"));

  second.reset();
  CHECK(registry.scrape().find("dns://:54") == std::string::npos);
}

TEST_CASE("a collector that throws or contradicts another does not take the page with it") {
  MetricsRegistry registry;
  const auto failing = registry.add_collector([](auto& families) {
    families.push_back({"half", "", MetricType::gauge, {{}}});
    throw std::runtime_error("no");
  });
  const auto odd = registry.add_collector([](auto& families) {
    families.push_back({"coredns_panics_total", "", MetricType::gauge, {{{}, 5, {}, {}}}});
    families.push_back({"broken_histogram", "", MetricType::histogram, {{{}, 0, {1, 2}, {1}}}});
  });
  const std::string page = registry.scrape();
  CHECK(page.find("half") == std::string::npos);
  CHECK(has_line(page, "fairlead_metrics_failed_collections_total 1"));
  CHECK(count_lines(page, "# TYPE coredns_panics_total") == 1);
  CHECK(page.find("broken_histogram") == std::string::npos);
}

TEST_CASE("label values are escaped and always UTF-8") {
  MetricsRegistry registry;
  registry.counter("fairlead_test_total", "Test.", {{"name", "a\"b\\c\nd\xff\xc3\xa9\xed\xa0\x80"}})->add();
  CHECK(has_line(registry.scrape(),
                 "fairlead_test_total{name=\"a\\\"b\\\\c\\nd\xEF\xBF\xBD\xc3\xa9\xEF\xBF\xBD"
                 "\xEF\xBF\xBD\xEF\xBF\xBD\"} 1"));
}

TEST_CASE("a shared metric asked for under another type is a metric that is not shown") {
  MetricsRegistry registry;
  registry.counter("fairlead_test_total", "Test.")->add(3);
  registry.gauge("fairlead_test_total", "Test.")->set(9);
  registry.histogram("fairlead_test_total", "Test.", {1})->observe(9);
  CHECK(registry.counter("fairlead_test_total", "Test.")->value() == 3);
  CHECK(has_line(registry.scrape(), "fairlead_test_total 3"));
}

TEST_CASE("a collector cannot fill the page without bound") {
  MetricsRegistry registry;
  const auto registered = registry.add_collector([](auto& families) {
    MetricFamily family{"fairlead_test", "Test.", MetricType::gauge, {}};
    for (std::size_t i = 0; i < metrics_family_samples_max + 10; ++i) {
      family.samples.push_back({.labels = {{"n", std::to_string(i)}}, .value = 1});
    }
    families.push_back(std::move(family));
  });
  const std::string page = registry.scrape();
  CHECK(count_lines(page, "fairlead_test{") == metrics_family_samples_max);
  CHECK(has_line(page, "fairlead_metrics_dropped_series 10"));
}
