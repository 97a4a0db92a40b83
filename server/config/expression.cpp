#include "server/config/expression.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "server/config/expression_node.hpp"

namespace fairlead::server {
namespace {

using Op = ExpressionNode::Op;
using Kind = ExpressionNode::Kind;
using Result = std::optional<ExpressionValue>;

constexpr std::string_view blanks = " \t\r\n\v\f";

double as_real(const ExpressionValue& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) return static_cast<double>(*number);
  return std::get<double>(value);
}

bool is_text(const ExpressionValue& value) { return std::holds_alternative<std::string>(value); }
bool is_integer(const ExpressionValue& value) { return std::holds_alternative<std::int64_t>(value); }

bool are_equal(const ExpressionValue& a, const ExpressionValue& b) {
  if (a.index() == b.index()) return a == b;
  return as_real(a) == as_real(b);  // the parser lets no other kinds meet
}

bool is_less(const ExpressionValue& a, const ExpressionValue& b) {
  if (is_text(a)) return std::get<std::string>(a) < std::get<std::string>(b);
  if (is_integer(a) && is_integer(b)) return std::get<std::int64_t>(a) < std::get<std::int64_t>(b);
  return as_real(a) < as_real(b);
}

std::string map_ascii(std::string text, char first, char last, int offset) {
  std::ranges::transform(text, text.begin(),
                         [&](char c) { return c >= first && c <= last ? static_cast<char>(c + offset) : c; });
  return text;
}

std::string trimmed(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(blanks);
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

// Neither infinite nor no number: those compare in ways that nobody means.
Result finite(double real) { return std::isfinite(real) ? Result(real) : Result(); }

Result arithmetic(Op op, const ExpressionValue& a, const ExpressionValue& b) {
  if (is_text(a)) {
    if (std::get<std::string>(a).size() + std::get<std::string>(b).size() > expression_text_octets_max) return {};
    return std::get<std::string>(a) + std::get<std::string>(b);
  }
  if (op == Op::power) return finite(std::pow(as_real(a), as_real(b)));
  if (op == Op::divide) return finite(as_real(a) / as_real(b));
  if (is_integer(a) && is_integer(b)) {
    const auto left = std::get<std::int64_t>(a);
    const auto right = std::get<std::int64_t>(b);
    std::int64_t result = 0;
    switch (op) {
      case Op::add: return __builtin_add_overflow(left, right, &result) ? Result() : result;
      case Op::subtract: return __builtin_sub_overflow(left, right, &result) ? Result() : result;
      case Op::multiply: return __builtin_mul_overflow(left, right, &result) ? Result() : result;
      default:
        if (right == 0) return {};
        return right == -1 ? 0 : left % right;
    }
  }
  switch (op) {
    case Op::add: return finite(as_real(a) + as_real(b));
    case Op::subtract: return finite(as_real(a) - as_real(b));
    case Op::multiply: return finite(as_real(a) * as_real(b));
    default: return {};
  }
}

Result to_number(const ExpressionValue& value) {
  if (is_integer(value)) return value;
  if (const auto* real = std::get_if<double>(&value)) {
    if (!(std::abs(*real) < 9e18)) return {};
    return static_cast<std::int64_t>(*real);
  }
  const std::string& text = std::get<std::string>(value);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return {};
  return number;
}

std::string to_text(const ExpressionValue& value) {
  if (is_text(value)) return std::get<std::string>(value);
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (is_integer(value)) return std::to_string(std::get<std::int64_t>(value));
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), std::get<double>(value)).ptr;
  return {digits.data(), end};
}

Result apply_to_text(Op op, const std::string& text, const std::string& other) {
  switch (op) {
    case Op::contains: return text.find(other) != std::string::npos;
    case Op::starts_with: return text.starts_with(other);
    case Op::ends_with: return text.ends_with(other);
    case Op::trim_prefix: return text.starts_with(other) ? text.substr(other.size()) : text;
    case Op::trim_suffix: return text.ends_with(other) ? text.substr(0, text.size() - other.size()) : text;
    case Op::length: return static_cast<std::int64_t>(text.size());
    case Op::lower: return map_ascii(text, 'A', 'Z', 'a' - 'A');
    case Op::upper: return map_ascii(text, 'a', 'z', 'A' - 'a');
    default: return trimmed(text);
  }
}

