// Regular expressions as Corefiles write them: Go's syntax, which is RE2's.
//
// regular_expression.cpp is the only file that includes RE2. Matching takes time linear in the text, whatever the
// pattern, so an operator's pattern cannot be turned against the server by a client's name.
//
// Threads: a value; matches() and find() may be called from any thread at once.
// Limits: 10,000 octets a pattern (CoreDNS's limit), 8 MiB a compiled pattern.
// Errors: parse() returns RE2's reason.
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace re2 {
class RE2;
}

namespace fairlead::server {

inline constexpr std::size_t regular_expression_octets_max = 10'000;

class RegularExpression {
 public:
  /// Whether find() is wanted: a pattern that nobody asks for groups is matched faster.
  enum class Groups { ignored, captured };
  static std::expected<RegularExpression, std::string> parse(std::string_view pattern, Groups groups = Groups::ignored);

  /// True when some part of `text` matches; anchors are the pattern's own.
  bool matches(std::string_view text) const;
  /// The leftmost match and its groups, by number; empty for a group that took no part. False without a match.
  bool find(std::string_view text, std::vector<std::string_view>& groups) const;
  /// How many groups a match has, the whole one not counted.
  std::size_t group_count() const { return group_names_.size() - 1; }
  /// By number, from 0 for the whole match; empty for a group without a name.
  const std::vector<std::string>& group_names() const { return group_names_; }
  const std::string& text() const { return text_; }

 private:
  RegularExpression(std::string text, std::shared_ptr<const re2::RE2> compiled);
  std::string text_;
  std::shared_ptr<const re2::RE2> compiled_;
  std::vector<std::string> group_names_{1};
};

}  // namespace fairlead::server
