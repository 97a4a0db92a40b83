#include "server/control/process_metrics.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <ctime>

using namespace fairlead::server;

namespace {

double value_of(const std::string& name) {
  std::vector<MetricFamily> families;
  process_metrics()(families);
  for (const auto& family : families) {
    if (family.name == name) return family.samples.at(0).value;
  }
  FAIL("no metric " << name);
  return 0;
}

}  // namespace

TEST_CASE("the process's figures are what the kernel says") {
  CHECK(value_of("process_resident_memory_bytes") > 1e6);
  CHECK(value_of("process_resident_memory_bytes") < value_of("process_virtual_memory_bytes"));
  const double started = value_of("process_start_time_seconds");
  CHECK(started <= static_cast<double>(std::time(nullptr)) + 1);
  CHECK(started > static_cast<double>(std::time(nullptr)) - 600);
  CHECK(value_of("process_max_fds") >= 1);
  CHECK(value_of("process_virtual_memory_max_bytes") > 1e9);

  const double open_before = value_of("process_open_fds");
  const int opened = open("/dev/null", O_RDONLY);
  CHECK(value_of("process_open_fds") == open_before + 1);
  close(opened);

  volatile unsigned sink = 0;
  const double cpu_before = value_of("process_cpu_seconds_total");
  for (const auto start = std::clock(); std::clock() - start < CLOCKS_PER_SEC / 20;) sink = sink + 1;
  CHECK(value_of("process_cpu_seconds_total") > cpu_before);
}
