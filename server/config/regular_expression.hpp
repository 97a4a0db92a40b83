// Regular expressions as Corefiles write them: Go's syntax, which is RE2's.
//
// regular_expression.cpp is the only file that includes RE2. Matching takes time linear in the text, whatever the
// pattern, so an operator's pattern cannot be turned against the server by a client's name.
//
// Threads: a value; matches() may be called from any thread at once.
// Limits: 10,000 octets a pattern (CoreDNS's limit), 8 MiB a compiled pattern.
// Errors: parse() returns RE2's reason.
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

namespace re2 {
class RE2;
}

namespace fairlead::server {

inline constexpr std::size_t regular_expression_octets_max = 10'000;

class RegularExpression {
 public:
  static std::expected<RegularExpression, std::string> parse(std::string_view pattern);

  /// True when some part of `text` matches; anchors are the pattern's own.
  bool matches(std::string_view text) const;
  const std::string& text() const { return text_; }

 private:
  RegularExpression(std::string text, std::shared_ptr<const re2::RE2> compiled);
  std::string text_;
  std::shared_ptr<const re2::RE2> compiled_;
};

}  // namespace fairlead::server
