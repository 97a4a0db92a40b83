#include "server/control/health_probe.hpp"

#include <doctest/doctest.h>

#include "server/control/http_responder.hpp"

using namespace fairlead::server;
using namespace std::chrono_literals;

namespace {

std::uint64_t requests(MetricsRegistry& metrics) {
  std::uint64_t sum = 0;
  for (const auto count : metrics.health_durations().counts()) sum += count;
  return sum;
}

// Time is only waited for, never told.
template <typename F>
bool becomes(const F& is_so) {
  for (int i = 0; i < 1000 && !is_so(); ++i) std::this_thread::sleep_for(10ms);
  return is_so();
}

}  // namespace

TEST_CASE("the process asks its own /health again and again, and counts what goes wrong") {
  MetricsRegistry metrics;
  HttpResponder http;
  std::atomic<int> asked{0};
  REQUIRE(http.set_endpoints({{"127.0.0.1", 0, {{"/health", [&asked] {
                                                   ++asked;
                                                   return HttpResponse{.body = "OK"};
                                                 }}}}}));
  HealthProbe probe(metrics, 5ms);
  CHECK(requests(metrics) == 0);
  probe.watch({{.host = "127.0.0.1", .port = http.bound_port("127.0.0.1", 0)}});
  CHECK(becomes([&] { return requests(metrics) >= 3; }));
  CHECK(metrics.health_failures().value() == 0);
  CHECK(asked >= 3);
  http.stop();
  CHECK(becomes([&] { return metrics.health_failures().value() >= 2; }));
}

TEST_CASE("without a target nothing is asked, and an end does not wait for the interval") {
  MetricsRegistry metrics;
  HealthProbe probe(metrics, 1h);
  probe.watch({});
  probe.watch({{.host = "localhost", .port = 1}});
  CHECK(requests(metrics) == 0);
}
