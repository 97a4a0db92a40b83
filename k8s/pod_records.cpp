#include "k8s/pod_records.hpp"

#include "k8s/service_records.hpp"

namespace fairlead::k8s {
namespace {

std::string below(std::string_view namespace_name, std::string_view branch) {
  std::string key;
  key += static_cast<char>(namespace_name.size());
  key += to_lower(namespace_name);
  key += static_cast<char>(branch.size());
  key += branch;
  return key;
}

}  // namespace

std::string services_of_namespace_key(std::string_view namespace_name) { return below(namespace_name, "svc"); }
std::string pods_of_namespace_key(std::string_view namespace_name) { return below(namespace_name, "pod"); }

}  // namespace fairlead::k8s
