// A condition on a query, as `view` has it: "type() == 'A' && incidr(client_ip(), '10.0.0.0/8')"; or any value that is
// made from one, as the variables of `template`: "replace(group('ip'), '-', '.')".
//
// The language is the part of expr-lang (https://expr-lang.org) that such things are written in: texts, numbers, yes
// and no, lists, ranges, comparisons, arithmetic, `? :`, functions, and `any(LIST, CONDITION)` with `#` for an element.
// What a function or an operator takes is checked when the text is parsed, so that a condition that could never hold is
// a fault and not a silence.
//
// Threads: a value; evaluate() may be called from any thread at once.
// Limits: expression_octets_max a text, expression_nodes_max and expression_depth_max in it; an evaluation takes
//   expression_steps_max steps, and a text that is made on the way is expression_text_octets_max at most. Patterns are
//   matched in linear time (regular_expression.hpp).
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
#include <vector>

namespace fairlead::server {

inline constexpr std::size_t expression_octets_max = 4'096;
/// Two hundred comparisons; more is a list of names, which a regular expression or a zone says better.
inline constexpr std::size_t expression_nodes_max = 1'000;
/// Parentheses in each other; bounds recursion.
inline constexpr std::size_t expression_depth_max = 50;
/// Names are 1 kB at most in presentation form.
inline constexpr std::size_t expression_text_octets_max = 16'384;
/// Of what split() makes; a name has 127 labels at most.
inline constexpr std::size_t expression_list_max = 1'000;
/// Operands and functions of one evaluation: lists in each other would take the product of their sizes.
inline constexpr std::size_t expression_steps_max = 10'000;

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

struct ExpressionList;
using ExpressionValue = std::variant<bool, std::int64_t, double, std::string, std::shared_ptr<const ExpressionList>>;
struct ExpressionList {
  std::vector<ExpressionValue> items;  // of one kind
};

class ExpressionInput {
 public:
  virtual ~ExpressionInput() = default;
  virtual bool flag(QueryField field) const = 0;
  virtual std::int64_t number(QueryField field) const = 0;
  virtual std::string text(QueryField field) const = 0;
  virtual std::string metadata(std::string_view label) const = 0;
  /// What a group of the pattern that matched has found, by its name or number; empty where there is none.
  virtual std::string group(std::string_view) const { return {}; }
  /// By the index in the scope that the expression was parsed with.
  virtual ExpressionValue variable(std::size_t) const { return false; }
};

/// What a value is, known when the text is parsed.
struct ExpressionType {
  enum class Kind : std::uint8_t { flag, number, real, text, list };
  Kind kind = Kind::flag;
  Kind element = Kind::flag;  // of a list
};

/// What can be named in an expression besides the functions of every query.
struct ExpressionScope {
  struct Variable {
    std::string name;
    ExpressionType type;
  };
  bool has_groups = false;  // group()
  std::vector<Variable> variables = {};
};

/// Names that no variable can have: functions and words of expr-lang, those that are not understood here included.
bool is_reserved_in_expressions(std::string_view name);

struct ExpressionNode;

class Expression {
 public:
  /// A text whose value is yes or no.
  static std::expected<Expression, std::string> parse_condition(std::string_view text,
                                                                const ExpressionScope& scope = {});
  static std::expected<Expression, std::string> parse(std::string_view text, const ExpressionScope& scope = {});

  /// Nothing where it cannot be evaluated.
  std::optional<ExpressionValue> evaluate(const ExpressionInput& input) const;
  /// Of a condition.
  bool holds(const ExpressionInput& input) const;
  ExpressionType type() const;
  const std::string& text() const { return text_; }

 private:
  Expression(std::string text, std::shared_ptr<const ExpressionNode> root)
      : text_(std::move(text)), root_(std::move(root)) {}
  std::string text_;
  std::shared_ptr<const ExpressionNode> root_;
};

}  // namespace fairlead::server
