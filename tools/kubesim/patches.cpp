#include "tools/kubesim/patches.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <vector>

namespace fairlead::kubesim {
namespace {

struct MergeKey {
  std::string_view list;  // the field that holds the list
  std::string_view key;   // the field of its elements that tells them apart; "" for lists of plain values
};

// Lists that are not named here are replaced as a whole (EndpointSlice's endpoints and ports are "atomic").
constexpr std::array<MergeKey, 18> merge_keys{{
    {"conditions", "type"},
    {"containers", "name"},
    {"containerStatuses", "name"},
    {"env", "name"},
    {"ephemeralContainers", "name"},
    {"finalizers", ""},
    {"hostAliases", "ip"},
    {"hostIPs", "ip"},
    {"imagePullSecrets", "name"},
    {"initContainers", "name"},
    {"ownerReferences", "uid"},
    {"podIPs", "ip"},
    {"ports", "port"},  // a Service's; a container's ports are told apart by containerPort, see key_of()
    {"taints", "key"},
    {"topologySpreadConstraints", "topologyKey"},
    {"volumeDevices", "devicePath"},
    {"volumeMounts", "mountPath"},
    {"volumes", "name"},
}};

std::optional<std::string> key_of(const Json& object, std::string_view list, const Json& patch) {
  if (list == "addresses" && patch.size() > 0 && patch[0].is_object()) return "type";  // a Node's, not a slice's
  if (list == "ports") {
    // An EndpointSlice is the object whose ports stand at its top, beside addressType: atomic.
    if (object.contains("addressType")) return std::nullopt;
    const auto has_container_port = [](const Json& element) {
      return element.is_object() && element.contains("containerPort");
    };
    return std::ranges::any_of(patch, has_container_port) ? "containerPort" : "port";
  }
  for (const MergeKey& row : merge_keys) {
    if (row.list == list) return std::string(row.key);
  }
  return std::nullopt;
}

void merge_object(Json& into, const Json& patch);

Json stripped(const Json& patch) {
  Json clean = Json::object();
  merge_object(clean, patch);
  return clean;
}

void append_without_directives(Json& list, const Json& element) {
  if (!element.is_object()) {
    list.push_back(element);
  } else if (!element.contains("$patch")) {
    list.push_back(stripped(element));
  }
}

void merge_plain_list(Json& into, const Json& patch) {
  for (const Json& value : patch) {
    if (std::ranges::find(into, value) == into.end()) into.push_back(value);
  }
}

void merge_list(Json& into, const Json& patch, const std::string& key) {
  for (const Json& element : patch) {
    if (!element.is_object()) {
      into.push_back(element);
      continue;
    }
    const auto same = [&](const Json& held) {
      return held.is_object() && held.contains(key) && element.contains(key) && held[key] == element[key] &&
             // Two ports of a Service may share the number: 53/UDP and 53/TCP.
             (!held.contains("protocol") || !element.contains("protocol") || held["protocol"] == element["protocol"]);
    };
    const auto found = std::ranges::find_if(into, same);
    const Json* directive = find_at(element, {"$patch"});
    if (directive != nullptr && *directive == "delete") {
      std::vector<Json> kept;
      for (Json& held : into) {
        if (!same(held)) kept.push_back(std::move(held));
      }
      into = kept;
    } else if (found == into.end()) {
      append_without_directives(into, element);
    } else if (directive != nullptr && *directive == "replace") {
      Json fresh = element;
      fresh.erase("$patch");
      *found = stripped(fresh);
    } else {
      merge_object(*found, element);
    }
  }
}

void set_order(Json& list, const Json& order, const std::string& key) {
  if (!list.is_array() || !order.is_array()) return;
  const auto rank = [&](const Json& element) {
    for (std::size_t i = 0; i < order.size(); ++i) {
      const Json& wanted = order[i];
      if (key.empty() ? wanted == element
                      : wanted.is_object() && element.is_object() && wanted.contains(key) && element.contains(key) &&
                            wanted[key] == element[key]) {
        return i;
      }
    }
    return order.size();
  };
  std::vector<std::pair<std::size_t, std::size_t>> places;  // rank, then the place before
  for (std::size_t i = 0; i < list.size(); ++i) places.emplace_back(rank(list[i]), i);
  std::ranges::sort(places);
  Json ordered = Json::array();
  for (const auto& place : places) ordered.push_back(std::move(list[place.second]));
  list = std::move(ordered);
}

void merge_object(Json& into, const Json& patch) {
  if (!into.is_object()) into = Json::object();
  if (const Json* directive = find_at(patch, {"$patch"}); directive != nullptr && *directive == "replace") {
    Json fresh = patch;
    fresh.erase("$patch");
    into = stripped(fresh);
    return;
  }
  if (const Json* retained = find_at(patch, {"$retainKeys"}); retained != nullptr && retained->is_array()) {
    Json kept = Json::object();
    for (const Json& name : *retained) {
      if (name.is_string() && into.contains(name.get<std::string>())) {
        kept[name.get<std::string>()] = into[name.get<std::string>()];
      }
    }
    into = kept;
  }
  for (const auto& [name, value] : patch.items()) {
    static constexpr std::string_view primitives = "$deleteFromPrimitiveList/";
    if (name.starts_with(primitives)) {
      const std::string list = name.substr(primitives.size());
      if (!into.contains(list) || !into[list].is_array() || !value.is_array()) continue;
      Json kept = Json::array();
      for (const Json& held : into[list]) {
        if (std::ranges::find(value, held) == value.end()) kept.push_back(held);
      }
      into[list] = kept;
    }
    if (name.starts_with('$')) continue;
    if (value.is_null()) {
      into.erase(name);
    } else if (value.is_object()) {
      const Json* directive = find_at(value, {"$patch"});
      if (directive != nullptr && *directive == "delete") {
        into.erase(name);
      } else {
        merge_object(into[name], value);
      }
    } else if (value.is_array()) {
      const auto key = key_of(into, name, value);
      if (!key) {
        into[name] = value;
        continue;
      }
      Json& list = into[name];
      if (!list.is_array()) list = Json::array();
      if (key->empty()) {
        merge_plain_list(list, value);
      } else {
        merge_list(list, value, *key);
      }
    } else {
      into[name] = value;
    }
  }
  static constexpr std::string_view orders = "$setElementOrder/";
  for (const auto& [name, value] : patch.items()) {
    if (!name.starts_with(orders)) continue;
    const std::string list = name.substr(orders.size());
    if (into.contains(list)) set_order(into[list], value, key_of(into, list, value).value_or(""));
  }
}

/// The values in `document`, and its depth in `depth`.
std::size_t count_nodes(const Json& document, std::size_t level, std::size_t& depth) {
  depth = std::max(depth, level);
  std::size_t nodes = 1;
  if (document.is_structured()) {
    for (const Json& element : document) nodes += count_nodes(element, level + 1, depth);
  }
  return nodes;
}

/// nlohmann-json asserts, instead of throwing, that what is added has an object or a list to be added to.
void add_at(Json& document, const std::string& path, const Json& value) {
  const Json::json_pointer pointer(path);
  if (!pointer.empty() && !document.at(pointer.parent_pointer()).is_structured()) {
    throw Json::out_of_range::create(403, "there is no object or list at the parent of " + path, nullptr);
  }
  document = document.patch(Json::array({{{"op", "add"}, {"path", path}, {"value", value}}}));
}

/// RFC 6902, one operation. Throws Json::exception for one that does not fit the document.
void apply_operation(Json& document, const Json& operation) {
  const std::string name = string_at(operation, {"op"});
  if (name == "add") {
    add_at(document, operation.at("path").get<std::string>(), operation.at("value"));
  } else if (name == "copy" || name == "move") {
    const std::string from = operation.at("from").get<std::string>();
    const Json value = document.at(Json::json_pointer(from));
    if (name == "move") document = document.patch(Json::array({{{"op", "remove"}, {"path", from}}}));
    add_at(document, operation.at("path").get<std::string>(), value);
  } else {
    // The library takes a removal below a string for done; at() throws where there is nothing.
    if (name == "remove") (void)document.at(Json::json_pointer(operation.at("path").get<std::string>()));
    document = document.patch(Json::array({operation}));
  }
}

/// RFC 6902, one operation at a time: a few dozen that copy the document into itself would otherwise double it each
/// time, or nest it past what can be printed.
std::expected<Json, std::string> apply_json_patch(const Json& object, const Json& patch) {
  if (!patch.is_array()) return std::unexpected("a JSON patch must be a list of operations");
  if (patch.size() > json_patch_operations_max) {
    return std::unexpected("more than " + std::to_string(json_patch_operations_max) + " operations");
  }
  Json patched = object;
  try {
    for (const Json& operation : patch) {
      apply_operation(patched, operation);
      std::size_t depth = 0;
      if (count_nodes(patched, 1, depth) > patched_nodes_max || depth > json_depth_max) {
        return std::unexpected("the patch makes the object too large");
      }
    }
  } catch (const Json::exception& error) {
    return std::unexpected(error.what());
  }
  return patched;
}

}  // namespace

std::expected<Json, std::string> apply_patch(PatchType type, const Json& object, const Json& patch) {
  Json patched = object;
  switch (type) {
    case PatchType::merge:
      if (!patch.is_object()) return std::unexpected("a merge patch must be an object");
      patched.merge_patch(patch);
      return patched;
    case PatchType::json: return apply_json_patch(object, patch);
    case PatchType::strategic:
    case PatchType::apply:
      if (!patch.is_object()) return std::unexpected("the patch must be an object");
      merge_object(patched, patch);
      return patched;
  }
  return std::unexpected("unknown patch type");
}

}  // namespace fairlead::kubesim
