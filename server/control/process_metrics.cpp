#include "server/control/process_metrics.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "server/control/logging.hpp"

namespace fairlead::server {
namespace {

void add(std::vector<MetricFamily>& families, MetricType type, const char* name, const char* help, double value) {
  if (std::isnan(value)) return;
  families.push_back({name, help, type, {{.value = value}}});
}

double limit_of(int resource) {
  rlimit limit{};
  if (getrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0) return std::nan("");
  return limit.rlim_cur == RLIM_INFINITY ? 18446744073709551615.0 : static_cast<double>(limit.rlim_cur);
}

// /proc/self/stat behind the command's name, which may hold spaces and parentheses: field 3 of proc(5) is the first.
std::vector<std::string> read_stat() {
  std::ifstream file("/proc/self/stat");
  std::stringstream text;
  text << file.rdbuf();
  const std::string all = text.str();
  const auto close = all.rfind(')');
  if (close == std::string::npos) return {};
  std::istringstream rest(all.substr(close + 1));
  std::vector<std::string> fields;
  for (std::string field; rest >> field;) fields.push_back(field);
  return fields;
}

double boot_time() {
  std::ifstream file("/proc/stat");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("btime ")) return std::strtod(line.c_str() + 6, nullptr);
  }
  return 0;
}

void collect_stat(std::vector<MetricFamily>& families) {
  const auto fields = read_stat();
  if (fields.size() < 22) return;
  const auto number = [&](std::size_t proc_field) { return std::strtod(fields[proc_field - 3].c_str(), nullptr); };
  const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  add(families, MetricType::counter, "process_cpu_seconds_total", "Total user and system CPU time spent in seconds.",
      (number(14) + number(15)) / ticks);
  static const double booted = boot_time();
  add(families, MetricType::gauge, "process_start_time_seconds",
      "Start time of the process since unix epoch in seconds.", booted + number(22) / ticks);
  add(families, MetricType::gauge, "process_virtual_memory_bytes", "Virtual memory size in bytes.", number(23));
  add(families, MetricType::gauge, "process_resident_memory_bytes", "Resident memory size in bytes.",
      number(24) * static_cast<double>(sysconf(_SC_PAGESIZE)));
  add(families, MetricType::gauge, "fairlead_process_threads", "Number of threads of the process.", number(20));
}

void collect_open_files(std::vector<MetricFamily>& families) {
  std::error_code error;
  std::size_t open = 0;
  for (auto entry = std::filesystem::directory_iterator("/proc/self/fd", error);
       !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    ++open;
  }
  // The directory's own descriptor is not the server's.
  if (!error && open > 0) {
    add(families, MetricType::gauge, "process_open_fds", "Number of open file descriptors.",
        static_cast<double>(open - 1));
  }
}

void collect(std::vector<MetricFamily>& families) {
  add(families, MetricType::counter, "fairlead_log_lines_lost_total",
      "Lines of the log that were lost because the output is read too slowly or not at all.",
      static_cast<double>(lost_log_lines()));
  collect_stat(families);
  collect_open_files(families);
  add(families, MetricType::gauge, "process_max_fds", "Maximum number of open file descriptors.",
      limit_of(RLIMIT_NOFILE));
  add(families, MetricType::gauge, "process_virtual_memory_max_bytes",
      "Maximum amount of virtual memory available in bytes.", limit_of(RLIMIT_AS));
}

}  // namespace

MetricsCollector process_metrics() { return collect; }

}  // namespace fairlead::server
