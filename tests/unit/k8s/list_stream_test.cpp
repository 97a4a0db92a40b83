#include "k8s/list_stream.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace fairlead::k8s;

namespace {

struct Items final : ListStream::Handler {
  void take_item(std::string& json) override { texts.push_back(json); }
  std::vector<std::string> texts;
};

struct Read {
  bool ok = true;
  bool complete = false;
  std::string metadata;
  std::vector<std::string> items;
  std::uint64_t oversized = 0;
};

Read read(std::string_view text, std::size_t piece) {
  Items items;
  JsonListStream stream(items);
  Read result;
  for (std::size_t at = 0; at < text.size() && result.ok; at += piece) result.ok = stream.feed(text.substr(at, piece));
  result.complete = stream.is_complete();
  result.metadata = stream.metadata();
  result.items = items.texts;
  result.oversized = stream.oversized_items();
  return result;
}

}  // namespace

TEST_CASE("items are found whatever the pieces they arrive in") {
  const std::string_view text =
      R"({"kind":"ServiceList","apiVersion":"v1","metadata":{"resourceVersion":"7","a":"}]\"{"},)"
      R"("items":[{"a":"x\\"}, {"b":{"c":[1,{"d":"]}\"\\\\"}]}} ,{}],"extra":[{"items":[{}]}],"n":-1.5e3})"
      "\n";
  const std::vector<std::string> expected = {R"({"a":"x\\"})", R"({"b":{"c":[1,{"d":"]}\"\\\\"}]}})", "{}"};
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    CAPTURE(piece);
    const Read result = read(text, piece);
    CHECK(result.ok);
    CHECK(result.complete);
    CHECK(result.metadata == R"({"resourceVersion":"7","a":"}]\"{"})");
    CHECK(result.items == expected);
  }
}

TEST_CASE("metadata may stand behind the items") {
  const Read result = read(R"({"items":[{"x":1}],"metadata":{"continue":"c"}})", 3);
  CHECK(result.complete);
  CHECK(result.items.size() == 1);
  CHECK(result.metadata == R"({"continue":"c"})");
}

TEST_CASE("a list without items, with null or with empty items is complete") {
  for (const std::string_view text : {"{}", R"({"items":null})", R"({"items":[]})",
                                      R"( { "items" : [ ] , "metadata" : null } )", "{\"a\":\"items\"}"}) {
    CAPTURE(text);
    for (const std::size_t piece : {std::size_t{1}, text.size()}) {
      const Read result = read(text, piece);
      CHECK(result.ok);
      CHECK(result.complete);
      CHECK(result.items.empty());
    }
  }
}

TEST_CASE("only the top-level items are items") {
  const Read result = read(R"({"metadata":{"items":[{"no":1}]},"x":{"items":[{"no":2}]},"items":[{"yes":1}]})", 5);
  CHECK(result.items == std::vector<std::string>{R"({"yes":1})"});
}

TEST_CASE("elements that are no objects reach the decoder too, which refuses them") {
  CHECK(read(R"({"items":[1,null,"a,]",[2],true]})", 2).items ==
        std::vector<std::string>{"1", "null", "\"a,]\"", "[2]", "true"});
}

TEST_CASE("bytes that cannot be a list are refused, and a list cut short is not complete") {
  for (const std::string_view text : {"<html>", "[]", "{]", R"({"a" 1})", R"({"a"::1})", R"({"items":[}})", R"({"a":})",
                                      R"({"a":1}x)", R"({"a":tr"})"}) {
    CAPTURE(text);
    CHECK_FALSE(read(text, 1).ok);
    CHECK_FALSE(read(text, text.size()).ok);
  }
  const std::string_view whole = R"({"metadata":{"resourceVersion":"7"},"items":[{"a":"b"}],"x":"y"})";
  for (std::size_t octets = 0; octets < whole.size(); ++octets) CHECK_FALSE(read(whole.substr(0, octets), 7).complete);
}

TEST_CASE("an item above the limit is left out and counted, those around it are not") {
  std::string text = R"({"items":[{"a":1},{"huge":")";
  text.append(item_octets_max, 'x');
  text += R"("},{"b":2}]})";
  const Read result = read(text, 65536);
  CHECK(result.complete);
  CHECK(result.oversized == 1);
  CHECK(result.items == std::vector<std::string>{R"({"a":1})", R"({"b":2})"});
}

TEST_CASE("endless nesting and endless keys cost no memory") {
  Items items;
  JsonListStream stream(items);
  REQUIRE(stream.feed(R"({"x":)"));
  const std::string nest(65536, '[');
  for (int i = 0; i < 64; ++i) CHECK(stream.feed(nest));
  JsonListStream other(items);
  REQUIRE(other.feed(R"({")"));
  for (int i = 0; i < 64; ++i) CHECK(other.feed(nest));
  CHECK(items.texts.empty());
}
