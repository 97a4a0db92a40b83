#include "tools/kubesim/tables.hpp"

#include <ctime>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace fairlead::kubesim {
namespace {

struct Column {
  std::string_view name;
  std::string_view type;
  int priority;  // above 0: `-o wide` only
  std::string (*cell)(const Json& object);
};

std::string or_none(std::string text) { return text.empty() ? "<none>" : text; }

std::string join(const std::vector<std::string>& parts, std::size_t most = 100) {
  std::string joined;
  for (std::size_t i = 0; i < parts.size() && i < most; ++i) joined += (i == 0 ? "" : ",") + parts[i];
  if (parts.size() > most) joined += " + " + std::to_string(parts.size() - most) + " more...";
  return joined;
}

std::string plain(const Json& value) { return value.is_string() ? value.get<std::string>() : print_json(value); }

template <class Read>
std::vector<std::string> each(const Json& object, std::initializer_list<std::string_view> path, Read read) {
  std::vector<std::string> parts;
  const Json* list = find_at(object, path);
  if (list == nullptr || !list->is_array()) return parts;
  for (const Json& element : *list) {
    std::string part = read(element);
    if (!part.empty()) parts.push_back(std::move(part));
  }
  return parts;
}

std::string name(const Json& object) { return string_at(object, {"metadata", "name"}); }

/// "45s", "12m", "3h20m", "5d", "2y10d": two units while they still tell something.
std::string age(const Json& object) {
  const auto created = parse_time(string_at(object, {"metadata", "creationTimestamp"}));
  if (!created) return "<unknown>";
  const auto seconds = static_cast<long>(std::max<std::time_t>(0, std::time(nullptr) - *created));
  const auto pair = [](long high, const char* high_unit, long low, const char* low_unit) {
    return std::to_string(high) + high_unit + (low == 0 ? "" : std::to_string(low) + low_unit);
  };
  if (seconds < 120) return std::to_string(seconds) + "s";
  if (seconds < 600) return pair(seconds / 60, "m", seconds % 60, "s");
  if (seconds < 3 * 3600) return std::to_string(seconds / 60) + "m";
  if (seconds < 8 * 3600) return pair(seconds / 3600, "h", seconds / 60 % 60, "m");
  if (seconds < 48 * 3600) return std::to_string(seconds / 3600) + "h";
  if (seconds < 8 * 86400) return pair(seconds / 86400, "d", seconds / 3600 % 24, "h");
  if (seconds < 2 * 365 * 86400) return std::to_string(seconds / 86400) + "d";
  return pair(seconds / (365 * 86400), "y", seconds / 86400 % 365, "d");
}

std::string phase(const Json& object) {
  if (find_at(object, {"metadata", "deletionTimestamp"}) != nullptr) return "Terminating";
  return or_none(string_at(object, {"status", "phase"}));
}

std::string service_type(const Json& object) { return or_none(string_at(object, {"spec", "type"})); }
std::string cluster_ip(const Json& object) { return or_none(string_at(object, {"spec", "clusterIP"})); }
std::string external_ip(const Json& object) {
  if (string_at(object, {"spec", "type"}) == "ExternalName")
    return or_none(string_at(object, {"spec", "externalName"}));
  auto addresses = each(object, {"spec", "externalIPs"}, plain);
  for (std::string& ingress : each(object, {"status", "loadBalancer", "ingress"}, [](const Json& entry) {
         const std::string ip = string_at(entry, {"ip"});
         return ip.empty() ? string_at(entry, {"hostname"}) : ip;
       })) {
    addresses.push_back(std::move(ingress));
  }
  if (addresses.empty() && string_at(object, {"spec", "type"}) == "LoadBalancer") return "<pending>";
  return or_none(join(addresses));
}
std::string service_ports(const Json& object) {
  return or_none(join(each(object, {"spec", "ports"}, [](const Json& port) {
    const Json* number = find_at(port, {"port"});
    const Json* node_port = find_at(port, {"nodePort"});
    std::string text = number == nullptr ? "?" : plain(*number);
    if (node_port != nullptr) text += ":" + plain(*node_port);
    return text + "/" + string_at(port, {"protocol"});
  })));
}
std::string selector(const Json& object) {
  std::vector<std::string> parts;
  if (const Json* map = find_at(object, {"spec", "selector"}); map != nullptr && map->is_object()) {
    for (const auto& [key, value] : map->items()) parts.push_back(key + "=" + plain(value));
  }
  return or_none(join(parts));
}

std::string slice_type(const Json& object) { return or_none(string_at(object, {"addressType"})); }
std::string slice_ports(const Json& object) {
  const auto ports = each(object, {"ports"}, [](const Json& port) {
    const Json* number = find_at(port, {"port"});
    return number == nullptr ? std::string("*") : plain(*number);
  });
  return ports.empty() ? "<unset>" : join(ports, 3);
}
std::string slice_endpoints(const Json& object) {
  const auto addresses =
      each(object, {"endpoints"}, [](const Json& endpoint) { return join(each(endpoint, {"addresses"}, plain)); });
  return addresses.empty() ? "<unset>" : join(addresses, 3);
}

std::string pod_ready(const Json& object) {
  const auto all = each(object, {"spec", "containers"}, [](const Json&) { return std::string("1"); });
  const auto ready = each(object, {"status", "containerStatuses"}, [](const Json& status) {
    const Json* is_ready = find_at(status, {"ready"});
    return std::string(is_ready != nullptr && *is_ready == true ? "1" : "");
  });
  return std::to_string(ready.size()) + "/" + std::to_string(all.size());
}
std::string pod_restarts(const Json& object) {
  std::int64_t sum = 0;
  if (const Json* list = find_at(object, {"status", "containerStatuses"}); list != nullptr && list->is_array()) {
    for (const Json& status : *list) {
      const Json* count = find_at(status, {"restartCount"});
      if (count != nullptr && count->is_number_integer()) sum += count->get<std::int32_t>();
    }
  }
  return std::to_string(sum);
}
std::string pod_ip(const Json& object) { return or_none(string_at(object, {"status", "podIP"})); }
std::string pod_node(const Json& object) { return or_none(string_at(object, {"spec", "nodeName"})); }

std::string node_status(const Json& object) {
  const auto ready = each(object, {"status", "conditions"}, [](const Json& condition) {
    return string_at(condition, {"type"}) == "Ready" ? string_at(condition, {"status"}) : std::string();
  });
  return ready.empty() ? "Unknown" : ready.front() == "True" ? "Ready" : "NotReady";
}
std::string node_roles(const Json& object) {
  static constexpr std::string_view prefix = "node-role.kubernetes.io/";
  std::vector<std::string> roles;
  if (const Json* labels = find_at(object, {"metadata", "labels"}); labels != nullptr && labels->is_object()) {
    for (const auto& [key, value] : labels->items()) {
      if (key.starts_with(prefix)) roles.push_back(key.substr(prefix.size()));
    }
  }
  return or_none(join(roles));
}
std::string node_version(const Json& object) { return string_at(object, {"status", "nodeInfo", "kubeletVersion"}); }

std::string import_ips(const Json& object) { return or_none(join(each(object, {"spec", "ips"}, plain))); }

constexpr Column namespace_columns[] = {
    {"Name", "string", 0, name}, {"Status", "string", 0, phase}, {"Age", "string", 0, age}};
constexpr Column service_columns[] = {{"Name", "string", 0, name},
                                      {"Type", "string", 0, service_type},
                                      {"Cluster-IP", "string", 0, cluster_ip},
                                      {"External-IP", "string", 0, external_ip},
                                      {"Port(s)", "string", 0, service_ports},
                                      {"Age", "string", 0, age},
                                      {"Selector", "string", 1, selector}};
constexpr Column slice_columns[] = {{"Name", "string", 0, name},
                                    {"AddressType", "string", 0, slice_type},
                                    {"Ports", "string", 0, slice_ports},
                                    {"Endpoints", "string", 0, slice_endpoints},
                                    {"Age", "string", 0, age}};
constexpr Column pod_columns[] = {{"Name", "string", 0, name},    {"Ready", "string", 0, pod_ready},
                                  {"Status", "string", 0, phase}, {"Restarts", "string", 0, pod_restarts},
                                  {"Age", "string", 0, age},      {"IP", "string", 1, pod_ip},
                                  {"Node", "string", 1, pod_node}};
constexpr Column node_columns[] = {{"Name", "string", 0, name},
                                   {"Status", "string", 0, node_status},
                                   {"Roles", "string", 0, node_roles},
                                   {"Age", "string", 0, age},
                                   {"Version", "string", 0, node_version}};
constexpr Column import_columns[] = {{"Name", "string", 0, name},
                                     {"Type", "string", 0, service_type},
                                     {"IP", "string", 0, import_ips},
                                     {"Age", "string", 0, age}};
constexpr Column plain_columns[] = {{"Name", "string", 0, name}, {"Age", "string", 0, age}};

std::span<const Column> columns_of(const Kind& kind) {
  if (&kind == &kind::of_namespace()) return namespace_columns;
  if (&kind == &kind::service()) return service_columns;
  if (&kind == &kind::endpoint_slice()) return slice_columns;
  if (&kind == &kind::pod()) return pod_columns;
  if (&kind == &kind::node()) return node_columns;
  if (&kind == &kind::service_import()) return import_columns;
  return plain_columns;
}

}  // namespace

Json table_columns(const Kind& kind) {
  Json columns = Json::array();
  for (const Column& column : columns_of(kind)) {
    columns.push_back({{"name", column.name},
                       {"type", column.type},
                       {"format", column.name == "Name" ? "name" : ""},
                       {"description", ""},
                       {"priority", column.priority}});
  }
  return columns;
}

Json table_cells(const Kind& kind, const Json& object) {
  Json cells = Json::array();
  for (const Column& column : columns_of(kind)) cells.push_back(column.cell(object));
  return cells;
}

}  // namespace fairlead::kubesim
