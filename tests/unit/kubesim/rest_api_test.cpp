#include "tools/kubesim/rest_api.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace fairlead::kubesim {
namespace {

/// The API without sockets: requests in, bodies out.
struct Fixture {
  Fixture() { cluster.add_builtin_objects(); }

  Reply request(const char* method, const std::string& target, const std::string& body = "",
                const std::string& content_type = "", const std::string& accept = "") {
    Request made;
    made.method = method;
    REQUIRE(parse_target(target, made));
    made.body = body;
    made.content_type = content_type;
    made.accept = accept;
    return api.handle(made);
  }
  static std::string text(Reply& reply) {
    if (reply.stream == nullptr) return reply.body;
    std::string all;
    while (true) {
      const auto step = reply.stream->next(all, Clock::now());
      if (step != BodyStream::Step::more) return all;
    }
  }
  Json get(const std::string& target, unsigned status = 200) {
    Reply reply = request("GET", target);
    CHECK(reply.status == status);
    return *parse_json(text(reply));
  }
  Json put_service(const char* name, Json spec = Json::object(), Json labels = Json::object()) {
    const Json object = {{"metadata", {{"name", name}, {"namespace", "default"}, {"labels", labels}}}, {"spec", spec}};
    const auto stored = cluster.apply_manifest(kind::service(), object);
    REQUIRE(stored.has_value());
    return to_json(**stored);
  }
  /// The events that are due now.
  static std::vector<Json> events(Reply& reply, BodyStream::Step* last = nullptr) {
    std::string all;
    BodyStream::Step step;
    do {
      step = reply.stream->next(all, Clock::now());
    } while (step == BodyStream::Step::more);
    if (last != nullptr) *last = step;
    std::vector<Json> parsed;
    while (!all.empty()) {
      const auto line = all.substr(0, all.find('\n'));
      parsed.push_back(*parse_json(line));
      all.erase(0, line.size() + 1);
    }
    return parsed;
  }
  static std::vector<std::string> types(const std::vector<Json>& events) {
    std::vector<std::string> found;
    for (const Json& event : events) found.push_back(event["type"]);
    return found;
  }
  std::string version() { return std::to_string(registry.version()); }

