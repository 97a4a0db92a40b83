#include "server/config/template_lexer.hpp"

#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include "server/config/fault_collector.hpp"

namespace fairlead::server {
namespace {

using Kind = TemplateToken::Kind;
using Tokens = std::vector<TemplateToken>;

constexpr std::string_view spaces = " \t\r\n";

bool is_space(char c) { return spaces.contains(c); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || is_digit(c); }

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  std::expected<Tokens, std::string> run();

 private:
  bool starts_with(std::string_view part) const { return text_.substr(at_).starts_with(part); }
  char here() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool at_right_trim() const {
    return at_ + 3 < text_.size() && is_space(text_[at_]) && text_.substr(at_ + 1).starts_with("-}}");
  }
  void add(Kind kind, std::string text = {}, std::int64_t number = 0) {
    tokens_.push_back({kind, std::move(text), number});
  }
  std::string take_word() {
    const std::size_t begin = at_;
    while (is_word(here())) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }

  std::optional<std::string> read_action();
  std::optional<std::string> read_comment();
  std::optional<std::string> read_word();
  std::optional<std::string> read_number();
  std::optional<std::string> read_quoted();
  std::optional<std::string> read_escape(std::string& to);

  const std::string_view text_;
  std::size_t at_ = 0;
  bool trims_ = false;  // the action before ended in "-}}"
  Tokens tokens_;
};

std::expected<Tokens, std::string> Lexer::run() {
  if (text_.size() > template_octets_max) {
    return std::unexpected("it is longer than " + std::to_string(template_octets_max) + " octets");
  }
  while (at_ < text_.size()) {
    const std::size_t begin = text_.find("{{", at_);
    std::string_view outside = text_.substr(at_, begin - at_);
    if (std::exchange(trims_, false))
      outside.remove_prefix(std::min(outside.find_first_not_of(spaces), outside.size()));
    const bool trims_left = begin != std::string_view::npos && text_.substr(begin + 2).starts_with("-") &&
                            begin + 3 < text_.size() && is_space(text_[begin + 3]);
    if (trims_left) outside = outside.substr(0, outside.find_last_not_of(spaces) + 1);
    if (!outside.empty()) add(Kind::text, std::string(outside));
    if (begin == std::string_view::npos) break;
    at_ = begin + (trims_left ? 4 : 2);
    if (starts_with("/*")) {
      if (auto error = read_comment()) return std::unexpected(std::move(*error));
      continue;
    }
    if (auto error = read_action()) return std::unexpected(std::move(*error));
  }
  return std::move(tokens_);
}

std::optional<std::string> Lexer::read_comment() {
  const std::size_t end = text_.find("*/", at_ + 2);
  if (end == std::string_view::npos) return "the comment '{{/*' is not closed; write '*/}}' behind it";
  at_ = end + 2;
  if (at_right_trim()) {
    trims_ = true;
    at_ += 4;
    return std::nullopt;
  }
  if (!starts_with("}}")) return "a comment must end in '*/}}'";
  at_ += 2;
  return std::nullopt;
}

std::optional<std::string> Lexer::read_action() {
  add(Kind::begin);
  while (at_ < text_.size()) {
    if (at_right_trim() || starts_with("}}")) {
      trims_ = here() != '}';
      at_ += trims_ ? 4 : 2;
      add(Kind::end);
      return std::nullopt;
    }
    if (is_space(here())) {
      while (is_space(here()) && !at_right_trim()) ++at_;
      if (!at_right_trim()) add(Kind::space);
      continue;
    }
    if (auto error = read_word()) return error;
  }
  return "the action '{{' is not closed; write '}}' behind it";
}

std::optional<std::string> Lexer::read_word() {
  const char c = here();
  if (c == '"' || c == '`' || c == '\'') return read_quoted();
  if (is_digit(c) || ((c == '-' || c == '+') && at_ + 1 < text_.size() && is_digit(text_[at_ + 1]))) {
    return read_number();
  }
  if (c == '.') {
    ++at_;
    std::string name = take_word();
    if (!name.empty() && is_digit(name.front())) return "only whole numbers are understood";
    const Kind kind = name.empty() ? Kind::dot : Kind::field;
    add(kind, std::move(name));
    return std::nullopt;
  }
  if (c == '$') {
    ++at_;
    add(Kind::variable, '$' + take_word());
    return std::nullopt;
  }
  if (is_word(c)) {
    add(Kind::identifier, take_word());
    return std::nullopt;
  }
  if (starts_with(":=")) {
    at_ += 2;
    add(Kind::declare);
    return std::nullopt;
  }
  ++at_;
  switch (c) {
    case '=': add(Kind::assign); return std::nullopt;
    case '|': add(Kind::pipe); return std::nullopt;
    case ',': add(Kind::comma); return std::nullopt;
    case '(': add(Kind::left_paren); return std::nullopt;
    case ')': add(Kind::right_paren); return std::nullopt;
    default: return "unexpected " + quote(std::string_view(&c, 1)) + " in an action";
  }
}

std::optional<std::string> Lexer::read_number() {
  const std::size_t begin = at_++;
  while (is_word(here()) || here() == '.') ++at_;
  const std::string_view text = text_.substr(begin, at_ - begin);
  std::string digits;
  for (const char c : text) {
    if (c != '_' && c != '+') digits += c;
  }
  const bool is_negative = digits.starts_with('-');
  if (is_negative) digits.erase(0, 1);
  int base = 10;
  for (const auto& [prefix, of_prefix] : {std::pair{"0x", 16}, {"0X", 16}, {"0b", 2}, {"0o", 8}}) {
    if (!digits.starts_with(prefix)) continue;
    base = of_prefix;
    digits.erase(0, 2);
  }
  std::int64_t number = 0;
  const char* const end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, number, base);
  if (parsed.ec != std::errc() || parsed.ptr != end) return quote(text) + " is no whole number";
  add(Kind::number, std::string(text), is_negative ? -number : number);
  return std::nullopt;
}

