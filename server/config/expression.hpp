// A condition on a query, as `view` has it: "type() == 'A' && incidr(client_ip(), '10.0.0.0/8')".
//
// The language is the part of expr-lang (https://expr-lang.org) that conditions on a query are written in: texts,
// numbers, yes and no, lists behind `in`, ranges, comparisons, arithmetic, `? :`, and functions. What a function or an
// operator takes is checked when the text is parsed, so that a condition that could never hold is a fault and not a
// silence.
//
// Threads: a value; evaluate() may be called from any thread at once.
// Limits: expression_octets_max a text, expression_nodes_max and expression_depth_max in it; a text that is made on the
//   way is texts_octets_max at most. Patterns are matched in linear time (regular_expression.hpp).
// Errors: parse() says what is wrong, where, and what to write. What cannot be evaluated, such as a division by zero,
// is
//   no value at all; for a condition that is "no".
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace fairlead::server {

inline constexpr std::size_t expression_octets_max = 4'096;
/// Two hundred comparisons; more is a list of names, which a regular expression or a zone says better.
inline constexpr std::size_t expression_nodes_max = 1'000;
/// Parentheses in each other; bounds recursion.
inline constexpr std::size_t expression_depth_max = 50;
/// Names are 1 kB at most in presentation form.
inline constexpr std::size_t expression_text_octets_max = 16'384;

/// What an expression can ask about a query.
enum class QueryField : std::uint8_t {
  bufsize,
  class_,
  client_ip,
  do_,
  id,
  name,
  opcode,
  port,
  proto,
  server_ip,
  server_port,
  size,
  type,
};

class ExpressionInput {
 public:
  virtual ~ExpressionInput() = default;
  virtual bool flag(QueryField field) const = 0;
  virtual std::int64_t number(QueryField field) const = 0;
  virtual std::string text(QueryField field) const = 0;
  virtual std::string metadata(std::string_view label) const = 0;
};

using ExpressionValue = std::variant<bool, std::int64_t, double, std::string>;
struct ExpressionNode;

class Expression {
 public:
  /// A text whose value is yes or no.
  static std::expected<Expression, std::string> parse_condition(std::string_view text);

  bool holds(const ExpressionInput& input) const;
  const std::string& text() const { return text_; }

 private:
  Expression(std::string text, std::shared_ptr<const ExpressionNode> root)
      : text_(std::move(text)), root_(std::move(root)) {}
  std::string text_;
  std::shared_ptr<const ExpressionNode> root_;
};

}  // namespace fairlead::server