  ObjectRegistry registry{{}, 1000, 1};
  Cluster cluster{registry, *ServiceAddresses::parse({"10.96.0.0/16"})};
  Faults faults;
  Stats stats;
  WatchHub watches{registry, faults, stats};
  RestOptions options;
  RestApi api{cluster, faults, stats, watches, options};
};

const char* services = "/api/v1/services";
const char* default_services = "/api/v1/namespaces/default/services";

TEST_CASE_FIXTURE(Fixture, "discovery names every kind of the table, and only paths that are served") {
  for (const Kind& kind : kinds()) {
    const std::string root =
        kind.group.empty() ? "/api/v1" : "/apis/" + std::string(kind.group) + "/" + std::string(kind.version);
    const Json list = get(root);
    const bool is_there =
        std::ranges::any_of(list["resources"], [&](const Json& resource) { return resource["name"] == kind.plural; });
    CHECK(is_there);
    CHECK(get(root + "/" + std::string(kind.plural))["kind"] == std::string(kind.name) + "List");
  }
  CHECK(get("/apis")["groups"].size() == 2);
  CHECK(get("/version")["minor"] == "32");
  Reply aggregated = request("GET", "/api", "", "",
                             "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json");
  CHECK(aggregated.content_type.find("as=APIGroupDiscoveryList") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "paths that do not exist are 404, methods that do not fit 405") {
  for (const char* path : {"/api/v2", "/api/v1/deployments", "/apis/apps/v1/deployments", "/api/v1/services/x",
                           "/api/v1/namespaces/default/namespaces", "/api/v1/namespaces/default/services/x/scale",
                           "/api/v1/namespaces/default/services/x/status/y", "/api/v1/namespaces//services", "/x",
                           "/kubesim/none", "/api/v1/nodes/x/", "/apis/discovery.k8s.io/v1/services"}) {
    INFO(std::string(path));
    Reply reply = request("GET", path);
    CHECK(reply.status == 404);
    CHECK(parse_json(text(reply))->at("kind") == "Status");
  }
  CHECK(request("PUT", services).status == 405);
  CHECK(request("POST", services).status == 405);
  CHECK(request("DELETE", services).status == 405);
  CHECK(request("OPTIONS", default_services).status == 405);
  CHECK(request("POST", "/version").status == 405);
  CHECK(request("PUT", "/kubesim/stats").status == 405);
}

TEST_CASE_FIXTURE(Fixture, "an object is created, read, replaced, patched and deleted") {
  Reply created = request("POST", default_services, R"({"metadata":{"name":"web"},"spec":{"ports":[{"port":80}]}})");
  CHECK(created.status == 201);
  Json held = get(std::string(default_services) + "/web");
  CHECK(held["spec"]["ports"][0]["protocol"] == "TCP");

  held["spec"]["selector"] = {{"a", "b"}};
  CHECK(request("PUT", std::string(default_services) + "/web", print_json(held)).status == 200);
  Reply stale = request("PUT", std::string(default_services) + "/web", print_json(held));
  CHECK(stale.status == 409);
  CHECK(parse_json(stale.body)->at("reason") == "Conflict");

  CHECK(request("PATCH", std::string(default_services) + "/web", R"({"metadata":{"labels":{"x":"y"}}})",
                "application/merge-patch+json")
            .status == 200);
  CHECK(request("PATCH", std::string(default_services) + "/web", R"({"metadata":{"name":"other"}})",
                "application/merge-patch+json")
            .status == 400);
  CHECK(request("PATCH", std::string(default_services) + "/web", "{}", "application/json").status == 415);
  CHECK(get(std::string(default_services) + "/web")["metadata"]["labels"]["x"] == "y");

  CHECK(request("DELETE", std::string(default_services) + "/web", R"({"preconditions":{"uid":"other"}})").status ==
        409);
  CHECK(request("DELETE", std::string(default_services) + "/web").status == 200);
  CHECK(get(std::string(default_services) + "/web", 404)["reason"] == "NotFound");
}

TEST_CASE_FIXTURE(Fixture, "server-side apply creates and then merges, from YAML") {
  const std::string path = "/api/v1/namespaces/default/pods/p?fieldManager=me";
  const char* type = "application/apply-patch+yaml";
  CHECK(request("PATCH", path, "apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {a: b}}\n", type).status == 201);
  CHECK(request("PATCH", path, "apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {c: d}}\n", type).status == 200);
  CHECK(get("/api/v1/namespaces/default/pods/p")["metadata"]["labels"] == Json({{"a", "b"}, {"c", "d"}}));
}

TEST_CASE_FIXTURE(Fixture, "a status write changes the status alone") {
  put_service("web");
  const std::string path = std::string(default_services) + "/web/status";
  CHECK(request("PATCH", path,
                R"({"spec":{"selector":{"a":"b"}},"status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.1"}]}}})",
                "application/merge-patch+json")
            .status == 200);
  const Json held = get(std::string(default_services) + "/web");
  CHECK(held["status"]["loadBalancer"]["ingress"][0]["ip"] == "192.0.2.1");
  CHECK_FALSE(held["spec"].contains("selector"));
}

TEST_CASE_FIXTURE(Fixture, "bodies that cannot be meant are 400, formats that cannot be read 415") {
  for (const char* body : {"", "{", "[]", "5", R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"x"}})",
                           R"({"metadata":5})", R"({"metadata":{"name":"x","namespace":"other"}})"}) {
    INFO(std::string(body));
    CHECK(request("POST", default_services, body).status == 400);
  }
  CHECK(request("POST", default_services, "x", "text/plain").status == 415);
  CHECK(request("POST", default_services, "metadata: {name: [}", "application/yaml").status == 400);
  CHECK(request("POST", default_services, "metadata: {name: fine}", "application/yaml").status == 201);
  CHECK(request("GET", services, "", "", "application/vnd.kubernetes.protobuf").status == 406);
}

