#include "server/config/expression_lexer.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "server/config/fault_collector.hpp"

namespace fairlead::server {
namespace {

using Token = ExpressionToken;

[[noreturn]] void fail(std::size_t at, std::string message) { throw ExpressionFault{at, std::move(message)}; }

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || is_digit(c); }

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  std::vector<Token> run() {
    std::vector<Token> tokens;
    while (true) {
      at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size());
      Token& token = tokens.emplace_back();
      token.at = at_;
      if (at_ == text_.size()) return tokens;
      read(token);
    }
  }

 private:
  void read(Token& token) {
    const char c = text_[at_];
    if (c == '\'' || c == '"' || c == '`') return read_text(token, c);
    if (is_digit(c) || (c == '.' && at_ + 1 < text_.size() && is_digit(text_[at_ + 1]))) return read_number(token);
    if (is_name(c)) {
      token.type = Token::Type::name;
      while (at_ < text_.size() && is_name(text_[at_])) token.text += text_[at_++];
      return;
    }
    token.type = Token::Type::sign;
    static constexpr std::array<std::string_view, 9> pairs{"==", "!=", "<=", ">=", "&&", "||", "**", "..", "??"};
    const std::string_view pair = text_.substr(at_, 2);
    token.text = std::ranges::find(pairs, pair) != pairs.end() ? pair : text_.substr(at_, 1);
    if (token.text.size() == 1 && std::string_view("()[]{},!<>+-*/%^?:#").find(c) == std::string_view::npos) {
      fail(at_, "unexpected " + quote(token.text));
    }
    at_ += token.text.size();
  }

  void read_text(Token& token, char mark) {
    token.type = Token::Type::text;
    const std::size_t begin = at_++;
    while (at_ < text_.size() && text_[at_] != mark) {
      if (text_[at_] == '\\' && mark != '`') {
        read_escape(token);
      } else {
        token.text += text_[at_++];
      }
    }
    if (at_ == text_.size()) fail(begin, "the text is never closed; write " + std::string(1, mark) + " behind it");
    ++at_;
  }

  void read_escape(Token& token) {
    static constexpr std::string_view escapes = "\\'\"abfnrtv";
    static constexpr std::string_view meanings = "\\'\"\a\b\f\n\r\t\v";
    const char c = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
    if (const std::size_t index = escapes.find(c); index != std::string_view::npos && c != '\0') {
      token.text += meanings[index];
      at_ += 2;
      return;
    }
    unsigned value = 0;
    const std::string_view digits = text_.substr(std::min(at_ + 2, text_.size()), 2);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (c != 'x' || error != std::errc{} || end != digits.data() + 2) {
      fail(at_, "unknown escape " + quote(text_.substr(at_, 2)) + " in a text; write '\\\\' for a backslash");
    }
    token.text += static_cast<char>(value);
    at_ += 4;
  }

  void read_number(Token& token) {
    token.type = Token::Type::number;
    const std::size_t begin = at_;
    std::string digits;
    const bool is_hex = text_.substr(at_, 2) == "0x" || text_.substr(at_, 2) == "0X";
    if (is_hex) at_ += 2;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '_') continue;
      const bool is_range = c == '.' && text_.substr(at_, 2) == "..";
      if (!is_name(c) && (c != '.' || is_range || is_hex)) break;
      digits += c;
    }
    token.text = std::string(text_.substr(begin, at_ - begin));
    const char* const last = digits.data() + digits.size();
    token.is_real = !is_hex && digits.find_first_of(".eE") != std::string::npos;
    const auto [end, error] = token.is_real ? std::from_chars(digits.data(), last, token.real)
                                            : std::from_chars(digits.data(), last, token.number, is_hex ? 16 : 10);
    if (digits.empty() || error != std::errc{} || end != last) fail(begin, quote(token.text) + " is not a number");
  }

  const std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::vector<ExpressionToken> lex_expression(std::string_view text) { return Lexer(text).run(); }

}  // namespace fairlead::server
