#include "tools/kubesim/rest_api.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <optional>

#include "tools/kubesim/continue_token.hpp"
#include "tools/kubesim/discovery.hpp"
#include "tools/kubesim/list_stream.hpp"
#include "tools/kubesim/protobuf_reader.hpp"
#include "tools/kubesim/yaml_reader.hpp"

namespace fairlead::kubesim {
namespace {

// A page of more objects than this is cut into pages by no one: the limit parameter is only a number.
constexpr std::uint64_t number_max = std::uint64_t{1} << 62;

std::optional<std::uint64_t> parse_number(const std::string& text) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  if (text.empty() || std::from_chars(text.data(), end, value) != std::from_chars_result{end, std::errc()} ||
      value > number_max) {
    return std::nullopt;
  }
  return value;
}

std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> parts;
  path.remove_prefix(1);
  if (path.ends_with('/')) path.remove_suffix(1);
  while (true) {
    const auto slash = path.find('/');
    parts.emplace_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return parts;
    path.remove_prefix(slash + 1);
  }
}

/// "application/json; charset=utf-8" -> "application/json"
std::string media_type(const std::string& content_type) {
  std::string type = content_type.substr(0, content_type.find(';'));
  while (type.ends_with(' ')) type.pop_back();
  return type;
}

std::expected<Json, ApiError> parse_body(const std::string& body, bool is_yaml) {
  if (is_yaml) {
    auto documents = read_yaml(body);
    if (!documents) {
      return std::unexpected(
          bad_request("line " + std::to_string(documents.error().line) + " of the body: " + documents.error().message));
    }
    if (documents->size() != 1) return std::unexpected(bad_request("the body must be one document"));
    return std::move(documents->front().json);
  }
  auto json = parse_json(body);
  if (!json) return std::unexpected(bad_request("the body is not JSON: " + json.error().message));
  return std::move(*json);
}

std::expected<Json, ApiError> parse_protobuf(const Kind& kind, const std::string& body) {
  auto object = read_protobuf(kind, body);
  if (!object) return std::unexpected(bad_request(object.error()));
  return std::move(*object);
}

Persist persistence(const Request& request) {
  return request.parameter("dryRun") == "All" ? Persist::dry_run : Persist::yes;
}

ApiError invalid_options(const std::string& field, const std::string& message) {
  return {.code = 422,
          .reason = "Invalid",
          .message = "ListOptions.meta.k8s.io \"\" is invalid: " + field + ": " + message,
          .details = {{"group", "meta.k8s.io"},
                      {"kind", "ListOptions"},
                      {"causes", {{{"reason", "FieldValueForbidden"}, {"message", message}, {"field", field}}}}}};
}

/// What a status write may change: the status alone.
Json with_status_of(Json held, const Json& given) {
  if (given.contains("status")) {
    held["status"] = given["status"];
  } else {
    held.erase("status");
  }
  const std::string version = string_at(given, {"metadata", "resourceVersion"});
  if (!version.empty()) held["metadata"]["resourceVersion"] = version;
  return held;
}

}  // namespace

RestApi::RestApi(Cluster& cluster, Faults& faults, Stats& stats, WatchHub& watches, RestOptions options)
    : cluster_(cluster), faults_(faults), stats_(stats), watches_(watches), options_(std::move(options)) {}

std::chrono::milliseconds RestApi::delay(const Request& request) {
  if (request.path.starts_with("/kubesim/")) return std::chrono::milliseconds(0);
  const auto target = parse_path(request);
  auto time = faults_.take_delay(request.path, target ? target->verb : "get");
  if (time.count() == 0 && target && target->is_streaming_list) time = faults_.take_delay(request.path, "list");
  if (time.count() > 0) ++stats_.faults_injected;
  return time;
}

Reply RestApi::handle(const Request& request) {
  Reply reply = answer(request);
  ++stats_.responses[reply.status];
  return reply;
}

