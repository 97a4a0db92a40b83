#include "tools/kubesim/yaml_reader.hpp"

#include <doctest/doctest.h>

namespace fairlead::kubesim {
namespace {

TEST_CASE("plain scalars follow YAML 1.2, quoted ones are strings") {
  const auto documents = read_yaml(R"(
int: 80
hex: 0x1F
real: 1.5
yes: yes
on: "on"
no: no
text: "80"
single: '8080'
flag: true
nothing: null
empty:
version: 1.2.3
inf: inf
address: 10.0.0.1
)");
  REQUIRE(documents.has_value());
  const Json& json = documents->at(0).json;
  CHECK(json["int"] == 80);
  CHECK(json["hex"] == 31);
  CHECK(json["real"] == 1.5);
  CHECK(json["yes"] == "yes");
  CHECK(json["on"] == "on");
  CHECK(json["no"] == "no");
  CHECK(json["text"] == "80");
  CHECK(json["single"] == "8080");
  CHECK(json["flag"] == true);
  CHECK(json["nothing"].is_null());
  CHECK(json["empty"].is_null());
  CHECK(json["version"] == "1.2.3");
  CHECK(json["inf"] == "inf");
  CHECK(json["address"] == "10.0.0.1");
}

TEST_CASE("documents and list items know their lines") {
  const auto documents = read_yaml("a: 1\n---\n---\nitems:\n- x: 1\n- x: 2\n");
  REQUIRE(documents.has_value());
  REQUIRE(documents->size() == 2);
  CHECK(documents->at(0).line == 1);
  CHECK(documents->at(1).line == 4);
  CHECK(documents->at(1).item_lines == std::vector<std::size_t>{5, 6});
}

TEST_CASE("a fault is reported with its line") {
  const auto broken = read_yaml("a: 1\nb: [1, 2\nc: 3\n");
  REQUIRE_FALSE(broken.has_value());
  CHECK(broken.error().line >= 2);
  const auto twice = read_yaml("a: 1\nb: 2\na: 3\n");
  REQUIRE_FALSE(twice.has_value());
  CHECK(twice.error().line == 3);
}

TEST_CASE("aliases that multiply into millions of nodes are refused") {
  std::string text = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string alias = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + alias;
    for (int j = 1; j < 10; ++j) text += "," + alias;
    text += "]\n";
  }
  CHECK_FALSE(read_yaml(text).has_value());
}

TEST_CASE("nesting past the limit is refused") {
  CHECK_FALSE(read_yaml(std::string(300, '[') + std::string(300, ']')).has_value());
  CHECK_FALSE(read_yaml(std::string(100'000, '[')).has_value());
}

}  // namespace
}  // namespace fairlead::kubesim
