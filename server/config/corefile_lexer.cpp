#include "server/config/corefile_lexer.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace fairlead::server {
namespace {

// The octets of the white space at the start of `text`, newline and carriage return left out; 0 when there is none.
// Text that was copied from a web page holds Unicode's spaces, which look like nothing in an editor.
std::size_t measure_space(std::string_view text) {
  switch (text.front()) {
    case ' ':
    case '\t':
    case '\v':
    case '\f': return 1;
    default: break;
  }
  static constexpr std::array<std::string_view, 9> spaces = {"\u0085", "\u00a0", "\u1680", "\u2028", "\u2029",
                                                             "\u202f", "\u205f", "\u3000", "\ufeff"};
  for (const std::string_view space : spaces) {
    if (text.starts_with(space)) return space.size();
  }
  // U+2000 to U+200A
  if (text.size() >= 3 && text.starts_with("\xe2\x80")) {
    const auto last = static_cast<unsigned char>(text[2]);
    if (last >= 0x80 && last <= 0x8a) return 3;
  }
  return 0;
}

class Lexer {
 public:
  Lexer(std::string_view content, std::uint32_t source, FaultCollector& faults)
      : rest_(content), source_(source), faults_(faults) {}

  std::vector<Token> run() {
    if (rest_.starts_with("\xff\xfe") || rest_.starts_with("\xfe\xff")) {
      faults_.fault({source_, 1}, "the file is UTF-16; save it as UTF-8");
      return {};
    }
    if (rest_.starts_with("\ufeff")) rest_.remove_prefix(3);
    while (!rest_.empty()) take();
    finish_word();
    return std::move(tokens_);
  }

 private:
  void take() {
    const char c = rest_.front();
    if (c == '\n') {
      finish_word();
      // `\` alone before the line's end: the next line goes on with this one.
      if (!tokens_.empty() && !at_line_start_ && is_lone_backslash(tokens_.back())) {
        at_line_start_ = tokens_.back().starts_line;
        tokens_.pop_back();
      } else {
        at_line_start_ = true;
      }
      ++line_;
      rest_.remove_prefix(1);
    } else if (c == '\r') {
      rest_.remove_prefix(1);
    } else if (c == '\0') {
      faults_.fault({source_, line_}, "NUL byte; save the file as plain text in UTF-8");
      rest_.remove_prefix(1);
    } else if (const std::size_t space = measure_space(rest_); space > 0) {
      finish_word();
      rest_.remove_prefix(space);
    } else if (c == '#') {
      rest_.remove_prefix(std::min(rest_.find('\n'), rest_.size()));
    } else if (c == '"' && word_.empty()) {
      take_quoted();
    } else {
      word_ += c;
      rest_.remove_prefix(1);
    }
  }

  void take_quoted() {
    const std::uint32_t began_on = line_;
    const std::string_view began_at = rest_;
    std::string text;
    bool has_nul = false;
    std::uint32_t breaks = 0;
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      const char c = rest_[i];
      if (c == '"') {
        rest_.remove_prefix(i + 1);
        if (has_nul) faults_.fault({source_, began_on}, "NUL byte; save the file as plain text in UTF-8");
        push({std::move(text), began_on, true, at_line_start_});
        line_ += breaks;
        if (breaks > 0) multiline_quote_ = began_on;
        return;
      }
      if (c == '\\' && i + 1 < rest_.size() && rest_[i + 1] == '"') {
        text += '"';
        ++i;
        continue;
      }
      if (c == '\\' && i + 1 < rest_.size() && rest_[i + 1] == '\\') {
        // Both stay: a regular expression in quotes is written as it is. Taken together so that `\\"` ends the text.
        text += "\\\\";
        ++i;
        continue;
      }
      if (c == '\n') ++breaks;
      if (c == '\0') has_nul = true;
      text += c;
    }
    std::string message = "the quote is never closed; add '\"' at the end of the text";
    if (multiline_quote_ != 0) {
      message += ", or to the quote that begins on line " + std::to_string(multiline_quote_);
    }
    faults_.fault({source_, began_on}, std::move(message));
    // Go on as if the quote ended with its line; what follows deserves its faults.
    const std::string_view line = began_at.substr(0, began_at.find('\n'));
    push({std::string(line.substr(1)), began_on, true, at_line_start_});
    rest_ = began_at.substr(line.size());
  }

  void finish_word() {
    if (word_.empty()) return;
    push({std::exchange(word_, {}), line_, false, at_line_start_});
  }

  void push(Token token) {
    tokens_.push_back(std::move(token));
    at_line_start_ = false;
  }

  static bool is_lone_backslash(const Token& token) { return !token.quoted && token.text == "\\"; }

  std::string_view rest_;
  const std::uint32_t source_;
  FaultCollector& faults_;
  std::vector<Token> tokens_;
  std::string word_;
  std::uint32_t line_ = 1;
  std::uint32_t multiline_quote_ = 0;
  bool at_line_start_ = true;
};

}  // namespace

std::vector<Token> lex(std::string_view content, std::uint32_t source, FaultCollector& faults) {
  return Lexer(content, source, faults).run();
}

}  // namespace fairlead::server