class Evaluation {
 public:
  explicit Evaluation(const ExpressionInput& input) : input_(input) {}

  Result run(const ExpressionNode& node) const {
    switch (node.op) {
      case Op::constant: return node.value;
      case Op::field: return field(node);
      case Op::both:
      case Op::either: {
        const auto first = run(node.children[0]);
        // What is decided by the first is not asked of the second.
        if (!first || std::get<bool>(*first) == (node.op == Op::either)) return first;
        return run(node.children[1]);
      }
      case Op::choose: {
        const auto condition = run(node.children[0]);
        if (!condition) return {};
        return run(node.children[std::get<bool>(*condition) ? 1 : 2]);
      }
      case Op::in_list: return is_in_list(node);
      default: return apply(node);
    }
  }

 private:
  Result field(const ExpressionNode& node) const {
    switch (node.kind) {
      case Kind::flag: return input_.flag(node.field);
      case Kind::text: return input_.text(node.field);
      default: return input_.number(node.field);
    }
  }

  Result is_in_list(const ExpressionNode& node) const {
    const auto wanted = run(node.children[0]);
    if (!wanted) return {};
    for (std::size_t i = 1; i < node.children.size(); ++i) {
      const auto one = run(node.children[i]);
      if (!one) return {};
      if (are_equal(*wanted, *one)) return true;
    }
    return false;
  }

  Result is_in_network(const ExpressionNode& node, const std::string& address_text, const std::string& text) const {
    const auto address = base::IpAddress::parse(address_text.substr(0, address_text.find('%')));
    if (!address) return {};
    if (node.network) return node.network->contains(*address);
    const auto network = base::IpNetwork::parse(text);
    if (!network || text.find('/') == std::string::npos) return {};
    return network->contains(*address);
  }

  // Operators and functions that need all of their operands.
  Result apply(const ExpressionNode& node) const {
    std::array<ExpressionValue, 3> values;
    for (std::size_t i = 0; i < node.children.size(); ++i) {
      auto value = run(node.children[i]);
      if (!value) return {};
      values[i] = std::move(*value);
    }
    const auto& [a, b, c] = values;
    switch (node.op) {
      case Op::metadata: return input_.metadata(std::get<std::string>(a));
      case Op::incidr: return is_in_network(node, std::get<std::string>(a), std::get<std::string>(b));
      case Op::negate: return !std::get<bool>(a);
      case Op::minus: return arithmetic(Op::subtract, ExpressionValue(std::int64_t{0}), a);
      case Op::equal: return are_equal(a, b);
      case Op::unequal: return !are_equal(a, b);
      case Op::less: return is_less(a, b);
      case Op::less_equal: return !is_less(b, a);
      case Op::greater: return is_less(b, a);
      case Op::greater_equal: return !is_less(a, b);
      case Op::in_range: return !is_less(a, b) && !is_less(c, a);
      case Op::matches: return node.pattern->matches(std::get<std::string>(a));
      case Op::add:
      case Op::subtract:
      case Op::multiply:
      case Op::divide:
      case Op::remainder:
      case Op::power: return arithmetic(node.op, a, b);
      case Op::to_text: return to_text(a);
      case Op::to_number: return to_number(a);
      case Op::contains:
      case Op::starts_with:
      case Op::ends_with:
      case Op::trim_prefix:
      case Op::trim_suffix: return apply_to_text(node.op, std::get<std::string>(a), std::get<std::string>(b));
      default: return apply_to_text(node.op, std::get<std::string>(a), {});
    }
  }

  const ExpressionInput& input_;
};

}  // namespace

bool Expression::holds(const ExpressionInput& input) const {
  const auto result = Evaluation(input).run(*root_);
  return result && std::get<bool>(*result);
}

}  // namespace fairlead::server
