#include "server/config/label_selector.hpp"

#include <algorithm>
#include <cstddef>

namespace fairlead::server {
namespace {

constexpr std::size_t name_octets_max = 63;     // of a label's value and of the part of its key behind the prefix
constexpr std::size_t prefix_octets_max = 253;  // of a key, in front of '/'
constexpr std::string_view special = "=!(),<>";
constexpr std::string_view example = "write a selector such as 'tier=web,environment in (staging, qa),!legacy'";

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool is_lower_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_alphanumeric(char c) { return is_lower_alphanumeric(c) || (c >= 'A' && c <= 'Z'); }

// Letters and digits at both ends; '-', '_' and '.' also inside.
bool is_label_name(std::string_view text) {
  return !text.empty() && text.size() <= name_octets_max && is_alphanumeric(text.front()) &&
         is_alphanumeric(text.back()) &&
         std::ranges::all_of(text, [](char c) { return is_alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

bool is_prefix(std::string_view text) {
  if (text.size() > prefix_octets_max) return false;
  while (true) {
    const std::size_t dot = text.find('.');
    const std::string_view label = text.substr(0, dot);
    if (label.empty() || !is_lower_alphanumeric(label.front()) || !is_lower_alphanumeric(label.back()) ||
        !std::ranges::all_of(label, [](char c) { return is_lower_alphanumeric(c) || c == '-'; })) {
      return false;
    }
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

bool is_key(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return is_label_name(text);
  return is_prefix(text.substr(0, slash)) && is_label_name(text.substr(slash + 1));
}

bool is_value(std::string_view text) { return text.empty() || is_label_name(text); }

class SelectorReader {
 public:
  explicit SelectorReader(std::string_view text) : rest_(text) {}

  std::optional<std::string> read() {
    if (peek().empty()) return std::nullopt;
    while (true) {
      if (auto fault = read_requirement()) return fault;
      const std::string_view next = take();
      if (next.empty()) return std::nullopt;
      if (next != ",") return unexpected(next, "',' between two requirements");
      if (peek().empty()) return "the label selector ends with ','; remove it";
    }
  }

 private:
  std::optional<std::string> read_requirement() {
    const bool is_negated = peek() == "!";
    if (is_negated) take();
    const std::string_view key = take();
    if (is_symbol(key)) return unexpected(key, "the key of a label");
    if (!is_key(key)) {
      return '\'' + std::string(key) +
             "' is not the key of a label; write letters, digits, '-', '_' and '.', at most 63, behind a prefix such "
             "as "
             "'example.org/' if there is one";
    }
    if (is_negated || peek().empty() || peek() == ",") return std::nullopt;
    const std::string_view operation = take();
    if (operation == "in" || operation == "notin") return read_values();
    if (operation == "<" || operation == ">") {
      return '\'' + std::string(operation) + "' does not select labels of objects; " + std::string(example);
    }
    if (operation != "=" && operation != "==" && operation != "!=") {
      return unexpected(operation, "'=', '!=', 'in', 'notin' or ','");
    }
    if (peek().empty() || peek() == ",") return std::nullopt;  // the empty value
    const std::string_view value = take();
    if (is_symbol(value)) return unexpected(value, "the value of a label");
    return check_value(value);
  }

  // "(a, b)". A value left out is the empty one.
  std::optional<std::string> read_values() {
    if (const auto open = take(); open != "(") return unexpected(open, "'(' in front of the values");
    while (true) {
      if (!is_symbol(peek())) {
        if (auto fault = check_value(take())) return fault;
      }
      const std::string_view next = take();
      if (next == ")") return std::nullopt;
      if (next != ",") return unexpected(next, "',' or ')' behind a value");
    }
  }

  static std::optional<std::string> check_value(std::string_view value) {
    if (is_value(value)) return std::nullopt;
    return '\'' + std::string(value) +
           "' is not the value of a label; write letters, digits, '-', '_' and '.', at most 63";
  }

  static std::string unexpected(std::string_view token, std::string_view wanted) {
    const std::string found = token.empty() ? "the label selector ends" : "found '" + std::string(token) + '\'';
    return found + " where " + std::string(wanted) + " should be; " + std::string(example);
  }

  static bool is_symbol(std::string_view token) { return token.empty() || special.contains(token.front()); }

  // The next token; empty at the end.
  std::string_view peek() {
    while (!rest_.empty() && is_space(rest_.front())) rest_.remove_prefix(1);
    if (rest_.empty()) return {};
    if (rest_.starts_with("==") || rest_.starts_with("!=")) return rest_.substr(0, 2);
    if (special.contains(rest_.front())) return rest_.substr(0, 1);
    const auto end = std::ranges::find_if(rest_, [](char c) { return is_space(c) || special.contains(c); });
    return rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
  }

  std::string_view take() {
    const std::string_view token = peek();
    rest_.remove_prefix(token.size());
    return token;
  }

  std::string_view rest_;
};

}  // namespace

std::optional<std::string> describe_selector_fault(std::string_view text) { return SelectorReader(text).read(); }

}  // namespace fairlead::server