Reply RestApi::refuse(unsigned status, const std::string& why) {
  ++stats_.responses[status];
  return reply_status({.code = status, .reason = std::string(reason_of(status)), .message = why});
}

Reply RestApi::answer(const Request& request) {
  if (!is_authenticated(request)) {
    ++stats_.unauthorized;
    return reply_status(unauthorized());
  }
  if (request.path.starts_with("/kubesim/")) return admin(request);

  const auto target = parse_path(request);
  const std::string verb = target ? target->verb : "get";
  if (target) ++stats_.requests[verb][target->kind->index];
  const bool is_streaming_list = target && target->is_streaming_list;
  if (is_streaming_list) ++stats_.requests["list"][target->kind->index];
  auto fault = faults_.take_request_fault(request.path, verb);
  if (!fault && is_streaming_list) fault = faults_.take_request_fault(request.path, "list");
  if (fault) {
    ++stats_.faults_injected;
    return reply_status(*fault);
  }
  if (!target) {
    if (auto found = answer_discovery(request.path, request.accept)) {
      return request.method == "GET" ? std::move(*found) : reply_status(method_not_allowed());
    }
    return reply_status(target.error());
  }
  auto result = serve(request, *target);
  return result ? std::move(*result) : reply_status(result.error());
}

bool RestApi::is_authenticated(const Request& request) {
  if (options_.token_file.empty() && !options_.needs_client_certificate) return true;
  if (request.is_admin_listener && request.path.starts_with("/kubesim/")) return true;
  // What the real server shows to anyone.
  for (const char* open : {"/healthz", "/livez", "/readyz", "/version"}) {
    if (request.path == open) return true;
  }
  if (options_.needs_client_certificate && request.has_client_certificate) return true;
  static constexpr std::string_view scheme = "Bearer ";
  if (options_.token_file.empty() || !request.authorization.starts_with(scheme)) return false;
  const std::string_view token = std::string_view(request.authorization).substr(scheme.size());
  // Read each time: tests rotate it, and it is a line or two.
  std::ifstream file(options_.token_file);
  std::string line;
  for (int i = 0; i < 100 && std::getline(file, line); ++i) {
    std::string_view held = line;
    held = held.substr(0, held.find_first_of(", \r\t"));
    if (!held.empty() && held == token) return true;
  }
  return false;
}

std::expected<RestApi::Target, ApiError> RestApi::parse_path(const Request& request) {
  const std::vector<std::string> parts = split_path(request.path);
  std::size_t at = 0;
  std::string group;
  if (parts[0] == "api" && parts.size() > 2) {
    at = 1;
  } else if (parts[0] == "apis" && parts.size() > 3) {
    group = parts[1];
    at = 2;
  } else {
    return std::unexpected(path_not_found());
  }
  const std::string version = parts[at++];
  Target target;
  // /namespaces/NS/services, but /namespaces/NS and /namespaces/NS/status are the Namespace itself.
  if (parts[at] == "namespaces" && parts.size() > at + 2 && parts[at + 2] != "status" && parts[at + 2] != "finalize") {
    target.ns = parts[at + 1];
    at += 2;
    target.kind = find_resource(group, version, parts[at++]);
    if (target.kind == nullptr || !target.kind->is_namespaced || target.ns.empty()) {
      return std::unexpected(path_not_found());
    }
  } else {
    target.kind = find_resource(group, version, parts[at++]);
    if (target.kind == nullptr) return std::unexpected(path_not_found());
    // Across all namespaces only collections have a path.
    if (target.kind->is_namespaced && parts.size() > at) return std::unexpected(path_not_found());
  }
  if (parts.size() > at) target.name = parts[at++];
  if (parts.size() > at) target.subresource = parts[at++];
  if (parts.size() > at || (parts.size() == at && parts.back().empty())) return std::unexpected(path_not_found());
  if (!target.subresource.empty() && !(target.subresource == "status" && target.kind->has_status)) {
    return std::unexpected(path_not_found());
  }

  const bool is_collection = target.name.empty();
  if (request.method == "GET") {
    target.verb = request.flag("watch") && target.subresource.empty() ? "watch" : is_collection ? "list" : "get";
    target.is_streaming_list = target.verb == "watch" && is_collection && request.flag("sendInitialEvents");
  } else if (request.method == "POST") {
    target.verb = "create";
  } else if (request.method == "PUT") {
    target.verb = "update";
  } else if (request.method == "PATCH") {
    target.verb = "patch";
  } else if (request.method == "DELETE") {
    target.verb = is_collection ? "deletecollection" : "delete";
  } else {
    target.verb = "other";
  }
  return target;
}