TEST_CASE_FIXTURE(Fixture, "a list has its version, and items without kind, as built-in types have") {
  put_service("web");
  const Json list = get(services);
  CHECK(list["metadata"]["resourceVersion"] == version());
  CHECK(list["items"].size() == 2);
  CHECK_FALSE(list["items"][0].contains("kind"));
  REQUIRE(cluster.apply_manifest(kind::service_import(), {{"metadata", {{"name", "i"}, {"namespace", "default"}}}})
              .has_value());
  CHECK(get("/apis/multicluster.x-k8s.io/v1alpha1/serviceimports")["items"][0]["kind"] == "ServiceImport");
}

TEST_CASE_FIXTURE(Fixture, "a list in pages is complete and of one version") {
  for (const char* name : {"a", "b", "c", "d"}) put_service(name);  // and "kubernetes"
  const Json first = get(std::string(services) + "?limit=2");
  CHECK(first["items"].size() == 2);
  CHECK(first["metadata"]["remainingItemCount"] == 3);
  const std::string token = first["metadata"]["continue"];
  put_service("bb");
  put_service("e");
  const Json second = get(std::string(services) + "?limit=2&continue=" + token);
  CHECK(second["items"].size() == 2);
  CHECK(second["items"][0]["metadata"]["name"] == "c");
  CHECK(second["metadata"]["remainingItemCount"] == 1);
  CHECK(second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]);
  const Json third = get(std::string(services) + "?limit=2&continue=" + std::string(second["metadata"]["continue"]));
  CHECK(third["items"].size() == 1);
  CHECK(third["items"][0]["metadata"]["name"] == "kubernetes");
  CHECK_FALSE(third["metadata"].contains("continue"));
}

TEST_CASE_FIXTURE(Fixture, "a continue token expires with the history: 410 Expired, with a token to go on regardless") {
  for (const char* name : {"a", "b", "c"}) put_service(name);
  const std::string token = get(std::string(services) + "?limit=2")["metadata"]["continue"];
  registry.expire_history();
  const Json gone = get(std::string(services) + "?limit=2&continue=" + token, 410);
  CHECK(gone["reason"] == "Expired");
  const Json rest = get(std::string(services) + "?continue=" + std::string(gone["metadata"]["continue"]));
  CHECK(rest["items"].size() == 2);
  CHECK(get(std::string(services) + "?continue=nonsense", 400)["reason"] == "BadRequest");
  CHECK(get(std::string(services) + "?continue=" + token + "&resourceVersion=5", 400)["reason"] == "BadRequest");
}

