#include "tools/kubesim/kinds.hpp"

#include <array>

namespace fairlead::kubesim {
namespace {

constexpr std::array<SelectableField, 1> namespace_fields{{{"status.phase", "status", "phase"}}};
constexpr std::array<SelectableField, 2> service_fields{
    {{"spec.clusterIP", "spec", "clusterIP"}, {"spec.type", "spec", "type"}}};
constexpr std::array<SelectableField, 5> pod_fields{{{"spec.nodeName", "spec", "nodeName"},
                                                     {"spec.restartPolicy", "spec", "restartPolicy"},
                                                     {"spec.serviceAccountName", "spec", "serviceAccountName"},
                                                     {"status.phase", "status", "phase"},
                                                     {"status.podIP", "status", "podIP"}}};

// clang-format off
constexpr std::array<Kind, kind_count> table{{
    // index, group, version, name, plural, singular, short, namespaced, status, all, custom, fields
    {0, "", "v1", "Namespace", "namespaces", "namespace", "ns", false, true, false, false, namespace_fields},
    {1, "", "v1", "Service", "services", "service", "svc", true, true, true, false, service_fields},
    {2, "discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", "endpointslice", "", true, false, false, false, {}},
    {3, "", "v1", "Pod", "pods", "pod", "po", true, true, true, false, pod_fields},
    {4, "", "v1", "Node", "nodes", "node", "no", false, true, false, false, {}},
    {5, "multicluster.x-k8s.io", "v1alpha1", "ServiceImport", "serviceimports", "serviceimport", "svcim", true, true,
     false, true, {}},
}};
// clang-format on

constexpr bool rows_know_their_index() {
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (table[i].index != i) return false;
  }
  return true;
}
static_assert(rows_know_their_index());

}  // namespace

std::string Kind::api_version() const {
  return group.empty() ? std::string(version) : std::string(group) + "/" + std::string(version);
}

std::string Kind::qualified_resource() const {
  return group.empty() ? std::string(plural) : std::string(plural) + "." + std::string(group);
}

std::span<const Kind, kind_count> kinds() { return table; }

namespace kind {
const Kind& of_namespace() { return table[0]; }
const Kind& service() { return table[1]; }
const Kind& endpoint_slice() { return table[2]; }
const Kind& pod() { return table[3]; }
const Kind& node() { return table[4]; }
const Kind& service_import() { return table[5]; }
}  // namespace kind

const Kind* find_kind(std::string_view api_version, std::string_view name) {
  for (const Kind& row : table) {
    if (row.name == name && row.api_version() == api_version) return &row;
  }
  return nullptr;
}

const Kind* find_resource(std::string_view group, std::string_view version, std::string_view plural) {
  for (const Kind& row : table) {
    if (row.plural == plural && row.group == group && row.version == version) return &row;
  }
  return nullptr;
}

}  // namespace fairlead::kubesim
