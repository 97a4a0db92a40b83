#include "tools/kubesim/manifests.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <fstream>

namespace fairlead::kubesim {
namespace {

namespace fs = std::filesystem;

struct Fixture {
  Fixture() {
    std::string pattern = (fs::temp_directory_path() / "kubesim-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    folder = pattern;
  }
  ~Fixture() { fs::remove_all(folder); }

  void write(const char* name, const std::string& text) const { std::ofstream(folder / name) << text; }
  ManifestSource::Changes load() {
    auto changes = source().load(cluster);
    REQUIRE_MESSAGE(changes.has_value(), (changes ? "" : changes.error().front().to_string()));
    return *changes;
  }
  ManifestSource& source() {
    if (!held) held.emplace(folder);
    return *held;
  }

  static std::string service(const std::string& name, int port) {
    return "apiVersion: v1\nkind: Service\nmetadata: {name: " + name +
           ", namespace: shop}\nspec: {ports: [{port: " + std::to_string(port) + "}]}\n---\n";
  }

  fs::path folder;
  ObjectRegistry registry{{}, 1, 1};
  Cluster cluster{registry, *ServiceAddresses::parse({"10.96.0.0/16"})};
  std::optional<ManifestSource> held;
};

TEST_CASE_FIXTURE(Fixture, "an edit becomes the events of what differs, and no others") {
  write("a.yaml", service("one", 80) + service("two", 80));
  write("b.yaml", service("three", 80));
  CHECK(load().added == 3);
  CHECK(registry.get(kind::of_namespace(), "", "shop") != nullptr);
  const auto address = to_json(*registry.get(kind::service(), "shop", "two"))["spec"]["clusterIP"];

  const auto version = registry.version();
  auto changes = load();
  CHECK(changes.added + changes.modified + changes.deleted == 0);
  CHECK(registry.version() == version);

  write("a.yaml", service("two", 81) + service("four", 80));
  changes = load();
  CHECK(changes.added == 1);
  CHECK(changes.modified == 1);
  CHECK(changes.deleted == 1);
  CHECK(registry.version() == version + 3);
  const Json two = to_json(*registry.get(kind::service(), "shop", "two"));
  CHECK(two["spec"]["ports"][0]["port"] == 81);
  CHECK(two["spec"]["clusterIP"] == address);
}

TEST_CASE_FIXTURE(Fixture, "a broken file is named with its line and leaves the last good state") {
  write("a.yaml", service("one", 80));
  load();
  const auto version = registry.version();
  write("a.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: [}\n");
  write("b.json", "{\n \"apiVersion\": \"v1\",\n \"kind\": oops\n}");
  const auto faults = source().load(cluster);
  REQUIRE_FALSE(faults.has_value());
  REQUIRE(faults.error().size() == 2);
  CHECK(faults.error()[0].line == 3);
  CHECK(faults.error()[0].to_string().starts_with((folder / "a.yaml").string() + ":3: "));
  CHECK(faults.error()[1].line == 3);
  CHECK(registry.version() == version);
}

TEST_CASE_FIXTURE(Fixture, "objects that clients made are left alone") {
  write("a.yaml", service("one", 80));
  load();
  REQUIRE(cluster.create(kind::service(), {{"metadata", {{"namespace", "shop"}, {"name", "mine"}}}}, Persist::yes)
              .has_value());
  write("a.yaml", "");
  CHECK(load().deleted == 1);
  CHECK(registry.get(kind::service(), "shop", "mine") != nullptr);
}

TEST_CASE_FIXTURE(Fixture, "a Namespace whose manifest is gone stays while objects in it do") {
  write("a.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\n" + service("one", 80));
  load();
  write("a.yaml", service("one", 80));
  CHECK(load().deleted == 0);
  CHECK(registry.get(kind::service(), "shop", "one") != nullptr);
}

TEST_CASE_FIXTURE(Fixture, "an address asked for by name is not given away before") {
  write("a.yaml", service("a", 80));
  write("b.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: b, namespace: shop}\nspec: {clusterIP: 10.96.0.11}\n");
  load();
  CHECK(to_json(*registry.get(kind::service(), "shop", "b"))["spec"]["clusterIP"] == "10.96.0.11");
  CHECK(to_json(*registry.get(kind::service(), "shop", "a"))["spec"]["clusterIP"] == "10.96.0.12");
}

TEST_CASE_FIXTURE(Fixture, "two manifests of one object are a fault that names both places") {
  write("a.yaml", service("one", 80));
  write("b.yaml", service("one", 81));
  const auto faults = source().load(cluster);
  REQUIRE_FALSE(faults.has_value());
  CHECK(faults.error()[0].to_string().find("a.yaml:1") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "a change counts once the files stand still") {
  write("a.yaml", service("one", 80));
  load();
  CHECK_FALSE(source().has_settled_change());
  write("b.yaml", service("two", 80));
  CHECK_FALSE(source().has_settled_change());  // seen, perhaps not complete
  CHECK(source().has_settled_change());
  CHECK_FALSE(source().has_settled_change());  // told once
}

TEST_CASE("lists, typed lists and JSON arrays hold objects; other kinds are skipped with a note") {
  const auto list =
      parse_manifest("f", R"({"apiVersion":"v1","kind":"ServiceList","items":[{"metadata":{"name":"a"}}]})");
  REQUIRE(list.has_value());
  REQUIRE(list->objects.size() == 1);
  CHECK(list->objects[0].key() == "Service default/a");

  const auto mixed = parse_manifest("f",
                                    "apiVersion: v1\nkind: List\nitems:\n"
                                    "- {apiVersion: v1, kind: Namespace, metadata: {name: n}}\n"
                                    "- {apiVersion: apps/v1, kind: Deployment, metadata: {name: d}}\n");
  REQUIRE(mixed.has_value());
  CHECK(mixed->objects.size() == 1);
  CHECK(mixed->objects[0].key() == "Namespace n");
  REQUIRE(mixed->skipped.size() == 1);
  CHECK(mixed->skipped[0].line == 5);
}

TEST_CASE("what is no Kubernetes object is a fault at its line") {
  for (const char* text :
       {"just text", "a: 1", "apiVersion: v1\nkind: Service", "apiVersion: v1\nkind: Service\nmetadata: 5",
        "apiVersion: v1\nkind: Service\nmetadata: {}", "[1]", "{", "apiVersion: v1\nkind: List\nitems: 5",
        "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: List}]"}) {
    INFO(std::string(text));
    CHECK_FALSE(parse_manifest("f", text).has_value());
  }
  CHECK(parse_manifest("f", "")->objects.empty());
  CHECK(parse_manifest("f", "# nothing\n---\n")->objects.empty());
}

}  // namespace
}  // namespace fairlead::kubesim
