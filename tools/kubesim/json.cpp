#include "tools/kubesim/json.hpp"

namespace fairlead::kubesim {
namespace {

/// The octet where brackets nest deeper than the limit, if they do.
std::optional<std::size_t> find_too_deep(std::string_view text) {
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > json_depth_max) return i;
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return std::nullopt;
}

}  // namespace

std::expected<Json, JsonError> parse_json(std::string_view text) {
  // Before parsing, not during: the parser keeps no stack of ours, but the document that it returns would be
  // destroyed, copied and printed by recursion.
  if (const auto octet = find_too_deep(text)) {
    return std::unexpected(JsonError{"nested deeper than " + std::to_string(json_depth_max) + " levels", *octet});
  }
  try {
    return Json::parse(text.begin(), text.end());
  } catch (const Json::parse_error& error) {
    std::string message = error.what();
    // "[json.exception.parse_error.101] parse error at ...": the bracket says nothing to a reader.
    if (const auto end = message.find("] "); message.starts_with('[') && end != std::string::npos) {
      message.erase(0, end + 2);
    }
    return std::unexpected(JsonError{message, error.byte > 0 ? error.byte - 1 : 0});
  } catch (const Json::exception& error) {  // a number out of range
    return std::unexpected(JsonError{error.what(), 0});
  }
}

std::string print_json(const Json& document) { return document.dump(-1, ' ', false, Json::error_handler_t::replace); }

const Json* find_at(const Json& document, std::initializer_list<std::string_view> path) {
  const Json* at = &document;
  for (const std::string_view step : path) {
    if (!at->is_object()) return nullptr;
    const auto found = at->find(std::string(step));
    if (found == at->end()) return nullptr;
    at = &*found;
  }
  return at;
}

std::string string_at(const Json& document, std::initializer_list<std::string_view> path) {
  const Json* value = find_at(document, path);
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}

std::string print_time(std::time_t time) {
  std::tm parts{};
  gmtime_r(&time, &parts);
  char text[32];
  return std::string(text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts));
}

std::optional<std::time_t> parse_time(std::string_view text) {
  std::tm parts{};
  const std::string copy(text);
  const char* end = strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (end == nullptr) return std::nullopt;
  return timegm(&parts);
}

}  // namespace fairlead::kubesim
