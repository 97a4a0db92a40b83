// How a rule of `rewrite` meets a name, and what it makes of it: the whole name, its beginning, its end, a part of it,
// or a regular expression.
//
// Names are texts here: presentation form in lower case, with the final dot. A suffix may begin inside of a label, as
// in CoreDNS; write ".example.org" where that is not meant.
//
// Threads: a value; its functions may be called from any thread at once.
// Limits: name_template_octets_max; a replaced name that cannot be one any more is cut off at name_text_octets_max.
#pragma once

#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/config/regular_expression.hpp"

namespace fairlead::server {

/// A name that a rule writes, with its group numbers. A domain name has 253 characters; the rest is slack.
inline constexpr std::size_t name_template_octets_max = 1'024;
/// 255 octets, each as "\ddd". What is longer is no name, whatever else comes.
inline constexpr std::size_t name_text_octets_max = 1'024;

/// "{1}.service.{2}.consul.": text with the groups of a regular expression.
class NameTemplate {
 public:
  /// "{N}" above `group_count` is an error.
  static std::expected<NameTemplate, std::string> parse(std::string_view text, std::size_t group_count);
  /// One pass: what a client wrote into a group is never read as a group's number.
  std::string fill(const std::vector<std::string_view>& groups) const;

 private:
  struct Part {
    std::string text;
    std::size_t group = 0;  // behind the text
    bool has_group = false;
  };
  std::vector<Part> parts_;
};

class NamePattern {
 public:
  enum class Kind { exact, prefix, suffix, substring, regex };

  NamePattern() = default;
  NamePattern(Kind kind, std::string text) : kind_(kind), text_(std::move(text)) {}
  /// A pattern whose groups are captured.
  explicit NamePattern(RegularExpression pattern) : kind_(Kind::regex), pattern_(std::move(pattern)) {}

  Kind kind() const { return kind_; }
  /// Of every kind but regex.
  const std::string& text() const { return text_; }
  std::size_t group_count() const { return pattern_ ? pattern_->group_count() : 0; }

  bool matches(std::string_view name) const;

 private:
  friend class NameReplacement;
  Kind kind_ = Kind::exact;
  std::string text_;
  std::optional<RegularExpression> pattern_;
};

/// FROM and TO of a rule.
class NameReplacement {
 public:
  NameReplacement() = default;
  /// `to` is taken as it is, but for a regular expression's groups.
  static std::expected<NameReplacement, std::string> make(NamePattern from, std::string_view to);

  const NamePattern& from() const { return from_; }
  const std::string& to() const { return to_; }
  /// What `name` becomes; nothing when it does not match.
  std::optional<std::string> replace(std::string_view name) const;

 private:
  NamePattern from_;
  std::string to_;
  NameTemplate filled_;  // regex
};

}  // namespace fairlead::server
