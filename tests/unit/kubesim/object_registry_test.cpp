#include "tools/kubesim/object_registry.hpp"

#include <doctest/doctest.h>

namespace fairlead::kubesim {
namespace {

constexpr ResourceVersion start = 100;

Json slice(const char* ns, const char* name, int value = 0) {
  return {{"metadata", {{"namespace", ns}, {"name", name}}}, {"addressType", "IPv4"}, {"value", value}};
}

const Kind& slices() { return kind::endpoint_slice(); }

std::vector<std::string> keys(const ObjectRegistry::Page& page) {
  std::vector<std::string> found;
  for (const ObjectPtr& object : page.objects) found.push_back(object->key());
  return found;
}

struct Counter : RegistryListener {
  void history_grew() override { ++count; }
  int count = 0;
};

TEST_CASE("each change takes the next resource version, over all kinds") {
  ObjectRegistry registry({}, start, 1);
  CHECK(registry.put(slices(), slice("a", "x"))->version == start + 1);
  CHECK(registry.put(kind::of_namespace(), {{"metadata", {{"name", "a"}}}})->version == start + 2);
  CHECK(registry.put(slices(), slice("a", "x", 7))->version == start + 3);
  CHECK(registry.remove(slices(), "a", "x")->version == start + 4);
  CHECK(registry.version() == start + 4);
}

TEST_CASE("storing what is already there is no change") {
  ObjectRegistry registry({}, start, 1);
  const ObjectPtr first = registry.put(slices(), slice("a", "x"));
  CHECK(registry.put(slices(), slice("a", "x")) == first);
  CHECK(registry.version() == start + 1);
}

TEST_CASE("an update keeps uid and creation time, and unknown fields survive") {
  ObjectRegistry registry({}, start, 1);
  const Json before = to_json(*registry.put(slices(), slice("a", "x")));
  Json changed = slice("a", "x", 9);
  changed["madeUp"] = {{"deep", {1, 2}}};
  const Json after = to_json(*registry.put(slices(), changed));
  CHECK(after["metadata"]["uid"] == before["metadata"]["uid"]);
  CHECK(after["metadata"]["creationTimestamp"] == before["metadata"]["creationTimestamp"]);
  CHECK(after["madeUp"]["deep"] == Json({1, 2}));
  CHECK(after["apiVersion"] == "discovery.k8s.io/v1");
  CHECK(after["kind"] == "EndpointSlice");
}

TEST_CASE("an event holds the object as it was before, and a deletion its last state with a new version") {
  ObjectRegistry registry({}, start, 1);
  Counter counter;
  registry.add_listener(slices(), &counter);
  registry.put(slices(), slice("a", "x", 1));
  registry.put(slices(), slice("a", "x", 2));
  registry.remove(slices(), "a", "x");
  CHECK(counter.count == 3);
  const Event* added = registry.event_at(slices(), 0);
  const Event* modified = registry.event_at(slices(), 1);
  const Event* deleted = registry.event_at(slices(), 2);
  REQUIRE(deleted != nullptr);
  CHECK(added->type == EventType::added);
  CHECK(added->previous == nullptr);
  CHECK(modified->type == EventType::modified);
  CHECK(modified->previous == added->object);
  CHECK(deleted->type == EventType::deleted);
  CHECK(to_json(*deleted->object)["value"] == 2);
  CHECK(to_json(*deleted->object)["metadata"]["resourceVersion"] == std::to_string(start + 3));
  CHECK(registry.event_at(slices(), 3) == nullptr);
  registry.remove_listener(slices(), &counter);
  registry.put(slices(), slice("a", "y"));
  CHECK(counter.count == 3);
}

TEST_CASE("a watch resumes after its version, and not once the history has moved past it") {
  ObjectRegistry registry({.events_max = 3}, start, 1);
  for (int i = 0; i < 3; ++i) registry.put(slices(), slice("a", "x", i));
  CHECK(registry.find_cursor(slices(), start) == 0);
  CHECK(registry.find_cursor(slices(), start + 2) == 2);
  CHECK(registry.find_cursor(slices(), start + 3) == 3);
  registry.put(slices(), slice("a", "x", 3));
  CHECK_FALSE(registry.find_cursor(slices(), start).has_value());
  CHECK(registry.find_cursor(slices(), start + 1) == 1);
  CHECK(registry.is_lost(slices(), 0));
  CHECK_FALSE(registry.is_lost(slices(), 1));
  CHECK(registry.event_at(slices(), 0) == nullptr);
}

TEST_CASE("the history is bounded by octets too") {
  ObjectRegistry registry({.events_max = 1000, .octets_max = 2000}, start, 1);
  Json large = slice("a", "x");
  large["filler"] = std::string(900, 'f');
  for (int i = 0; i < 10; ++i) {
    large["value"] = i;
    registry.put(slices(), large);
  }
  CHECK_FALSE(registry.find_cursor(slices(), start + 5).has_value());
  CHECK(registry.find_cursor(slices(), start + 9).has_value());
}

TEST_CASE("expiring the history leaves no version to resume from, not even the newest") {
  ObjectRegistry registry({}, start, 1);
  registry.put(slices(), slice("a", "x"));
  const ResourceVersion newest = registry.version();
  const auto cursor = registry.end_of_history(slices());
  registry.expire_history();
  CHECK_FALSE(registry.find_cursor(slices(), newest).has_value());
  CHECK(registry.find_cursor(slices(), registry.version()).has_value());
  CHECK_FALSE(registry.is_lost(slices(), cursor));  // open watches go on
}

TEST_CASE("pages hold one version though objects come, change and go in between") {
  ObjectRegistry registry({}, start, 1);
  for (const char* name : {"b", "d", "f", "h"}) registry.put(slices(), slice("ns", name, 1));
  auto first = registry.page(slices(), {.ns = "", .version = {}, .after_key = "", .limit = 2, .selects = {}});
  REQUIRE(first.has_value());
  CHECK(keys(*first) == std::vector<std::string>{"ns/b", "ns/d"});
  CHECK(first->has_more);
  CHECK(first->remaining == 2);

  registry.put(slices(), slice("ns", "e"));     // came
  registry.put(slices(), slice("ns", "f", 2));  // changed
  registry.put(slices(), slice("ns", "f", 3));  // twice
  registry.remove(slices(), "ns", "h");         // went
  auto second =
      registry.page(slices(), {.ns = "", .version = first->version, .after_key = "ns/d", .limit = 2, .selects = {}});
  REQUIRE(second.has_value());
  CHECK(keys(*second) == std::vector<std::string>{"ns/f", "ns/h"});
  CHECK(to_json(*second->objects[0])["value"] == 1);
  CHECK_FALSE(second->has_more);
  CHECK(second->version == first->version);
  // What the first page counted is believed, and not counted again.
  auto middle = registry.page(slices(), {.ns = "",
                                         .version = first->version,
                                         .after_key = "ns/b",
                                         .limit = 1,
                                         .left = 3,
                                         .selects = [](const Object& object) { return object.name != "d"; }});
  REQUIRE(middle.has_value());
  CHECK(keys(*middle) == std::vector<std::string>{"ns/f"});
  CHECK(middle->has_more);
  CHECK(middle->remaining == 1);

  registry.expire_history();
  CHECK_FALSE(registry.page(slices(), {.ns = "", .version = first->version, .after_key = "", .limit = 0, .selects = {}})
                  .has_value());
}

TEST_CASE("a list of one namespace holds its objects alone, and namespaces that begin alike are others") {
  ObjectRegistry registry({}, start, 1);
  registry.put(slices(), slice("team", "x"));
  registry.put(slices(), slice("team-b", "y"));
  registry.put(slices(), slice("tea", "z"));
  CHECK(keys(*registry.page(slices(), {.ns = "team", .version = {}, .after_key = "", .limit = 0, .selects = {}})) ==
        std::vector<std::string>{"team/x"});
  CHECK(registry.page(slices(), {})->objects.size() == 3);
}

}  // namespace
}  // namespace fairlead::kubesim
