#include "tools/kubesim/patches.hpp"

#include <doctest/doctest.h>

namespace fairlead::kubesim {
namespace {

Json json(const char* text) {
  auto parsed = parse_json(text);
  REQUIRE_MESSAGE(parsed.has_value(), text);
  return *parsed;
}

Json patched(PatchType type, const char* object, const char* patch) {
  auto result = apply_patch(type, json(object), json(patch));
  REQUIRE_MESSAGE(result.has_value(), patch);
  return *result;
}

TEST_CASE("a merge patch sets, removes with null and replaces lists (RFC 7386)") {
  CHECK(patched(PatchType::merge, R"({"a":1,"b":{"c":2,"d":3},"l":[1,2]})", R"({"a":null,"b":{"c":9},"l":[3]})") ==
        json(R"({"b":{"c":9,"d":3},"l":[3]})"));
}

TEST_CASE("a strategic patch merges a Service's ports by number and protocol") {
  const char* service = R"({"spec":{"ports":[{"port":53,"protocol":"UDP","name":"dns"},
                                             {"port":53,"protocol":"TCP","name":"dns-tcp"}]}})";
  CHECK(
      patched(PatchType::strategic, service, R"({"spec":{"ports":[{"port":53,"protocol":"TCP","name":"t"}]}})") ==
      json(
          R"({"spec":{"ports":[{"port":53,"protocol":"UDP","name":"dns"},{"port":53,"protocol":"TCP","name":"t"}]}})"));
  CHECK(patched(PatchType::strategic, service, R"({"spec":{"ports":[{"port":80,"name":"http"}]}})")["spec"]["ports"]
            .size() == 3);
  CHECK(patched(PatchType::strategic, service,
                R"({"spec":{"ports":[{"port":53,"protocol":"UDP","$patch":"delete"}]}})")["spec"]["ports"]
            .size() == 1);
}

TEST_CASE("a strategic patch replaces an EndpointSlice's lists, which are atomic") {
  CHECK(patched(PatchType::strategic,
                R"({"addressType":"IPv4","ports":[{"port":1}],"endpoints":[{"addresses":["10.0.0.1"]}]})",
                R"({"ports":[{"port":2}],"endpoints":[]})") ==
        json(R"({"addressType":"IPv4","ports":[{"port":2}],"endpoints":[]})"));
}

TEST_CASE("the directives of a strategic patch act and do not stay") {
  CHECK(patched(PatchType::strategic, R"({"metadata":{"finalizers":["a","b"]}})",
                R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["a"],"finalizers":["c"]}})") ==
        json(R"({"metadata":{"finalizers":["b","c"]}})"));
  CHECK(patched(PatchType::strategic, R"({"s":{"x":1,"y":2}})", R"({"s":{"$retainKeys":["y"],"z":3}})") ==
        json(R"({"s":{"y":2,"z":3}})"));
  CHECK(patched(PatchType::strategic, R"({"s":{"x":1}})", R"({"s":{"$patch":"replace","y":2}})") ==
        json(R"({"s":{"y":2}})"));
  CHECK(patched(PatchType::strategic, R"({"s":{"x":1}})", R"({"s":{"$patch":"delete"}})") == json("{}"));
  CHECK(patched(PatchType::strategic, R"({"ports":[{"port":1},{"port":2}]})",
                R"({"$setElementOrder/ports":[{"port":2},{"port":1}],"ports":[{"port":2,"name":"b"}]})") ==
        json(R"({"ports":[{"port":2,"name":"b"},{"port":1}]})"));
  CHECK(patched(PatchType::strategic, "{}", R"({"a":{"$retainKeys":["b"],"b":{"$patch":"replace","c":1}}})") ==
        json(R"({"a":{"b":{"c":1}}})"));
}

TEST_CASE("a JSON patch runs its operations or fails as a whole (RFC 6902)") {
  CHECK(patched(PatchType::json, R"({"a":[1,2]})",
                R"([{"op":"test","path":"/a/0","value":1},{"op":"remove","path":"/a/0"}])") == json(R"({"a":[2]})"));
  CHECK_FALSE(
      apply_patch(PatchType::json, json(R"({"a":1})"), json(R"([{"op":"test","path":"/a","value":2}])")).has_value());
  CHECK_FALSE(apply_patch(PatchType::json, json("{}"), json(R"({"op":"add"})")).has_value());
  CHECK_FALSE(apply_patch(PatchType::json, json("{}"), json(R"([{"op":"remove","path":"/none"}])")).has_value());
}

TEST_CASE("a JSON patch that adds below a string or a number is refused, where the library would abort") {
  for (const char* patch :
       {R"([{"op":"add","path":"/a/b","value":1}])", R"([{"op":"copy","from":"/a","path":"/a/b"}])",
        R"([{"op":"move","from":"/l/0","path":"/l/0/b"}])", R"([{"op":"add","path":"/n/-","value":1}])",
        R"([{"op":"add","path":"/l/7","value":1}])", R"([{"op":"add","path":"/l/x","value":1}])",
        R"([{"op":"remove","path":""}])", R"([{"op":"remove","path":"/a/b"}])", R"([{"op":"move","path":"/x"}])",
        R"([{"op":"add","path":5,"value":1}])", R"([{"op":"add","path":"x","value":1}])", R"([5])", R"([{}])"}) {
    INFO(std::string(patch));
    CHECK_FALSE(
        apply_patch(PatchType::json, json(R"({"a":"text","n":5,"l":[{"x":1},"second"]})"), json(patch)).has_value());
  }
  CHECK(patched(PatchType::json, R"({"l":[1,2],"o":{}})",
                R"([{"op":"move","from":"/l/0","path":"/o/x"},{"op":"copy","from":"/o","path":"/l/-"}])") ==
        json(R"({"l":[2,{"x":1}],"o":{"x":1}})"));
}

TEST_CASE("a JSON patch that doubles the document again and again is stopped") {
  Json patch = Json::array();
  for (int i = 0; i < 60; ++i) patch.push_back({{"op", "copy"}, {"from", "/a"}, {"path", "/a/" + std::to_string(i)}});
  CHECK_FALSE(apply_patch(PatchType::json, json(R"({"a":{"x":1}})"), patch).has_value());
}

TEST_CASE("a patch that is not an object is refused, whatever it is") {
  for (const PatchType type : {PatchType::merge, PatchType::strategic, PatchType::apply}) {
    CHECK_FALSE(apply_patch(type, json("{}"), json("[1]")).has_value());
    CHECK_FALSE(apply_patch(type, json("{}"), json("null")).has_value());
  }
}

TEST_CASE("JSON deeper than the limit is refused before it can exhaust the stack") {
  CHECK_FALSE(parse_json(std::string(1'000'000, '[')).has_value());
  CHECK(parse_json(std::string(50, '[') + std::string(50, ']')).has_value());
  CHECK(parse_json(R"({"text":"[[[[\"{{{{"})").has_value());
}

}  // namespace
}  // namespace fairlead::kubesim
