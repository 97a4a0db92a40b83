// JSON documents that strangers send: parsed with a depth limit, printed without throwing.
//
// Threads: functions on values.
// Limits: nesting of `json_depth_max`; printing, copying and comparing a document recurse once a level, so a deeper
//   one could exhaust the stack. The size of a text is bounded by whoever reads it.
// Errors: parse_json() says what is wrong and at which octet; nothing here throws.
// Standards: RFC 8259, RFC 3339 (time stamps).
#pragma once

#include <cstddef>
#include <ctime>
#include <expected>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace fairlead::kubesim {

using Json = nlohmann::json;

// The deepest schema of our kinds (a Pod's) nests about 15 levels.
inline constexpr std::size_t json_depth_max = 100;

struct JsonError {
  std::string message;
  std::size_t octet = 0;  // where in the text, from 0
};

std::expected<Json, JsonError> parse_json(std::string_view text);

/// One line of text. Strings that are not UTF-8 are repaired with U+FFFD.
std::string print_json(const Json& document);

/// The value at `path`, or nullptr if a step of it is missing or is not an object.
const Json* find_at(const Json& document, std::initializer_list<std::string_view> path);
/// The string at `path`, or "" if there is none.
std::string string_at(const Json& document, std::initializer_list<std::string_view> path);

/// "2006-01-02T15:04:05Z".
std::string print_time(std::time_t time);
std::optional<std::time_t> parse_time(std::string_view text);

}  // namespace fairlead::kubesim
