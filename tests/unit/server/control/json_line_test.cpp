// Lines of the log as JSON: whatever they hold, one object on one line.
#include "server/control/json_line.hpp"

#include <doctest/doctest.h>

#include <array>
#include <regex>
#include <string>

using namespace fairlead;
using namespace fairlead::server;

namespace {

std::string escaped(std::string_view text) {
  std::string out;
  append_json(out, text);
  return out;
}

// A line with its time replaced.
std::string timeless(std::string_view line) {
  static const std::regex time(R"("time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")");
  return std::regex_replace(std::string(line), time, "TIME");
}

}  // namespace

TEST_CASE("texts are escaped as JSON wants it, and what breaks lines elsewhere too") {
  struct Row {
    std::string text;
    const char* escaped;
  };
  const auto rows = std::to_array<Row>({
      {"plain", "plain"},
      {"a\"b\\c", "a\\\"b\\\\c"},
      {std::string("\n\t\r\0\x1b\x7f", 6), "\\n\\t\\u000d\\u0000\\u001b\\u007f"},
      {"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x8c\x8d", "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x8c\x8d"},
      {"\xc2\x85\xe2\x80\xa8\xe2\x80\xa9", "\\u0085\\u2028\\u2029"},
      // RFC 3629 §3: too long, surrogates, beyond U+10FFFF, cut off, alone.
      {"\xc0\xaf", "\\\\xc0\\\\xaf"},
      {"\xe0\x80\xaf", "\\\\xe0\\\\x80\\\\xaf"},
      {"\xed\xa0\x80", "\\\\xed\\\\xa0\\\\x80"},
      {"\xf4\x90\x80\x80", "\\\\xf4\\\\x90\\\\x80\\\\x80"},
      {"\xe2\x82", "\\\\xe2\\\\x82"},
      {"\xff\x80x", "\\\\xff\\\\x80x"},
      {"\xe2\x82\"", "\\\\xe2\\\\x82\\\""},
  });
  for (const Row& row : rows) {
    CAPTURE(row.escaped);
    CHECK(escaped(row.text) == row.escaped);
  }
}

TEST_CASE("an object has its time, its level and its members in their order") {
  JsonLine line(base::LogLevel::warning);
  line.add("a", "x").add_plain("b", "7").begin_object("c").add("d/e", "y").end_object().begin_object("f").end_object();
  CHECK(timeless(line.finish()) == "{TIME,\"level\":\"warning\",\"a\":\"x\",\"b\":7,\"c\":{\"d/e\":\"y\"},\"f\":{}}\n");
}

TEST_CASE("an event names the plugin that speaks") {
  const auto event = [](std::string_view message) { return timeless(json_event(base::LogLevel::info, message)); };
  CHECK(event("plugin/kubernetes: in step") ==
        "{TIME,\"level\":\"info\",\"plugin\":\"kubernetes\",\"message\":\"in step\"}\n");
  CHECK(event("Reloading") == "{TIME,\"level\":\"info\",\"message\":\"Reloading\"}\n");
  CHECK(event("plugin/ odd: x") == "{TIME,\"level\":\"info\",\"message\":\"plugin/ odd: x\"}\n");
}

TEST_CASE("a text without end is cut") {
  const std::string line(json_event(base::LogLevel::info, std::string(3 * json_text_octets_max, '\x01')));
  CHECK(line.size() < 6 * json_text_octets_max + 200);
  CHECK(line.ends_with("\\u0001...\"}\n"));
}
