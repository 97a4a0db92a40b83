#include "tools/fairleadctl/kubeconfig_search.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>

namespace fairlead::ctl {
namespace {

std::optional<std::string> environment(const char* name) {
  const char* const value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

bool is_file(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error);
}

}  // namespace

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

}  // namespace fairlead::ctl