RestApi::Result RestApi::serve(const Request& request, const Target& target) {
  const bool is_collection = target.name.empty();
  if (target.verb == "watch") return watch(request, target);
  if (target.verb == "list") return list(request, target);
  if (target.verb == "get") return get(request, target);
  if (target.verb == "create" && is_collection && (!target.kind->is_namespaced || !target.ns.empty())) {
    return create(request, target);
  }
  if (target.verb == "update" && !is_collection) return update(request, target);
  if (target.verb == "patch" && !is_collection) return patch(request, target);
  if (target.verb == "delete" && target.subresource.empty()) return remove(request, target);
  if (target.verb == "deletecollection" && (!target.kind->is_namespaced || !target.ns.empty())) {
    return remove_collection(request, target);
  }
  return std::unexpected(method_not_allowed());
}

std::expected<Selection, ApiError> RestApi::parse_selection(const Request& request, const Target& target) {
  auto labels = LabelSelector::parse(request.parameter("labelSelector"));
  if (!labels) return std::unexpected(bad_request(labels.error()));
  if (!target.name.empty()) return Selection{std::move(*labels), FieldSelector::of_name(target.name)};
  auto fields = FieldSelector::parse(*target.kind, request.parameter("fieldSelector"));
  if (!fields) return std::unexpected(bad_request(fields.error()));
  return Selection{std::move(*labels), std::move(*fields)};
}

std::optional<Representation> RestApi::negotiate(const Request& request, const Kind& kind) const {
  return kubesim::negotiate(request.accept, request.parameter("includeObject"), options_.protobuf ? &kind : nullptr);
}

