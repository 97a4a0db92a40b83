#include "tools/kubesim/cluster.hpp"

#include <algorithm>
#include <random>

namespace fairlead::kubesim {
namespace {

std::vector<std::string> strings_at(const Json& document, std::initializer_list<std::string_view> path) {
  std::vector<std::string> strings;
  const Json* list = find_at(document, path);
  if (list == nullptr || !list->is_array()) return strings;
  for (const Json& each : *list) {
    if (each.is_string()) strings.push_back(each.get<std::string>());
  }
  return strings;
}

bool has_finalizers(const Json& object) {
  const Json* finalizers = find_at(object, {"metadata", "finalizers"});
  return finalizers != nullptr && finalizers->is_array() && !finalizers->empty();
}

bool is_port(const Json& value) {
  return value.is_number_integer() && value.get<std::int64_t>() >= 1 && value.get<std::int64_t>() <= 65535;
}

std::string random_suffix() {
  // Without vowels and look-alikes, as the real server's, so that no words appear.
  static constexpr std::string_view letters = "bcdfghjklmnpqrstvwxz2456789";
  static std::mt19937 random{std::random_device{}()};
  std::string suffix;
  for (int i = 0; i < 5; ++i) suffix.push_back(letters[random() % letters.size()]);
  return suffix;
}

std::string name_of(Family family) { return family == Family::ipv4 ? "IPv4" : "IPv6"; }

}  // namespace

bool is_dns_label(std::string_view name) {
  if (name.empty() || name.size() > 63 || name.front() == '-' || name.back() == '-') return false;
  return std::ranges::all_of(name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

bool is_dns_subdomain(std::string_view name) {
  if (name.empty() || name.size() > 253) return false;
  while (true) {
    const std::string_view part = name.substr(0, name.find('.'));
    // A part may be longer than a DNS label: the API allows 253 octets without a dot.
    if (part.empty() || part.front() == '-' || part.back() == '-') return false;
    if (!std::ranges::all_of(part,
                             [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; })) {
      return false;
    }
    if (part.size() == name.size()) return true;
    name.remove_prefix(part.size() + 1);
  }
}

void Cluster::add_builtin_objects() {
  for (const char* name : {"default", "kube-node-lease", "kube-public", "kube-system"}) {
    if (registry_.get(kind::of_namespace(), "", name) == nullptr) {
      (void)apply_manifest(kind::of_namespace(), {{"metadata", {{"name", name}}}});
    }
  }
  if (registry_.get(kind::service(), "default", "kubernetes") != nullptr) return;
  const auto address = addresses_.first_address(Family::ipv4);
  const auto fallback = addresses_.first_address(Family::ipv6);
  Json service = {{"metadata",
                   {{"name", "kubernetes"},
                    {"namespace", "default"},
                    {"labels", {{"component", "apiserver"}, {"provider", "kubernetes"}}}}},
                  {"spec", {{"ports", {{{"name", "https"}, {"port", 443}, {"targetPort", 6443}}}}}}};
  if (address || fallback) service["spec"]["clusterIP"] = address ? *address : *fallback;
  (void)apply_manifest(kind::service(), service);
}

std::vector<FieldFault> Cluster::check(const Kind& kind, const Json& object) const {
  std::vector<FieldFault> faults;
  const std::string name = string_at(object, {"metadata", "name"});
  const bool is_label = &kind == &kind::of_namespace() || &kind == &kind::service();
  if (is_label ? !is_dns_label(name) : !is_dns_subdomain(name)) {
    faults.push_back({"metadata.name", "Invalid value: \"" + name + "\": must consist of lower case letters, digits" +
                                           (is_label ? " or '-'" : ", '-' or '.'") +
                                           " and start and end with a letter or digit"});
  }
  const std::string ns = string_at(object, {"metadata", "namespace"});
  if (kind.is_namespaced && !is_dns_label(ns)) {
    faults.push_back({"metadata.namespace", "Invalid value: \"" + ns + "\": must be an RFC 1123 label"});
  }
  for (const char* strings : {"labels", "annotations"}) {
    const Json* map = find_at(object, {"metadata", strings});
    if (map == nullptr || map->is_null()) continue;
    const bool is_map_of_strings =
        map->is_object() && std::ranges::all_of(*map, [](const Json& value) { return value.is_string(); });
    if (!is_map_of_strings) {
      faults.push_back({"metadata." + std::string(strings), "Invalid value: must be a map of strings"});
    }
  }
  if (&kind == &kind::service()) {
    const Json* spec = find_at(object, {"spec"});
    if (spec != nullptr && !spec->is_object() && !spec->is_null()) {
      faults.push_back({"spec", "Invalid value: must be an object"});
      return faults;
    }
    const std::string type = string_at(object, {"spec", "type"});
    if (!type.empty() && type != "ClusterIP" && type != "NodePort" && type != "LoadBalancer" &&
        type != "ExternalName") {
      faults.push_back({"spec.type", "Unsupported value: \"" + type +
                                         "\": supported values: \"ClusterIP\", \"ExternalName\", \"LoadBalancer\", "
                                         "\"NodePort\""});
    }
    if (type == "ExternalName" && string_at(object, {"spec", "externalName"}).empty()) {
      faults.push_back({"spec.externalName", "Required value"});
    }
    if (const Json* ports = find_at(object, {"spec", "ports"}); ports != nullptr && ports->is_array()) {
      for (std::size_t i = 0; i < ports->size(); ++i) {
        const Json& port = (*ports)[i];
        if (!port.is_object() || !port.contains("port") || !is_port(port["port"])) {
          faults.push_back(
              {"spec.ports[" + std::to_string(i) + "].port", "Invalid value: must be between 1 and 65535"});
        }
      }
    } else if (ports != nullptr && !ports->is_null()) {
      faults.push_back({"spec.ports", "Invalid value: must be a list"});
    }
    for (const std::string& address : strings_at(object, {"spec", "clusterIPs"})) {
      if (!address.empty() && address != "None" && !ServiceAddresses::family_of(address)) {
        faults.push_back(
            {"spec.clusterIPs", "Invalid value: \"" + address + "\": must be empty, 'None', or an IP address"});
      }
    }
    const std::string address = string_at(object, {"spec", "clusterIP"});
    if (!address.empty() && address != "None" && !ServiceAddresses::family_of(address)) {
      faults.push_back(
          {"spec.clusterIP", "Invalid value: \"" + address + "\": must be empty, 'None', or an IP address"});
    }
  } else if (&kind == &kind::endpoint_slice()) {
    const std::string type = string_at(object, {"addressType"});
    if (type != "IPv4" && type != "IPv6" && type != "FQDN") {
      faults.push_back({"addressType", type.empty() ? "Required value"
                                                    : "Unsupported value: \"" + type +
                                                          "\": supported values: \"FQDN\", \"IPv4\", \"IPv6\""});
    }
  }
  return faults;
}

void Cluster::set_defaults(const Kind& kind, Json& object) const {
  const auto default_to = [](Json& at, const char* field, const Json& value) {
    if (!at.contains(field) || at[field].is_null() || at[field] == "") at[field] = value;
  };
  const auto default_protocols = [&](Json* ports) {
    if (ports == nullptr || !ports->is_array()) return;
    for (Json& port : *ports) {
      if (port.is_object()) default_to(port, "protocol", "TCP");
    }
  };
  if (&kind == &kind::of_namespace()) {
    object["metadata"]["labels"]["kubernetes.io/metadata.name"] = string_at(object, {"metadata", "name"});
    if (object["spec"].is_null()) object["spec"] = {{"finalizers", {"kubernetes"}}};
    if (object["status"].is_null()) object["status"] = Json::object();
    if (object["status"].is_object()) default_to(object["status"], "phase", "Active");
  } else if (&kind == &kind::service()) {
    Json& spec = object["spec"];
    if (spec.is_null()) spec = Json::object();
    default_to(spec, "type", "ClusterIP");
    default_to(spec, "sessionAffinity", "None");
    if (spec["type"] != "ExternalName") default_to(spec, "internalTrafficPolicy", "Cluster");
    if (spec.contains("ports")) {
      default_protocols(&spec["ports"]);
      if (spec["ports"].is_array()) {
        for (Json& port : spec["ports"]) default_to(port, "targetPort", port["port"]);
      }
    }
    if (object["status"].is_null()) object["status"] = {{"loadBalancer", Json::object()}};
  } else if (&kind == &kind::endpoint_slice()) {
    if (object.contains("ports")) default_protocols(&object["ports"]);
    if (object["endpoints"].is_null()) object["endpoints"] = Json::array();
  } else if (&kind == &kind::pod()) {
    if (object["status"].is_null()) object["status"] = Json::object();
    if (object["status"].is_object()) default_to(object["status"], "phase", "Pending");
  } else if (&kind == &kind::service_import()) {
    if (object.contains("spec") && object["spec"].is_object() && object["spec"].contains("ports")) {
      default_protocols(&object["spec"]["ports"]);
    }
  }
}

std::expected<void, ApiError> Cluster::assign_addresses(Json& service, const Object* old, bool is_trusted,
                                                        Persist persist) {
  Json& spec = service["spec"];
  const std::string name = string_at(service, {"metadata", "name"});
  if (spec["type"] == "ExternalName") {
    spec.erase("clusterIP");
    spec.erase("clusterIPs");
    return {};
  }
  const Json before = old != nullptr ? to_json(*old) : Json::object();
  std::vector<std::string> held = strings_at(before, {"spec", "clusterIPs"});
  std::erase(held, "None");

  std::vector<std::string> wanted = strings_at(service, {"spec", "clusterIPs"});
  if (const std::string first = string_at(service, {"spec", "clusterIP"}); !first.empty()) {
    if (wanted.empty()) {
      wanted.push_back(first);
    } else {
      wanted.front() = first;
    }
  } else if (wanted.empty() && string_at(before, {"spec", "type"}) != "ExternalName") {
    wanted = strings_at(before, {"spec", "clusterIPs"});
  }
  std::erase(wanted, "");

  const std::string policy = string_at(service, {"spec", "ipFamilyPolicy"});
  std::vector<std::string> families = strings_at(service, {"spec", "ipFamilies"});
  const bool is_headless = !wanted.empty() && wanted.front() == "None";
  if (!is_headless) std::erase(wanted, "None");
  if (families.empty() && !is_headless) {
    for (const std::string& address : wanted) families.push_back(name_of(*ServiceAddresses::family_of(address)));
  }
  if (families.empty()) families.push_back(addresses_.first_address(Family::ipv4) ? "IPv4" : "IPv6");
  if ((policy == "PreferDualStack" || policy == "RequireDualStack") && families.size() == 1) {
    families.push_back(families.front() == "IPv4" ? "IPv6" : "IPv4");
  }

  if (!is_headless) {
    if (old != nullptr && !is_trusted && !held.empty() && !wanted.empty() && wanted.front() != held.front()) {
      return std::unexpected(
          invalid(kind::service(), name, {{"spec.clusterIPs[0]", "Invalid value: may not change once set"}}));
    }
    for (const std::string& address : wanted) {
      const bool is_mine = std::ranges::find(held, address) != held.end();
      if (is_trusted || is_mine) continue;
      if (!addresses_.holds(address)) {
        return std::unexpected(invalid(
            kind::service(), name,
            {{"spec.clusterIPs", "Invalid value: \"" + address + "\": the provided IP is not in the valid range"}}));
      }
      if (addresses_.is_taken(address)) {
        return std::unexpected(
            invalid(kind::service(), name,
                    {{"spec.clusterIPs", "Invalid value: \"" + address + "\": provided IP is already allocated"}}));
      }
    }
    std::vector<std::string> fresh;
    for (std::size_t i = wanted.size(); i < families.size() && i < 2; ++i) {
      const Family family = families[i] == "IPv6" ? Family::ipv6 : Family::ipv4;
      if (const auto address = addresses_.allocate(family)) {
        fresh.push_back(*address);
        wanted.push_back(*address);
      } else if (i == 0) {
        return std::unexpected(ApiError{.code = 500,
                                        .reason = "InternalError",
                                        .message = "Internal error occurred: failed to allocate a serviceIP: the " +
                                                   families[i] + " range is full or not configured"});
      } else {
        families.resize(i);  // PreferDualStack on a cluster of one family
        break;
      }
    }
    if (persist == Persist::dry_run) {
      for (const std::string& address : fresh) addresses_.release(address);
    } else {
      for (const std::string& address : wanted) {
        if (std::ranges::find(fresh, address) == fresh.end()) addresses_.take(address);
      }
    }
  }
  if (persist == Persist::yes && old != nullptr) {
    for (const std::string& address : held) addresses_.release(address);
  }
  spec["clusterIP"] = wanted.front();
  spec["clusterIPs"] = wanted;
  spec["ipFamilies"] = families;
  if (policy.empty()) spec["ipFamilyPolicy"] = families.size() > 1 ? "RequireDualStack" : "SingleStack";
  return {};
}

void Cluster::release_addresses(const Object& service) {
  for (const std::string& address : strings_at(to_json(service), {"spec", "clusterIPs"})) {
    if (address != "None") addresses_.release(address);
  }
}

std::expected<ObjectPtr, ApiError> Cluster::store(const Kind& kind, Json object, const Object* old, bool is_trusted,
                                                  Persist persist) {
  if (auto faults = check(kind, object); !faults.empty()) {
    return std::unexpected(invalid(kind, string_at(object, {"metadata", "name"}), faults));
  }
  set_defaults(kind, object);
  if (&kind == &kind::service()) {
    if (object["spec"]["type"] == "ExternalName" && old != nullptr && persist == Persist::yes) release_addresses(*old);
    if (auto assigned = assign_addresses(object, old, is_trusted, persist); !assigned) {
      return std::unexpected(assigned.error());
    }
  }
  return persist == Persist::yes ? registry_.put(kind, std::move(object)) : registry_.preview(kind, std::move(object));
}

std::expected<ObjectPtr, ApiError> Cluster::create(const Kind& kind, Json object, Persist persist) {
  Json& metadata = object["metadata"];
  std::string name = string_at(metadata, {"name"});
  if (name.empty()) {
    const std::string prefix = string_at(metadata, {"generateName"});
    if (prefix.empty()) {
      return std::unexpected(
          invalid(kind, "", {{"metadata.name", "Required value: name or generateName is required"}}));
    }
    name = prefix + random_suffix();
    metadata["name"] = name;
  }
  if (!string_at(metadata, {"resourceVersion"}).empty()) {
    return std::unexpected(bad_request("resourceVersion should not be set on objects to be created"));
  }
  const std::string ns = string_at(metadata, {"namespace"});
  if (kind.is_namespaced && registry_.get(kind::of_namespace(), "", ns) == nullptr) {
    return std::unexpected(not_found(kind::of_namespace(), ns));
  }
  if (registry_.get(kind, ns, name) != nullptr) return std::unexpected(already_exists(kind, name));
  metadata.erase("uid");
  metadata.erase("creationTimestamp");
  metadata.erase("deletionTimestamp");
  return store(kind, std::move(object), nullptr, false, persist);
}

std::expected<ObjectPtr, ApiError> Cluster::update(const Kind& kind, Json object, Persist persist) {
  const std::string name = string_at(object, {"metadata", "name"});
  const std::string ns = string_at(object, {"metadata", "namespace"});
  const ObjectPtr old = registry_.get(kind, ns, name);
  if (old == nullptr) return std::unexpected(not_found(kind, name));
  const Json before = to_json(*old);
  const std::string version = string_at(object, {"metadata", "resourceVersion"});
  if (!version.empty() && version != string_at(before, {"metadata", "resourceVersion"})) {
    return std::unexpected(conflict(kind, name,
                                    "the object has been modified; please apply your changes to the latest version and "
                                    "try again"));
  }
  const std::string uid = string_at(object, {"metadata", "uid"});
  if (!uid.empty() && uid != string_at(before, {"metadata", "uid"})) {
    return std::unexpected(conflict(kind, name, "Precondition failed: UID in precondition: " + uid));
  }
  // Only a deletion sets this, and nothing takes it back.
  if (const Json* deletion = find_at(before, {"metadata", "deletionTimestamp"})) {
    object["metadata"]["deletionTimestamp"] = *deletion;
  }
  const bool is_last_finalizer_gone = has_finalizers(before) && !has_finalizers(object) &&
                                      find_at(object, {"metadata", "deletionTimestamp"}) != nullptr;
  auto stored = store(kind, std::move(object), old.get(), false, persist);
  if (stored && is_last_finalizer_gone && persist == Persist::yes) (void)remove(kind, ns, name, persist);
  return stored;
}

std::expected<ObjectPtr, ApiError> Cluster::apply_manifest(const Kind& kind, Json object) {
  const std::string ns = string_at(object, {"metadata", "namespace"});
  if (kind.is_namespaced && is_dns_label(ns) && registry_.get(kind::of_namespace(), "", ns) == nullptr) {
    (void)apply_manifest(kind::of_namespace(), {{"metadata", {{"name", ns}}}});
  }
  const ObjectPtr old = registry_.get(kind, ns, string_at(object, {"metadata", "name"}));
  return store(kind, std::move(object), old.get(), true, Persist::yes);
}

std::expected<Cluster::Removed, ApiError> Cluster::remove(const Kind& kind, const std::string& ns,
                                                          const std::string& name, Persist persist) {
  const ObjectPtr old = registry_.get(kind, ns, name);
  if (old == nullptr) return std::unexpected(not_found(kind, name));
  if (persist == Persist::dry_run) return Removed{old, true};
  Json object = to_json(*old);
  if (has_finalizers(object)) {
    if (find_at(object, {"metadata", "deletionTimestamp"}) == nullptr) {
      object["metadata"]["deletionTimestamp"] = print_time(std::time(nullptr));
      object["metadata"]["deletionGracePeriodSeconds"] = 0;
    }
    return Removed{registry_.put(kind, std::move(object)), false};
  }
  if (&kind == &kind::of_namespace()) remove_contents(name);
  if (&kind == &kind::service()) release_addresses(*old);
  return Removed{registry_.remove(kind, ns, name), true};
}

void Cluster::remove_contents(const std::string& ns) {
  for (const Kind& each : kinds()) {
    if (!each.is_namespaced) continue;
    const auto page = registry_.page(each, {.ns = ns, .version = {}, .after_key = {}, .limit = 0, .selects = {}});
    for (const ObjectPtr& object : page->objects) {
      if (&each == &kind::service()) release_addresses(*object);
      registry_.remove(each, ns, object->name);
    }
  }
}

}  // namespace fairlead::kubesim