TEST_CASE_FIXTURE(Fixture, "lists at a resource version: exact, not older, too old, yet to come") {
  put_service("a");
  const std::string then = version();
  put_service("b");
  CHECK(get(std::string(services) + "?resourceVersion=" + then + "&resourceVersionMatch=Exact")["items"].size() == 2);
  CHECK(
      get(std::string(services) + "?resourceVersion=" + then + "&resourceVersionMatch=NotOlderThan")["items"].size() ==
      3);
  CHECK(get(std::string(services) + "?resourceVersion=0&limit=1")["items"].size() == 3);
  CHECK(get(std::string(services) + "?resourceVersion=5&resourceVersionMatch=Exact", 410)["reason"] == "Expired");
  const Json future = get(std::string(services) + "?resourceVersion=999999", 504);
  CHECK(future["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge");
  CHECK(get(std::string(services) + "?resourceVersion=x", 400)["code"] == 400);
  CHECK(get(std::string(services) + "?resourceVersionMatch=Exact", 422)["code"] == 422);
  CHECK(get(std::string(services) + "?limit=-1", 400)["code"] == 400);
  CHECK(get(std::string(services) + "?labelSelector=%3D", 400)["code"] == 400);
  CHECK(get(std::string(services) + "?fieldSelector=a%3Db", 400)["code"] == 400);
}

TEST_CASE_FIXTURE(Fixture, "a watch from a list's version sees what comes after it") {
  Reply watch = request("GET", std::string(services) + "?watch=true&resourceVersion=" + version());
  CHECK(events(watch).empty());
  put_service("a");
  put_service("a", {{"selector", {{"x", "y"}}}});
  REQUIRE(cluster.remove(kind::service(), "default", "a", Persist::yes).has_value());
  const auto seen = events(watch);
  CHECK(types(seen) == std::vector<std::string>{"ADDED", "MODIFIED", "DELETED"});
  CHECK(seen[2]["object"]["metadata"]["resourceVersion"] == version());
  CHECK(seen[0]["object"]["kind"] == "Service");
}

TEST_CASE_FIXTURE(Fixture, "a watch sees only its kind, namespace and selection") {
  Reply other_kind = request("GET", "/api/v1/pods?watch=1&resourceVersion=" + version());
  Reply other_ns = request("GET", "/api/v1/namespaces/kube-system/services?watch=1&resourceVersion=" + version());
  Reply selected =
      request("GET", std::string(services) + "?watch=1&labelSelector=app%3Dweb&resourceVersion=" + version());
  put_service("a", {}, {{"app", "web"}});
  put_service("b", {}, {{"app", "db"}});
  put_service("a", {{"selector", {{"x", "y"}}}}, {{"app", "web"}});
  put_service("a", {{"selector", {{"x", "y"}}}}, {{"app", "db"}});  // leaves the selection
  put_service("b", {}, {{"app", "web"}});                           // enters it
  CHECK(events(other_kind).empty());
  CHECK(events(other_ns).empty());
  const auto seen = events(selected);
  CHECK(types(seen) == std::vector<std::string>{"ADDED", "MODIFIED", "DELETED", "ADDED"});
  CHECK(seen[2]["object"]["metadata"]["labels"]["app"] == "web");  // as last seen
  CHECK(seen[2]["object"]["metadata"]["resourceVersion"] > seen[1]["object"]["metadata"]["resourceVersion"]);
}

TEST_CASE_FIXTURE(Fixture, "sendInitialEvents streams the list and marks its end with its version") {
  put_service("a");
  const std::string list_version = version();
  Reply watch =
      request("GET", std::string(services) +
                         "?watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan");
  put_service("b");  // happens while the list is on its way
  const auto seen = events(watch);
  CHECK(types(seen) == std::vector<std::string>{"ADDED", "ADDED", "BOOKMARK", "ADDED"});
  CHECK(seen[2]["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"] == "true");
  CHECK(seen[2]["object"]["metadata"]["resourceVersion"] == list_version);
  CHECK(request("GET", std::string(services) + "?watch=1&sendInitialEvents=true").status == 422);
  CHECK(request("GET", std::string(services) + "?watch=1&resourceVersionMatch=NotOlderThan").status == 422);
}

TEST_CASE_FIXTURE(Fixture, "a streaming list can be refused, not be known, and be cut off") {
  const std::string streaming =
      std::string(services) +
      "?watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan";
  put_service("a");
  CHECK(request("POST", "/kubesim/faults", R"({"streaming_lists":"refuse"})").status == 200);
  CHECK(get(streaming, 422)["message"].get<std::string>().find("WatchList feature gate") != std::string::npos);
  CHECK(request("POST", "/kubesim/faults", R"({"streaming_lists":"ignore"})").status == 200);
  Reply plain = request("GET", streaming);
  CHECK(types(events(plain)) == std::vector<std::string>{"ADDED", "ADDED"});
  CHECK(request("POST", "/kubesim/faults", R"({"streaming_lists":"serve","cut_lists":{"after_bytes":1}})").status ==
        200);
  Reply cut = request("GET", streaming);
  std::string out;
  CHECK(cut.stream->next(out, Clock::now()) == BodyStream::Step::more);
  CHECK(out.size() == 1);
  CHECK(cut.stream->next(out, Clock::now()) == BodyStream::Step::abort);
  const Json counted = get("/kubesim/stats")["requests"];
  CHECK(counted["list"]["services"] == 3);
  CHECK(counted["watch"]["services"] == 3);
}

TEST_CASE_FIXTURE(Fixture, "a watch without a version begins with everything there is") {
  Reply watch = request("GET", std::string(services) + "?watch=1");
  CHECK(types(events(watch)) == std::vector<std::string>{"ADDED"});
  Reply single = request("GET", std::string(default_services) + "/kubernetes?watch=1");
  put_service("a");
  CHECK(events(single).size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "too old a version is an ERROR event in the stream, or HTTP 410 if asked for") {
  Reply watch = request("GET", std::string(services) + "?watch=1&resourceVersion=1");
  CHECK(watch.status == 200);
  BodyStream::Step last;
  const auto seen = events(watch, &last);
  REQUIRE(types(seen) == std::vector<std::string>{"ERROR"});
  CHECK(seen[0]["object"]["code"] == 410);
  CHECK(seen[0]["object"]["reason"] == "Expired");
  CHECK(last == BodyStream::Step::end);
  CHECK(request("POST", "/kubesim/faults", R"({"expired_as":"http"})").status == 200);
  CHECK(get(std::string(services) + "?watch=1&resourceVersion=1", 410)["reason"] == "Expired");
}

TEST_CASE_FIXTURE(Fixture, "a watch from a version yet to come is silent until then, as with the real server") {
  const auto future = registry.version() + 2;
  Reply watch = request("GET", std::string(services) + "?watch=1&resourceVersion=" + std::to_string(future));
  put_service("a");
  put_service("b");
  CHECK(events(watch).empty());
  put_service("c");
  CHECK(events(watch).size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "bookmarks come each interval and before the end, and tell the newest version") {
  options.bookmark_interval = std::chrono::milliseconds(1);
  RestApi fast(cluster, faults, stats, watches, options);
  Request made;
  made.method = "GET";
  REQUIRE(parse_target(
      std::string(services) + "?watch=1&allowWatchBookmarks=true&timeoutSeconds=60&resourceVersion=" + version(),
      made));
  Reply watch = fast.handle(made);
  put_service("a");
  REQUIRE(cluster.apply_manifest(kind::pod(), {{"metadata", {{"name", "p"}, {"namespace", "default"}}}}).has_value());
  std::string out;
  CHECK(watch.stream->next(out, Clock::now() + std::chrono::milliseconds(5)) == BodyStream::Step::more);
  CHECK(parse_json(out)->at("type") == "ADDED");  // first what there is to tell
  out.clear();
  CHECK(watch.stream->next(out, Clock::now() + std::chrono::milliseconds(5)) == BodyStream::Step::more);
  CHECK(parse_json(out)->at("type") == "BOOKMARK");
  CHECK(parse_json(out)->at("object")["metadata"]["resourceVersion"] == version());
  out.clear();
  CHECK(watch.stream->next(out, Clock::now() + std::chrono::seconds(61)) == BodyStream::Step::end);
  CHECK(parse_json(out)->at("type") == "BOOKMARK");
}

TEST_CASE_FIXTURE(Fixture, "a watch that falls behind the history is ended, not queued for") {
  ObjectRegistry small({.events_max = 3}, 1, 1);
  Cluster small_cluster(small, *ServiceAddresses::parse({"10.96.0.0/16"}));
  WatchHub hub(small, faults, stats);
  RestApi small_api(small_cluster, faults, stats, hub, options);
  Request made;
  made.method = "GET";
  REQUIRE(parse_target("/api/v1/namespaces?watch=1&resourceVersion=1", made));
  Reply watch = small_api.handle(made);
  for (const char* name : {"a", "b", "c", "d"}) {
    REQUIRE(small_cluster.apply_manifest(kind::of_namespace(), {{"metadata", {{"name", name}}}}).has_value());
  }
  BodyStream::Step last;
  CHECK(events(watch, &last).empty());
  CHECK(last == BodyStream::Step::end);
  CHECK(stats.stalled_watches == 1);
}

TEST_CASE_FIXTURE(Fixture, "faults: expired history, closed, silent and broken watches, cut lists, failing requests") {
  const auto fault = [&](const char* text) { CHECK(request("POST", "/kubesim/faults", text).status == 200); };
  const std::string from = version();
  Reply watch = request("GET", std::string(services) + "?watch=1&resourceVersion=" + from);
  BodyStream::Step last;

  SUBCASE("closing is clean or abrupt, and of one resource if named") {
    fault(R"({"close_watches":{"resource":"pods"}})");
    events(watch, &last);
    CHECK(last == BodyStream::Step::wait);
    fault(R"({"close_watches":true})");
    events(watch, &last);
    CHECK(last == BodyStream::Step::end);
  }
  SUBCASE("an abrupt close drops the connection") {
    fault(R"({"close_watches":{"how":"abrupt"}})");
    events(watch, &last);
    CHECK(last == BodyStream::Step::abort);
  }
  SUBCASE("after the history expired even the newest version is too old, while open watches go on") {
    fault(R"({"expire_history":true})");
    Reply resumed = request("GET", std::string(services) + "?watch=1&resourceVersion=" + from);
    CHECK(types(events(resumed)) == std::vector<std::string>{"ERROR"});
    put_service("a");
    CHECK(events(watch).size() == 1);
  }
  SUBCASE("silent watches catch up when they may speak again") {
    fault(R"({"silent_watches":true})");
    put_service("a");
    CHECK(events(watch).empty());
    CHECK(watch.stream->wake_at() == Clock::time_point::max());
    fault(R"({"silent_watches":false})");
    CHECK(events(watch).size() == 1);
  }
  SUBCASE("garbage replaces one event") {
    fault(R"({"bad_events":{"count":1}})");
    put_service("a");
    std::string out;
    watch.stream->next(out, Clock::now());
    CHECK_FALSE(parse_json(out).has_value());
    put_service("b");
    CHECK(events(watch).size() == 1);
  }
  SUBCASE("a cut event arrives in part, then the connection drops") {
    fault(R"({"bad_events":{"count":1,"form":"cut"}})");
    put_service("a");
    std::string out;
    CHECK(watch.stream->next(out, Clock::now()) == BodyStream::Step::more);
    CHECK(out.starts_with("{\"type\":\"ADDED\""));
    CHECK(out.find('\n') == std::string::npos);
    CHECK(watch.stream->next(out, Clock::now()) == BodyStream::Step::abort);
  }
  SUBCASE("a cut list ends early") {
    fault(R"({"cut_lists":{"after_bytes":50}})");
    Reply list = request("GET", services);
    std::string out;
    CHECK(list.stream->next(out, Clock::now()) == BodyStream::Step::more);
    CHECK(out.size() == 50);
    CHECK(list.stream->next(out, Clock::now()) == BodyStream::Step::abort);
    CHECK(get(services)["items"].size() == 1);
  }
  SUBCASE("requests fail with Status and Retry-After") {
    fault(R"({"fail_requests":{"status":429,"retry_after":2,"verb":"list"}})");
    Reply failed = request("GET", services);
    CHECK(failed.status == 429);
    CHECK(parse_json(failed.body)->at("reason") == "TooManyRequests");
    CHECK(failed.headers.at(0) == std::pair<std::string, std::string>("Retry-After", "2"));
    CHECK(get(services)["items"].size() == 1);
  }
  SUBCASE("a mistake is told") {
    Reply refused = request("POST", "/kubesim/faults", R"({"expire_historie":true})");
    CHECK(refused.status == 400);
    CHECK(refused.body.find("expire_history") != std::string::npos);
  }
}

TEST_CASE_FIXTURE(Fixture, "stats count requests by verb and resource, also those that fail") {
  const auto lists = [&] { return get("/kubesim/stats")["requests"]["list"]["services"].get<int>(); };
  const int before = lists();
  get(services);
  CHECK(request("POST", "/kubesim/faults", R"({"fail_requests":{"status":500}})").status == 200);
  get(services, 500);
  CHECK(lists() == before + 2);
  {
    Reply watch = request("GET", std::string(services) + "?watch=1");
    CHECK(get("/kubesim/stats")["open_watches"]["services"] == 1);
  }
  CHECK(get("/kubesim/stats")["open_watches"]["services"] == 0);
}

TEST_CASE_FIXTURE(Fixture, "a Table has the columns of kubectl get") {
  Reply reply = request("GET", services, "", "", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json");
  CHECK(reply.content_type.find("as=Table") != std::string::npos);
  const Json table = *parse_json(text(reply));
  CHECK(table["kind"] == "Table");
  CHECK(table["columnDefinitions"][0]["name"] == "Name");
  CHECK(table["rows"][0]["cells"][0] == "kubernetes");
  CHECK(table["rows"][0]["cells"].size() == table["columnDefinitions"].size());
  CHECK(table["rows"][0]["object"]["kind"] == "PartialObjectMetadata");
}

TEST_CASE_FIXTURE(Fixture, "with a token file each request needs one of its tokens, as it stands now") {
  std::string path = (std::filesystem::temp_directory_path() / "kubesim-token-XXXXXX").string();
  const int descriptor = mkstemp(path.data());
  REQUIRE(descriptor >= 0);
  close(descriptor);
  const auto write = [&](const char* tokens) { std::ofstream(path) << tokens; };
  options.token_file = path;
  RestApi guarded(cluster, faults, stats, watches, options);
  const auto status = [&](const char* target, const char* authorization, bool is_admin = false) {
    Request made;
    made.method = "GET";
    REQUIRE(parse_target(target, made));
    made.authorization = authorization;
    made.is_admin_listener = is_admin;
    return guarded.handle(made).status;
  };
  write("old\nsecond,user,uid\n");
  CHECK(status(services, "") == 401);
  CHECK(status(services, "Bearer ") == 401);
  CHECK(status(services, "Bearer wrong") == 401);
  CHECK(status(services, "Basic old") == 401);
  CHECK(status(services, "Bearer old") == 200);
  CHECK(status(services, "Bearer second") == 200);
  CHECK(status("/version", "") == 200);
  CHECK(status("/kubesim/stats", "") == 401);
  CHECK(status("/kubesim/stats", "", true) == 200);
  CHECK(status(services, "", true) == 401);
  write("new\n");
  CHECK(status(services, "Bearer old") == 401);
  CHECK(status(services, "Bearer new") == 200);
  std::filesystem::remove(path);
}

TEST_CASE("targets are taken apart, and broken escapes refused") {
  Request request;
  REQUIRE(parse_target("/a%20b/c?x=1%2C2&y&z=+", request));
  CHECK(request.path == "/a b/c");
  CHECK(request.parameter("x") == "1,2");
  CHECK(request.query.contains("y"));
  CHECK(request.parameter("z") == " ");
  for (const char* target : {"", "*", "a", "/%", "/%2", "/%zz", "/?a=%"}) {
    INFO(std::string(target));
    Request broken;
    CHECK_FALSE(parse_target(target, broken));
  }
}

}  // namespace
}  // namespace fairlead::kubesim