RestApi::Result RestApi::list(const Request& request, const Target& target) {
  const auto representation = negotiate(request, *target.kind);
  if (!representation) {
    return std::unexpected(ApiError{.code = 406,
                                    .reason = "NotAcceptable",
                                    .message = "only the following media types are accepted: application/json"});
  }
  const auto selection = parse_selection(request, target);
  if (!selection) return std::unexpected(selection.error());
  const ObjectRegistry& registry = cluster_.registry();

  ObjectRegistry::PageRequest page_request;
  page_request.ns = target.ns;
  if (!selection->is_everything()) {
    page_request.selects = [&](const Object& object) { return selection->matches(object); };
  }
  if (const std::string limit = request.parameter("limit"); !limit.empty()) {
    const auto number = parse_number(limit);
    if (!number) return std::unexpected(bad_request("invalid limit '" + limit + "'"));
    page_request.limit = *number;
  }

  const std::string version_text = request.parameter("resourceVersion");
  const std::string match = request.parameter("resourceVersionMatch");
  const std::string continue_text = request.parameter("continue");
  const auto version = version_text.empty() ? std::optional<std::uint64_t>(0) : parse_number(version_text);
  if (!version) return std::unexpected(bad_request("invalid resource version: '" + version_text + "'"));
  if (!match.empty() && match != "Exact" && match != "NotOlderThan") {
    return std::unexpected(invalid_options("resourceVersionMatch", "supported values: \"Exact\", \"NotOlderThan\""));
  }
  if (!match.empty() && version_text.empty()) {
    return std::unexpected(invalid_options("resourceVersionMatch", "is forbidden unless resourceVersion is provided"));
  }
  if (match == "Exact" && *version == 0) {
    return std::unexpected(invalid_options("resourceVersionMatch", "\"Exact\" is forbidden for resourceVersion \"0\""));
  }

  if (!continue_text.empty()) {
    if (*version != 0) {
      return std::unexpected(bad_request("specifying resource version is not allowed when using continue"));
    }
    auto token = ContinueToken::parse(continue_text);
    if (!token || token->version > registry.version()) {
      return std::unexpected(bad_request("continue key is not valid: it was not made by this server"));
    }
    page_request.after_key = token->after_key;
    if (token->version != 0) page_request.version = token->version;
    page_request.left = token->left;
    const bool is_too_old = std::time(nullptr) - token->made_at > options_.continue_ttl.count();
    if (token->version != 0 && is_too_old) page_request.version = 0;  // older than any history: expired below
  } else if (*version != 0) {
    if (*version > registry.version()) return std::unexpected(version_too_large(*version, registry.version()));
    // Without a match parameter, a limit makes the version exact; otherwise anything as new will do.
    if (match == "Exact" || (match.empty() && page_request.limit != 0)) page_request.version = *version;
  } else if (version_text == "0") {
    // "Any version" comes from the real server's watch cache, which sends everything at once, whatever the limit.
    page_request.limit = 0;
  }

  auto page = registry.page(*target.kind, page_request);
  if (!page) {
    if (continue_text.empty()) {
      return std::unexpected(expired("The resourceVersion for the provided list is too old."));
    }
    ApiError error = expired(
        "The provided continue parameter is too old to display a consistent list result. Start a new list, or use the "
        "continue token of this answer for the rest of it, which is then not of one version.");
    error.continue_at = ContinueToken{0, std::time(nullptr), page_request.after_key}.print();
    return std::unexpected(error);
  }
  Json metadata = {{"resourceVersion", std::to_string(page->version)}};
  if (page->has_more) {
    metadata["continue"] =
        ContinueToken{page->version, std::time(nullptr), page->objects.back()->key(), page->remaining}.print();
    if (selection->is_everything()) metadata["remainingItemCount"] = page->remaining;
  }
  Reply reply;
  reply.content_type = representation->content_type;
  const auto cut = faults_.take_list_cut();
  if (cut) ++stats_.faults_injected;
  std::string head = render_list_head(*target.kind, metadata, page->objects, *representation);
  reply.stream = std::make_unique<ListStream>(std::move(head), std::move(page->objects), *representation, stats_, cut);
  if (options_.gzip && request.accept_encoding.find("gzip") != std::string::npos) {
    reply.headers.emplace_back("Content-Encoding", "gzip");
    reply.headers.emplace_back("Vary", "Accept-Encoding");
    reply.stream = make_gzip_stream(std::move(reply.stream));
  }
  return reply;
}

