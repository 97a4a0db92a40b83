#include "tools/fairleadctl/cluster_source.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <thread>

#include "k8s/cluster.hpp"
#include "tools/fairleadctl/table_records.hpp"
#include "zones/base/guarded.hpp"

namespace fairlead::ctl {
namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

constexpr auto poll_interval = 10ms;
constexpr auto progress_interval = 200ms;

std::optional<std::string> environment(const char* name) {
  const char* const value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

bool is_file(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error);
}

// Where kubectl would look; an empty name means the service account of a Pod.
std::expected<std::string, std::string> find_kubeconfig() {
  if (const auto listed = environment("KUBECONFIG")) {
    // kubectl merges several; the first that exists serves here.
    for (std::size_t begin = 0; begin <= listed->size();) {
      const std::size_t end = std::min(listed->find(':', begin), listed->size());
      const std::string path = listed->substr(begin, end - begin);
      if (is_file(path)) return path;
      begin = end + 1;
    }
    return std::unexpected("no file of $KUBECONFIG (" + *listed + ") exists; name one with --kubeconfig");
  }
  if (const auto home = environment("HOME"); home && is_file(*home + "/.kube/config")) return *home + "/.kube/config";
  if (environment("KUBERNETES_SERVICE_HOST")) return std::string();
  return std::unexpected(
      "no cluster to ask: there is no $KUBECONFIG, no ~/.kube/config, and this is no Pod; "
      "use --kubeconfig FILE, --endpoint URL or --server ADDRESS");
}

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
  // Kept for the case that the table never gets complete; a listing that succeeds has nothing to say.
  base::Guarded<std::string> last_trouble;
  cluster_options.log = [&last_trouble](base::LogLevel level, std::string_view text) {
    if (level < base::LogLevel::warning) return;
    // The server goes on; this program ends with the message.
    if (constexpr std::string_view hope = "; trying again"; text.ends_with(hope)) text.remove_suffix(hope.size());
    last_trouble.with([text](std::string& last) { last = text; });
  };

  auto cluster = k8s::Cluster::create(std::move(cluster_options));
  if (!cluster) return std::unexpected(cluster.error());
  const auto deadline = Steady::now() + options.timeout;
  (*cluster)->start();
  {
    Progress progress;
    while (!(*cluster)->table().synced) {
      if (Steady::now() >= deadline) {
        (*cluster)->stop();
        const std::string trouble = last_trouble.with([](const std::string& last) { return last; });
        return std::unexpected(
            "the API server did not list its Services, EndpointSlices and Namespaces in time; " +
            (trouble.empty() ? "it is slow or out of reach, see --timeout" : "last trouble: " + trouble));
      }
      progress.show((*cluster)->counters().names);
      std::this_thread::sleep_for(poll_interval);
    }
  }
  (*cluster)->stop();
  return list_table((*cluster)->table(), {.zone = options.zone, .ttl = options.ttl, .reverse = options.reverse});
}

}  // namespace fairlead::ctl