std::optional<std::string> Lexer::read_quoted() {
  const char mark = text_[at_++];
  std::string value;
  while (here() != mark) {
    if (at_ >= text_.size()) return std::string("the quote ") + mark + " is not closed";
    if (here() == '\\' && mark != '`') {
      if (auto error = read_escape(value)) return error;
      continue;
    }
    value += text_[at_++];
  }
  ++at_;
  if (mark != '\'') {
    add(Kind::string, std::move(value));
    return std::nullopt;
  }
  if (value.size() != 1) return "a character in '' is one ASCII character";
  add(Kind::number, value, static_cast<unsigned char>(value.front()));
  return std::nullopt;
}

std::optional<std::string> Lexer::read_escape(std::string& to) {
  ++at_;
  const char c = here();
  constexpr std::string_view names = "abfnrtv\\\"'";
  constexpr std::string_view values = "\a\b\f\n\r\t\v\\\"'";
  if (const std::size_t found = names.find(c); found != std::string_view::npos && c != '\0') {
    to += values[found];
    ++at_;
    return std::nullopt;
  }
  unsigned octet = 0;
  const std::string_view digits = text_.substr(std::min(at_ + 1, text_.size())).substr(0, 2);
  if (c != 'x' || digits.size() != 2 ||
      std::from_chars(digits.data(), digits.data() + 2, octet, 16).ptr != digits.data() + 2) {
    return "unknown escape '\\" + std::string(1, c == '\0' ? ' ' : c) + "' in a string; write \\\\ for a backslash";
  }
  to += static_cast<char>(octet);
  at_ += 3;
  return std::nullopt;
}

}  // namespace

std::expected<std::vector<TemplateToken>, std::string> lex_template(std::string_view text) { return Lexer(text).run(); }

}  // namespace fairlead::server
