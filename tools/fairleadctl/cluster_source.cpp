#include "tools/fairleadctl/cluster_source.hpp"

#include <unistd.h>

#include <cstdio>
#include <thread>

#include "k8s/cluster.hpp"
#include "tools/fairleadctl/kubeconfig_search.hpp"
#include "tools/fairleadctl/last_trouble.hpp"
#include "tools/fairleadctl/table_records.hpp"

namespace fairlead::ctl {
namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

constexpr auto poll_interval = 10ms;
constexpr auto progress_interval = 200ms;

// A line on the terminal that goes away when the listing is printed.
class Progress {
 public:
  Progress() : on_terminal_(isatty(STDERR_FILENO) == 1) {}
  ~Progress() {
    if (shown_) std::fputs("\r\033[K", stderr);
  }
  void show(std::uint64_t names) {
    if (!on_terminal_ || Steady::now() - last_ < progress_interval) return;
    last_ = Steady::now();
    shown_ = true;
    std::fprintf(stderr, "\r\033[Kreading the API server: %llu names", static_cast<unsigned long long>(names));
  }

 private:
  bool on_terminal_;
  bool shown_ = false;
  Steady::time_point last_ = Steady::now();
};

}  // namespace

std::expected<std::vector<dns::ResourceRecord>, std::string> list_cluster(const Options& options) {
  k8s::ClusterOptions cluster_options;
  cluster_options.endpoint = options.endpoint;
  cluster_options.client_certificate_file = options.client_certificate_file;
  cluster_options.client_key_file = options.client_key_file;
  cluster_options.ca_file = options.ca_file;
  cluster_options.kubeconfig_file = options.kubeconfig_file;
  cluster_options.kubeconfig_context = options.kubeconfig_context;
  if (options.endpoint.empty() && options.kubeconfig_file.empty()) {
    auto found = find_kubeconfig();
    if (!found) return std::unexpected(found.error());
    cluster_options.kubeconfig_file = *std::move(found);
  }
  cluster_options.ttl = options.ttl;
  cluster_options.zone = options.zone;
  // A listing that succeeds has nothing to say.
  LastTrouble trouble;
  cluster_options.log = trouble.log();

  auto cluster = k8s::Cluster::create(std::move(cluster_options));
  if (!cluster) return std::unexpected(cluster.error());
  const auto deadline = Steady::now() + options.timeout;
  (*cluster)->start();
  {
    Progress progress;
    while (!(*cluster)->table().synced) {
      if (Steady::now() >= deadline) {
        (*cluster)->stop();
        return std::unexpected(trouble.why_not_listed());
      }
      progress.show((*cluster)->counters().names);
      std::this_thread::sleep_for(poll_interval);
    }
  }
  (*cluster)->stop();
  return list_table((*cluster)->table(), {.zone = options.zone, .ttl = options.ttl, .reverse = options.reverse});
}

}  // namespace fairlead::ctl
