#include "tools/kubesim/cluster.hpp"

#include <doctest/doctest.h>

namespace fairlead::kubesim {
namespace {

struct Fixture {
  Fixture() { cluster.add_builtin_objects(); }

  static ServiceAddresses ranges() { return *ServiceAddresses::parse({"10.96.0.0/24", "fd00:10:96::/120"}); }
  static Json service(const char* name, Json spec = Json::object()) {
    return {{"metadata", {{"namespace", "default"}, {"name", name}}}, {"spec", std::move(spec)}};
  }
  Json created(const char* name, Json spec = Json::object()) {
    auto made = cluster.create(kind::service(), service(name, std::move(spec)), Persist::yes);
    REQUIRE_MESSAGE(made.has_value(), (made ? "" : made.error().message));
    return to_json(**made);
  }

  ObjectRegistry registry{{}, 1, 1};
  Cluster cluster{registry, ranges()};
};

TEST_CASE_FIXTURE(Fixture, "a Service gets a cluster IP and what the real server fills in") {
  const Json made = created("web", {{"ports", {{{"port", 80}}}}});
  CHECK(made["spec"]["clusterIP"] == "10.96.0.11");
  CHECK(made["spec"]["clusterIPs"] == Json({"10.96.0.11"}));
  CHECK(made["spec"]["type"] == "ClusterIP");
  CHECK(made["spec"]["ports"][0]["protocol"] == "TCP");
  CHECK(made["spec"]["ports"][0]["targetPort"] == 80);
  CHECK(made["spec"]["ipFamilies"] == Json({"IPv4"}));
  CHECK(created("second")["spec"]["clusterIP"] == "10.96.0.12");
}

TEST_CASE_FIXTURE(Fixture, "headless and ExternalName Services get no address") {
  CHECK(created("headless", {{"clusterIP", "None"}})["spec"]["clusterIPs"] == Json({"None"}));
  const Json external = created("external", {{"type", "ExternalName"}, {"externalName", "example.com"}});
  CHECK_FALSE(external["spec"].contains("clusterIP"));
}

TEST_CASE_FIXTURE(Fixture, "dual stack gives an address of each family") {
  const Json made = created("dual", {{"ipFamilyPolicy", "PreferDualStack"}});
  CHECK(made["spec"]["clusterIPs"] == Json({"10.96.0.11", "fd00:10:96::b"}));
  CHECK(made["spec"]["clusterIP"] == "10.96.0.11");
  const Json six = created("six", {{"ipFamilies", {"IPv6"}}});
  CHECK(six["spec"]["clusterIP"] == "fd00:10:96::c");
}

TEST_CASE_FIXTURE(Fixture, "an address that is taken or out of range is refused, and free again after a deletion") {
  created("web", {{"clusterIP", "10.96.0.50"}});
  const auto taken = cluster.create(kind::service(), service("two", {{"clusterIP", "10.96.0.50"}}), Persist::yes);
  REQUIRE_FALSE(taken.has_value());
  CHECK(taken.error().code == 422);
  CHECK_FALSE(cluster.create(kind::service(), service("two", {{"clusterIP", "192.0.2.1"}}), Persist::yes).has_value());
  REQUIRE(cluster.remove(kind::service(), "default", "web", Persist::yes).has_value());
  created("two", {{"clusterIP", "10.96.0.50"}});
}

TEST_CASE_FIXTURE(Fixture, "an exhausted range is an error of the Service that asks") {
  for (int i = 0; i < 253; ++i) created(("s" + std::to_string(i)).c_str());
  const auto last = cluster.create(kind::service(), service("last"), Persist::yes);
  REQUIRE_FALSE(last.has_value());
  CHECK(last.error().code == 500);
}

TEST_CASE_FIXTURE(Fixture, "an update without clusterIP keeps the address, and one with another is refused") {
  created("web");
  const auto kept = cluster.update(kind::service(), service("web", {{"selector", {{"a", "b"}}}}), Persist::yes);
  REQUIRE(kept.has_value());
  CHECK(to_json(**kept)["spec"]["clusterIP"] == "10.96.0.11");
  CHECK_FALSE(cluster.update(kind::service(), service("web", {{"clusterIP", "10.96.0.99"}}), Persist::yes).has_value());
}

TEST_CASE_FIXTURE(Fixture, "a type change to ExternalName frees the address") {
  created("web", {{"clusterIP", "10.96.0.50"}});
  REQUIRE(
      cluster.update(kind::service(), service("web", {{"type", "ExternalName"}, {"externalName", "a.b"}}), Persist::yes)
          .has_value());
  created("other", {{"clusterIP", "10.96.0.50"}});
}

TEST_CASE_FIXTURE(Fixture, "a stale resourceVersion is a conflict, a second creation too") {
  Json made = created("web");
  Json change = made;
  change["spec"]["selector"] = {{"a", "b"}};
  REQUIRE(cluster.update(kind::service(), change, Persist::yes).has_value());
  const auto stale = cluster.update(kind::service(), change, Persist::yes);
  REQUIRE_FALSE(stale.has_value());
  CHECK(stale.error().code == 409);
  CHECK(stale.error().reason == "Conflict");
  const auto again = cluster.create(kind::service(), service("web"), Persist::yes);
  REQUIRE_FALSE(again.has_value());
  CHECK(again.error().reason == "AlreadyExists");
}

TEST_CASE_FIXTURE(Fixture, "a dry run changes nothing and takes no address") {
  const auto version = registry.version();
  REQUIRE(cluster.create(kind::service(), service("web"), Persist::dry_run).has_value());
  CHECK(registry.version() == version);
  CHECK(created("web")["spec"]["clusterIP"] != "");
  CHECK(registry.count(kind::service()) == 2);
}

TEST_CASE_FIXTURE(Fixture, "a namespace takes its objects with it") {
  created("web");
  const auto version = registry.version();
  REQUIRE(cluster.remove(kind::of_namespace(), "", "default", Persist::yes).has_value());
  CHECK(registry.count(kind::service()) == 0);
  CHECK(registry.version() == version + 3);  // web, kubernetes, the namespace
}

TEST_CASE_FIXTURE(Fixture, "an object needs its namespace, except from a manifest, which makes it") {
  Json lost = service("web");
  lost["metadata"]["namespace"] = "nowhere";
  const auto refused = cluster.create(kind::service(), lost, Persist::yes);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == 404);
  REQUIRE(cluster.apply_manifest(kind::service(), lost).has_value());
  CHECK(registry.get(kind::of_namespace(), "", "nowhere") != nullptr);
}

TEST_CASE_FIXTURE(Fixture, "finalizers hold a deleted object until they are gone") {
  Json pod = {{"metadata", {{"namespace", "default"}, {"name", "p"}, {"finalizers", {"x/y"}}}}};
  REQUIRE(cluster.create(kind::pod(), pod, Persist::yes).has_value());
  const auto removed = cluster.remove(kind::pod(), "default", "p", Persist::yes);
  REQUIRE(removed.has_value());
  CHECK_FALSE(removed->is_gone);
  Json held = to_json(*registry.get(kind::pod(), "default", "p"));
  CHECK(held["metadata"].contains("deletionTimestamp"));
  held["metadata"].erase("finalizers");
  REQUIRE(cluster.update(kind::pod(), held, Persist::yes).has_value());
  CHECK(registry.get(kind::pod(), "default", "p") == nullptr);
}

TEST_CASE_FIXTURE(Fixture, "generateName makes a name of its own") {
  const Json pod = {{"metadata", {{"namespace", "default"}, {"generateName", "web-"}}}};
  const auto one = cluster.create(kind::pod(), pod, Persist::yes);
  const auto two = cluster.create(kind::pod(), pod, Persist::yes);
  REQUIRE(one.has_value());
  REQUIRE(two.has_value());
  CHECK((*one)->name.starts_with("web-"));
  CHECK((*one)->name.size() == 9);
  CHECK((*one)->name != (*two)->name);
}

TEST_CASE_FIXTURE(Fixture, "objects of strange shapes are refused or kept, never a crash") {
  for (const char* text :
       {R"({"spec":5})", R"({"spec":{"ports":5}})", R"({"spec":{"ports":[5]}})",
        R"({"spec":{"ports":[{"port":"80"}]}})", R"({"spec":{"ports":[{"port":70000}]}})",
        R"({"spec":{"type":"Nonsense"}})", R"({"spec":{"clusterIP":"one"}})",
        R"({"spec":{"clusterIPs":["10.96.0.7","two"]}})", R"({"spec":{"type":"ExternalName"}})",
        R"({"metadata":{"name":"UPPER","namespace":"default"}})", R"({"metadata":{"name":5,"namespace":"default"}})",
        R"({"metadata":{"name":"x","namespace":"default","labels":{"a":1}}})",
        R"({"metadata":{"name":"x","namespace":"default","labels":[1]}})"}) {
    INFO(std::string(text));
    Json object = *parse_json(text);
    if (!object.contains("metadata")) object["metadata"] = {{"name", "x"}, {"namespace", "default"}};
    CHECK_FALSE(cluster.create(kind::service(), object, Persist::yes).has_value());
  }
  for (const char* spec : {R"(null)", R"({"clusterIPs":["10.96.0.7","None"]})", R"({"ipFamilies":["x","y","z"]})",
                           R"({"ipFamilies":5,"type":5,"ports":null})", R"({"clusterIPs":[null,""]})"}) {
    INFO(std::string(spec));
    Json object = service("y", *parse_json(spec));
    CHECK(cluster.create(kind::service(), object, Persist::yes).has_value());
    CHECK(cluster.remove(kind::service(), "default", "y", Persist::yes).has_value());
  }
}

TEST_CASE("service ranges that make no sense are refused") {
  for (const char* cidr : {"", "10.96.0.0", "10.96.0.0/33", "10.96.0.0/31", "10.96.0.0/x", "x/16", "10.0.0.0/0"}) {
    INFO(std::string(cidr));
    CHECK_FALSE(ServiceAddresses::parse({cidr}).has_value());
  }
  CHECK_FALSE(ServiceAddresses::parse({"10.96.0.0/16", "10.97.0.0/16"}).has_value());
}

}  // namespace
}  // namespace fairlead::kubesim