RestApi::Result RestApi::watch(const Request& request, const Target& target) {
  auto representation = negotiate(request, *target.kind);
  if (!representation) {
    return std::unexpected(ApiError{.code = 406,
                                    .reason = "NotAcceptable",
                                    .message = "only the following media types are accepted: application/json"});
  }
  auto selection = parse_selection(request, target);
  if (!selection) return std::unexpected(selection.error());
  const ObjectRegistry& registry = cluster_.registry();

  const std::string version_text = request.parameter("resourceVersion");
  const auto version = version_text.empty() ? std::optional<std::uint64_t>(0) : parse_number(version_text);
  if (!version) return std::unexpected(bad_request("invalid resource version: '" + version_text + "'"));
  const bool is_unknown = faults_.streaming_lists() == Faults::StreamingLists::ignore;
  const bool has_initial = !is_unknown && !request.parameter("sendInitialEvents").empty();
  const bool sends_initial = has_initial && request.flag("sendInitialEvents");
  const std::string match = is_unknown ? "" : request.parameter("resourceVersionMatch");
  if (has_initial && match != "NotOlderThan") {
    return std::unexpected(invalid_options("resourceVersionMatch",
                                           "sendInitialEvents requires setting "
                                           "resourceVersionMatch to NotOlderThan"));
  }
  if (has_initial && faults_.streaming_lists() == Faults::StreamingLists::refuse) {
    return std::unexpected(invalid_options("sendInitialEvents",
                                           "sendInitialEvents is forbidden for watch unless the WatchList feature gate "
                                           "is enabled"));
  }
  if (!has_initial && !match.empty()) {
    return std::unexpected(invalid_options("resourceVersionMatch",
                                           "is forbidden for watch unless sendInitialEvents is "
                                           "provided"));
  }

  WatchRequest made;
  made.kind = target.kind;
  made.ns = target.ns;
  made.representation = *representation;
  made.wants_bookmarks = request.flag("allowWatchBookmarks");
  made.bookmark_interval = options_.bookmark_interval;
  made.timeout = options_.watch_timeout;
  if (const std::string timeout = request.parameter("timeoutSeconds"); !timeout.empty()) {
    const auto seconds = parse_number(timeout);
    if (!seconds) return std::unexpected(bad_request("invalid timeoutSeconds '" + timeout + "'"));
    if (*seconds > 0) made.timeout = std::chrono::seconds(std::min<std::uint64_t>(*seconds, 86'400));
  }

  Reply reply;
  reply.content_type = representation->content_type;
  const bool starts_now = sends_initial || *version == 0;
  if (sends_initial && *version > registry.version()) {
    return std::unexpected(version_too_large(*version, registry.version()));
  }
  if (starts_now) {
    made.from = registry.version();
    made.cursor = registry.end_of_history(*target.kind);
    if (sends_initial || !has_initial) {
      ObjectRegistry::PageRequest all{.ns = target.ns, .version = {}, .after_key = {}, .limit = 0, .selects = {}};
      if (!selection->is_everything()) all.selects = [&](const Object& object) { return selection->matches(object); };
      made.initial = std::move(registry.page(*target.kind, all)->objects);
      made.ends_initial_with_bookmark = sends_initial && made.wants_bookmarks;
      if (sends_initial) made.cut_after = faults_.take_list_cut();
      if (made.cut_after) ++stats_.faults_injected;
    }
  } else {
    made.from = *version;
    const auto cursor = registry.find_cursor(*target.kind, *version);
    if (!cursor) {
      const ApiError error =
          expired("too old resource version: " + version_text + " (" + std::to_string(registry.version()) + ")");
      if (faults_.is_expiry_http()) return std::unexpected(error);
      // Once a watch has begun, the real server tells even this through the stream.
      reply.stream = std::make_unique<ErrorWatchStream>(error, *representation, stats_);
      return reply;
    }
    made.cursor = *cursor;
  }
  made.selection = std::move(*selection);
  reply.stream = std::make_unique<WatchStream>(watches_, std::move(made));
  return reply;
}

RestApi::Result RestApi::reply_with(const Request& request, const Object& object, unsigned status) const {
  const auto representation = negotiate(request, *object.kind);
  if (!representation) {
    return std::unexpected(ApiError{.code = 406,
                                    .reason = "NotAcceptable",
                                    .message = "only the following media types are accepted: application/json"});
  }
  Reply reply;
  reply.status = status;
  reply.content_type = representation->content_type;
  reply.body = render(object, *representation);
  if (!representation->is_protobuf) reply.body += "\n";
  return reply;
}

RestApi::Result RestApi::get(const Request& request, const Target& target) {
  const ObjectPtr object = cluster_.registry().get(*target.kind, target.ns, target.name);
  if (object == nullptr) return std::unexpected(not_found(*target.kind, target.name));
  return reply_with(request, *object, 200);
}

std::expected<Json, ApiError> RestApi::read_object(const Request& request, const Target& target) {
  const std::string type = media_type(request.content_type);
  const bool is_yaml = type == "application/yaml" || type == "application/x-yaml" || type == "text/yaml";
  const bool is_protobuf = type == "application/vnd.kubernetes.protobuf" && has_protobuf_schema(*target.kind);
  if (!is_yaml && !is_protobuf && !type.empty() && type != "application/json") {
    return std::unexpected(unsupported_media(type, "application/json, application/yaml"));
  }
  auto object = is_protobuf ? parse_protobuf(*target.kind, request.body) : parse_body(request.body, is_yaml);
  if (!object) return object;
  if (!object->is_object()) return std::unexpected(bad_request("the body must be an object"));
  const std::string kind = string_at(*object, {"kind"});
  const std::string api_version = string_at(*object, {"apiVersion"});
  if ((!kind.empty() && kind != target.kind->name) ||
      (!api_version.empty() && api_version != target.kind->api_version())) {
    return std::unexpected(bad_request("the object provided is " + api_version + " " + kind + ", this path takes " +
                                       target.kind->api_version() + " " + std::string(target.kind->name)));
  }
  Json& metadata = (*object)["metadata"];
  if (metadata.is_null()) metadata = Json::object();
  if (!metadata.is_object()) return std::unexpected(bad_request("metadata must be an object"));
  if (target.kind->is_namespaced) {
    const std::string ns = string_at(metadata, {"namespace"});
    if (!ns.empty() && ns != target.ns) {
      return std::unexpected(
          bad_request("the namespace of the provided object does not match the namespace sent on the request"));
    }
    metadata["namespace"] = target.ns;
  } else {
    metadata.erase("namespace");
  }
  if (!target.name.empty()) {
    const std::string name = string_at(metadata, {"name"});
    if (!name.empty() && name != target.name) {
      return std::unexpected(bad_request("the name of the object (" + name + ") does not match the name on the URL (" +
                                         target.name + ")"));
    }
    metadata["name"] = target.name;
  }
  return object;
}

RestApi::Result RestApi::create(const Request& request, const Target& target) {
  auto object = read_object(request, target);
  if (!object) return std::unexpected(object.error());
  const auto stored = cluster_.create(*target.kind, std::move(*object), persistence(request));
  if (!stored) return std::unexpected(stored.error());
  return reply_with(request, **stored, 201);
}

RestApi::Result RestApi::update(const Request& request, const Target& target) {
  auto object = read_object(request, target);
  if (!object) return std::unexpected(object.error());
  const ObjectPtr old = cluster_.registry().get(*target.kind, target.ns, target.name);
  if (old == nullptr) return std::unexpected(not_found(*target.kind, target.name));
  if (target.subresource == "status") *object = with_status_of(to_json(*old), *object);
  const auto stored = cluster_.update(*target.kind, std::move(*object), persistence(request));
  if (!stored) return std::unexpected(stored.error());
  return reply_with(request, **stored, 200);
}

RestApi::Result RestApi::patch(const Request& request, const Target& target) {
  const std::string media = media_type(request.content_type);
  PatchType type = PatchType::merge;
  if (media == "application/json-patch+json") {
    type = PatchType::json;
  } else if (media == "application/strategic-merge-patch+json" && !target.kind->is_custom) {
    type = PatchType::strategic;
  } else if (media == "application/apply-patch+yaml") {
    type = PatchType::apply;
  } else if (media != "application/merge-patch+json") {
    return std::unexpected(unsupported_media(media,
                                             "application/json-patch+json, application/merge-patch+json, "
                                             "application/strategic-merge-patch+json, application/apply-patch+yaml"));
  }
  auto body = parse_body(request.body, type == PatchType::apply);
  if (!body) return std::unexpected(body.error());
  const ObjectPtr old = cluster_.registry().get(*target.kind, target.ns, target.name);
  if (old == nullptr) {
    if (type != PatchType::apply) return std::unexpected(not_found(*target.kind, target.name));
    Request creation = request;
    creation.content_type = "application/json";
    creation.body = print_json(*body);
    auto object = read_object(creation, target);
    if (!object) return std::unexpected(object.error());
    const auto stored = cluster_.create(*target.kind, std::move(*object), persistence(request));
    if (!stored) return std::unexpected(stored.error());
    return reply_with(request, **stored, 201);
  }
  const Json before = to_json(*old);
  auto patched = apply_patch(type, before, *body);
  if (!patched) return std::unexpected(invalid(*target.kind, target.name, {{"patch", patched.error()}}));
  if (!patched->is_object() || find_at(*patched, {"metadata"}) == nullptr || !(*patched)["metadata"].is_object()) {
    return std::unexpected(invalid(*target.kind, target.name, {{"metadata", "the patch leaves no metadata"}}));
  }
  for (const auto& path : {std::initializer_list<std::string_view>{"kind"},
                           {"apiVersion"},
                           {"metadata", "name"},
                           {"metadata", "namespace"}}) {
    if (string_at(*patched, path) != string_at(before, path)) {
      return std::unexpected(bad_request("a patch may not change kind, apiVersion, name or namespace"));
    }
  }
  if (target.subresource == "status") *patched = with_status_of(before, *patched);
  const auto stored = cluster_.update(*target.kind, std::move(*patched), persistence(request));
  if (!stored) return std::unexpected(stored.error());
  return reply_with(request, **stored, 200);
}

RestApi::Result RestApi::remove(const Request& request, const Target& target) {
  const ObjectPtr old = cluster_.registry().get(*target.kind, target.ns, target.name);
  if (old == nullptr) return std::unexpected(not_found(*target.kind, target.name));
  Persist persist = persistence(request);
  const std::string uid = string_at(to_json(*old), {"metadata", "uid"});
  // A body holds DeleteOptions; one in protobuf is not read, and its preconditions not kept.
  if (!request.body.empty() && media_type(request.content_type) != "application/vnd.kubernetes.protobuf") {
    const auto options = parse_body(request.body, false);
    if (!options) return std::unexpected(options.error());
    const std::string wanted_uid = string_at(*options, {"preconditions", "uid"});
    const std::string wanted_version = string_at(*options, {"preconditions", "resourceVersion"});
    if (!wanted_uid.empty() && wanted_uid != uid) {
      return std::unexpected(
          conflict(*target.kind, target.name,
                   "Precondition failed: UID in precondition: " + wanted_uid + ", UID in object meta: " + uid));
    }
    if (!wanted_version.empty() && wanted_version != std::to_string(old->version)) {
      return std::unexpected(
          conflict(*target.kind, target.name, "the resourceVersion of the precondition is not current"));
    }
    if (const Json* dry = find_at(*options, {"dryRun"}); dry != nullptr && dry->is_array() && !dry->empty()) {
      persist = Persist::dry_run;
    }
  }
  const auto removed = cluster_.remove(*target.kind, target.ns, target.name, persist);
  if (!removed) return std::unexpected(removed.error());
  if (!removed->is_gone) return reply_with(request, *removed->object, 200);
  Json details = {{"name", target.name}, {"kind", target.kind->plural}, {"uid", uid}};
  if (!target.kind->group.empty()) details["group"] = target.kind->group;
  Reply reply;
  reply.body = print_json({{"kind", "Status"},
                           {"apiVersion", "v1"},
                           {"metadata", Json::object()},
                           {"status", "Success"},
                           {"details", details}}) +
               "\n";
  return reply;
}

RestApi::Result RestApi::remove_collection(const Request& request, const Target& target) {
  const auto selection = parse_selection(request, target);
  if (!selection) return std::unexpected(selection.error());
  ObjectRegistry::PageRequest all{.ns = target.ns, .version = {}, .after_key = {}, .limit = 0, .selects = {}};
  all.selects = [&](const Object& object) { return selection->matches(object); };
  auto page = cluster_.registry().page(*target.kind, all);
  if (!page) return std::unexpected(expired("the list expired"));
  for (const ObjectPtr& object : page->objects) {
    (void)cluster_.remove(*target.kind, object->ns, object->name, persistence(request));
  }
  Reply reply;
  reply.stream = std::make_unique<ListStream>(
      render_list_head(*target.kind, {{"resourceVersion", std::to_string(cluster_.registry().version())}}, {}, {}),
      std::move(page->objects), Representation{}, stats_, std::nullopt);
  return reply;
}

Reply RestApi::reply_status(const ApiError& error) {
  Reply reply;
  reply.status = error.code;
  reply.body = print_json(to_status(error)) + "\n";
  if (error.retry_after_s != 0) reply.headers.emplace_back("Retry-After", std::to_string(error.retry_after_s));
  if (error.code == 401) reply.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"kubesim\"");
  return reply;
}

Reply RestApi::admin(const Request& request) {
  Reply reply;
  if (request.path == "/kubesim/stats" && request.method == "GET") {
    reply.body = stats_document().dump(2) + "\n";
  } else if (request.path == "/kubesim/faults" && request.method == "GET") {
    reply.body = faults_.state().dump(2) + "\n";
  } else if (request.path == "/kubesim/faults" && (request.method == "POST" || request.method == "DELETE")) {
    return apply_faults(request);
  } else if (request.path == "/kubesim/stats" || request.path == "/kubesim/faults") {
    return reply_status(method_not_allowed());
  } else {
    return reply_status(path_not_found());
  }
  return reply;
}

Reply RestApi::apply_faults(const Request& request) {
  // DELETE is a reset. The content type does not matter: curl -d sends a form's.
  const auto document = parse_body(request.method == "DELETE" ? R"({"reset":true})" : request.body, false);
  if (!document) return reply_status(document.error());
  const auto actions = faults_.apply(*document);
  if (!actions) return reply_status(bad_request(actions.error()));
  if (actions->expire_history) {
    cluster_.registry().expire_history();
    ++stats_.faults_injected;
  }
  if (actions->close_watches != CloseWatches::no) {
    watches_.close(actions->close_watches, actions->close_watches_of);
    ++stats_.faults_injected;
  }
  watches_.wake_all();
  if (act_) act_(*actions);
  Reply reply;
  Json state = faults_.state();
  state["resource_version"] = std::to_string(cluster_.registry().version());
  reply.body = state.dump(2) + "\n";
  return reply;
}

Json RestApi::stats_document() const {
  const auto by_kind = [](const auto& counts) {
    Json object = Json::object();
    for (const Kind& kind : kinds()) object[std::string(kind.plural)] = counts[kind.index];
    return object;
  };
  Json requests = Json::object();
  for (const char* verb : {"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}) {
    requests[verb] = by_kind(std::array<std::uint64_t, kind_count>{});
  }
  for (const auto& [verb, counts] : stats_.requests) requests[verb] = by_kind(counts);
  Json responses = Json::object();
  for (const auto& [status, count] : stats_.responses) responses[std::to_string(status)] = count;
  Json objects = Json::object();
  for (const Kind& kind : kinds()) objects[std::string(kind.plural)] = cluster_.registry().count(kind);
  Json document = {{"resource_version", std::to_string(cluster_.registry().version())},
                   {"objects", objects},
                   {"requests", requests},
                   {"responses", responses},
                   {"open_watches", by_kind(stats_.open_watches)},
                   {"events_sent", by_kind(stats_.events_sent)},
                   {"bookmarks_sent", stats_.bookmarks_sent},
                   {"watch_errors_sent", stats_.watch_errors_sent},
                   {"lists_completed", stats_.lists_completed},
                   {"stalled_watches", stats_.stalled_watches},
                   {"unauthorized", stats_.unauthorized},
                   {"faults_injected", stats_.faults_injected},
                   {"manifest_loads", stats_.manifest_loads},
                   {"manifest_errors", stats_.manifest_errors},
                   {"churned", stats_.churned}};
  if (add_stats_) add_stats_(document);
  return document;
}

}  // namespace fairlead::kubesim
