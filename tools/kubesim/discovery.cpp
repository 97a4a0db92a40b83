#include "tools/kubesim/discovery.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "tools/kubesim/json.hpp"
#include "tools/kubesim/kinds.hpp"
#include "tools/kubesim/representation.hpp"

namespace fairlead::kubesim {
namespace {

// The version whose protocol kubesim speaks; clients choose features by it.
constexpr const char* git_version = "v1.32.0+kubesim";

const Json verbs = {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"};
const Json status_verbs = {"get", "patch", "update"};

/// Rows of one group; the core group has the name "".
std::vector<const Kind*> kinds_of(std::string_view group) {
  std::vector<const Kind*> found;
  for (const Kind& kind : kinds()) {
    if (kind.group == group) found.push_back(&kind);
  }
  return found;
}

std::vector<std::string_view> groups() {
  std::vector<std::string_view> names;
  for (const Kind& kind : kinds()) {
    if (!kind.group.empty() && std::ranges::find(names, kind.group) == names.end()) names.push_back(kind.group);
  }
  return names;
}

Json group_document(std::string_view group) {
  const Kind& first = *kinds_of(group).front();
  const Json version = {{"groupVersion", first.api_version()}, {"version", first.version}};
  return {{"name", group}, {"versions", Json::array({version})}, {"preferredVersion", version}};
}

Json resource_list(std::string_view group) {
  Json resources = Json::array();
  std::string api_version;
  for (const Kind* kind : kinds_of(group)) {
    api_version = kind->api_version();
    Json resource = {{"name", kind->plural},
                     {"singularName", kind->singular},
                     {"namespaced", kind->is_namespaced},
                     {"kind", kind->name},
                     {"verbs", verbs}};
    if (!kind->short_name.empty()) resource["shortNames"] = {kind->short_name};
    if (kind->in_all) resource["categories"] = {"all"};
    resources.push_back(resource);
    if (kind->has_status) {
      resources.push_back({{"name", std::string(kind->plural) + "/status"},
                           {"singularName", ""},
                           {"namespaced", kind->is_namespaced},
                           {"kind", kind->name},
                           {"verbs", status_verbs}});
    }
  }
  return {{"kind", "APIResourceList"}, {"apiVersion", "v1"}, {"groupVersion", api_version}, {"resources", resources}};
}

Json aggregated_group(std::string_view group) {
  Json resources = Json::array();
  std::string_view version;
  for (const Kind* kind : kinds_of(group)) {
    version = kind->version;
    const Json response_kind = {{"group", kind->group}, {"version", kind->version}, {"kind", kind->name}};
    Json resource = {{"resource", kind->plural},
                     {"responseKind", response_kind},
                     {"scope", kind->is_namespaced ? "Namespaced" : "Cluster"},
                     {"singularResource", kind->singular},
                     {"verbs", verbs}};
    if (!kind->short_name.empty()) resource["shortNames"] = {kind->short_name};
    if (kind->in_all) resource["categories"] = {"all"};
    if (kind->has_status) {
      resource["subresources"] =
          Json::array({{{"subresource", "status"}, {"responseKind", response_kind}, {"verbs", status_verbs}}});
    }
    resources.push_back(resource);
  }
  Json metadata = {{"creationTimestamp", nullptr}};
  if (!group.empty()) metadata["name"] = group;
  return {{"metadata", metadata},
          {"versions", Json::array({{{"version", version}, {"resources", resources}, {"freshness", "Current"}}})}};
}

/// The version of apidiscovery.k8s.io that the client asks for, or "".
std::string aggregated_version(std::string_view accept) {
  for (const MediaRange& range : parse_accept(accept)) {
    if (range.type == "application/json" && range.as == "APIGroupDiscoveryList" &&
        range.group == "apidiscovery.k8s.io" && (range.version == "v2" || range.version == "v2beta1")) {
      return range.version;
    }
    if (range.type == "application/json" && range.as.empty()) return {};
  }
  return {};
}

Reply json_reply(const Json& document) {
  Reply reply;
  reply.body = print_json(document);
  return reply;
}

Reply aggregated_reply(const std::string& version, const std::vector<std::string_view>& names) {
  Json items = Json::array();
  for (const std::string_view name : names) items.push_back(aggregated_group(name));
  Reply reply = json_reply({{"kind", "APIGroupDiscoveryList"},
                            {"apiVersion", "apidiscovery.k8s.io/" + version},
                            {"metadata", Json::object()},
                            {"items", items}});
  reply.content_type = "application/json;g=apidiscovery.k8s.io;v=" + version + ";as=APIGroupDiscoveryList";
  return reply;
}

std::string root_of(const Kind& kind) {
  return kind.group.empty() ? "/api/v1" : "/apis/" + std::string(kind.group) + "/" + std::string(kind.version);
}

/// kubectl looks here for the parameter fieldValidation, and validates by itself (with schemas that kubesim lacks) if
/// it is missing.
Json openapi_of(std::string_view group) {
  Json paths = Json::object();
  for (const Kind* kind : kinds_of(group)) {
    const std::string path = root_of(*kind) + (kind->is_namespaced ? "/namespaces/{namespace}/" : "/") +
                             std::string(kind->plural) + "/{name}";
    const Json parameter = [](const char* name) -> Json {
      return {{"name", name}, {"in", "query"}, {"schema", {{"type", "string"}, {"uniqueItems", true}}}};
    }("fieldValidation");
    const Json operation = {
        {"parameters",
         Json::array({parameter, {{"name", "dryRun"}, {"in", "query"}, {"schema", {{"type", "string"}}}}})},
        {"responses", {{"200", {{"description", "OK"}}}}},
        {"x-kubernetes-group-version-kind",
         {{"group", kind->group}, {"version", kind->version}, {"kind", kind->name}}}};
    paths[path] = {{"patch", operation}, {"put", operation}};
  }
  return {{"openapi", "3.0.0"},
          {"info", {{"title", "kubesim"}, {"version", git_version}}},
          {"paths", paths},
          {"components", {{"schemas", Json::object()}}}};
}

}  // namespace

std::optional<Reply> answer_discovery(std::string_view path, std::string_view accept) {
  if (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  if (path == "/") {
    Json paths = {"/api", "/api/v1", "/apis"};
    for (const std::string_view group : groups()) paths.push_back("/apis/" + std::string(group));
    for (const char* each : {"/healthz", "/kubesim/faults", "/kubesim/stats", "/livez", "/openapi/v2", "/openapi/v3",
                             "/readyz", "/version"}) {
      paths.push_back(each);
    }
    return json_reply({{"paths", paths}});
  }
  if (path == "/version") {
    return json_reply({{"major", "1"},
                       {"minor", "32"},
                       {"gitVersion", git_version},
                       {"gitCommit", ""},
                       {"gitTreeState", "clean"},
                       {"buildDate", "2025-01-01T00:00:00Z"},
                       {"goVersion", ""},
                       {"compiler", "gcc"},
                       {"platform", "linux/amd64"}});
  }
  if (path == "/healthz" || path == "/livez" || path == "/readyz") {
    Reply reply;
    reply.content_type = "text/plain; charset=utf-8";
    reply.body = "ok";
    return reply;
  }
  if (path == "/api") {
    if (const std::string version = aggregated_version(accept); !version.empty())
      return aggregated_reply(version, {""});
    return json_reply({{"kind", "APIVersions"}, {"versions", {"v1"}}, {"serverAddressByClientCIDRs", Json::array()}});
  }
  if (path == "/apis") {
    if (const std::string version = aggregated_version(accept); !version.empty()) {
      return aggregated_reply(version, groups());
    }
    Json list = Json::array();
    for (const std::string_view group : groups()) list.push_back(group_document(group));
    return json_reply({{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", list}});
  }
  if (path == "/api/v1") return json_reply(resource_list(""));
  for (const std::string_view group : groups()) {
    const std::string root = "/apis/" + std::string(group);
    if (path == root) {
      Json document = group_document(group);
      document["kind"] = "APIGroup";
      document["apiVersion"] = "v1";
      return json_reply(document);
    }
    if (path == root_of(*kinds_of(group).front())) return json_reply(resource_list(group));
    if (path == "/openapi/v3" + root_of(*kinds_of(group).front())) return json_reply(openapi_of(group));
  }
  if (path == "/openapi/v3/api/v1") return json_reply(openapi_of(""));
  if (path == "/openapi/v3") {
    Json paths = {{"api/v1", {{"serverRelativeURL", "/openapi/v3/api/v1"}}}};
    for (const std::string_view group : groups()) {
      const std::string root = root_of(*kinds_of(group).front());
      paths[root.substr(1)] = {{"serverRelativeURL", "/openapi/v3" + root}};
    }
    return json_reply({{"paths", paths}});
  }
  if (path == "/openapi/v2") {
    // kubectl reads this form only; no octets are a document without definitions. The answer names the type without
    // the "@", which is no character of a media type.
    static constexpr std::string_view protobuf = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
    if (accept.find(protobuf) != std::string_view::npos) {
      Reply reply;
      reply.content_type = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
      return reply;
    }
    return json_reply({{"swagger", "2.0"},
                       {"info", {{"title", "kubesim"}, {"version", git_version}}},
                       {"paths", Json::object()},
                       {"definitions", Json::object()}});
  }
  return std::nullopt;
}

}  // namespace fairlead::kubesim
