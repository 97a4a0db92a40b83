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
const std::vector<ExpressionValue>& items_of(const ExpressionValue& value) {
  return std::get<std::shared_ptr<const ExpressionList>>(value)->items;
}
ExpressionValue make_list(std::vector<ExpressionValue> items) {
  return std::make_shared<const ExpressionList>(ExpressionList{std::move(items)});
}

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

// As Go's: what is empty stands before every character and at the end. UTF-8 is not looked at: names are ASCII.
Result replaced(const std::string& text, const std::string& what, const std::string& with) {
  std::string result;
  std::size_t at = 0;
  while (at <= text.size()) {
    const std::size_t found = text.find(what, at);
    if (found == std::string::npos) break;
    result.append(text, at, found - at);
    result += with;
    at = found + what.size();
    if (what.empty()) {
      if (found == text.size()) return result;
      result += text[at++];
    }
    if (result.size() > expression_text_octets_max) return {};
  }
  if (at < text.size()) result.append(text, at);
  if (result.size() > expression_text_octets_max) return {};
  return result;
}

Result split(const std::string& text, const std::string& by) {
  std::vector<ExpressionValue> items;
  for (std::size_t at = 0;;) {
    if (by.empty() && at == text.size()) break;
    if (items.size() == expression_list_max) return {};
    if (by.empty()) {
      items.emplace_back(std::string(1, text[at++]));
      continue;
    }
    const std::size_t end = text.find(by, at);
    items.emplace_back(text.substr(at, end - at));
    if (end == std::string::npos) break;
    at = end + by.size();
  }
  return make_list(std::move(items));
}

Result join(const std::vector<ExpressionValue>& items, const std::string& by) {
  std::string text;
  for (const ExpressionValue& item : items) {
    if (&item != &items.front()) text += by;
    text += std::get<std::string>(item);
    if (text.size() > expression_text_octets_max) return {};
  }
  return text;
}

// expr-lang counts from the end with negative numbers.
Result at_index(const std::vector<ExpressionValue>& items, std::int64_t index) {
  const auto size = static_cast<std::int64_t>(items.size());
  if (index < 0) index += size;
  if (index < 0 || index >= size) return {};
  return items[static_cast<std::size_t>(index)];
}

std::int64_t as_index(std::size_t at) { return at == std::string::npos ? -1 : static_cast<std::int64_t>(at); }

Result apply_to_text(Op op, const std::string& text, const std::string& other) {
  switch (op) {
    case Op::split: return split(text, other);
    case Op::index_of: return as_index(text.find(other));
    case Op::last_index_of: return as_index(text.rfind(other));
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

  Result run(const ExpressionNode& node) {
    if (++steps_ > expression_steps_max) return {};
    switch (node.op) {
      case Op::constant: return node.value;
      case Op::field: return field(node);
      case Op::variable: return input_.variable(node.index);
      case Op::element: return *element_;
      case Op::list: return list(node);
      case Op::any_of:
      case Op::all_of:
      case Op::none_of:
      case Op::one_of:
      case Op::count_of: return over_elements(node);
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

  Result list(const ExpressionNode& node) {
    std::vector<ExpressionValue> items;
    for (const ExpressionNode& child : node.children) {
      auto item = run(child);
      if (!item) return {};
      // A list of fractions has no whole numbers.
      items.push_back(node.element == Kind::real ? ExpressionValue(as_real(*item)) : std::move(*item));
    }
    return make_list(std::move(items));
  }

  Result over_elements(const ExpressionNode& node) {
    const auto elements = run(node.children[0]);
    if (!elements) return {};
    const ExpressionValue* const outer = element_;
    std::int64_t count = 0;
    std::int64_t size = 0;
    bool is_failed = false;
    for (const ExpressionValue& item : items_of(*elements)) {
      element_ = &item;
      const auto holds = run(node.children[1]);
      is_failed = !holds;
      if (is_failed) break;
      ++size;
      count += std::get<bool>(*holds) ? 1 : 0;
      // As expr-lang, which asks no more than it must.
      if (node.op == Op::all_of ? count < size : count > 0 && (node.op == Op::any_of || node.op == Op::none_of)) break;
    }
    element_ = outer;
    if (is_failed) return {};
    switch (node.op) {
      case Op::any_of: return count > 0;
      case Op::all_of: return count == size;
      case Op::none_of: return count == 0;
      case Op::one_of: return count == 1;
      default: return count;
    }
  }

  Result is_in_list(const ExpressionNode& node) {
    const auto wanted = run(node.children[0]);
    if (!wanted) return {};
    for (std::size_t i = 1; i < node.children.size(); ++i) {
      const auto one = run(node.children[i]);
      if (!one) return {};
      if (are_equal(*wanted, *one)) return true;
    }
    return false;
  }

  static Result is_in_network(const ExpressionNode& node, const std::string& address_text, const std::string& text) {
    const auto address = base::IpAddress::parse(address_text.substr(0, address_text.find('%')));
    if (!address) return {};
    if (node.network) return node.network->contains(*address);
    const auto network = base::IpNetwork::parse(text);
    if (!network || text.find('/') == std::string::npos) return {};
    return network->contains(*address);
  }

  // Operators and functions that need all of their operands.
  Result apply(const ExpressionNode& node) {
    std::array<ExpressionValue, 3> values;
    for (std::size_t i = 0; i < node.children.size(); ++i) {
      auto value = run(node.children[i]);
      if (!value) return {};
      values[i] = std::move(*value);
    }
    const auto& [a, b, c] = values;
    switch (node.op) {
      case Op::metadata: return input_.metadata(std::get<std::string>(a));
      case Op::group: return input_.group(to_text(a));
      case Op::in_value:
        return std::ranges::any_of(items_of(b), [&](const ExpressionValue& item) { return are_equal(a, item); });
      case Op::at_index: return at_index(items_of(a), std::get<std::int64_t>(b));
      case Op::join: return join(items_of(a), node.children.size() > 1 ? std::get<std::string>(b) : std::string());
      case Op::replace: return replaced(std::get<std::string>(a), std::get<std::string>(b), std::get<std::string>(c));
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
      case Op::length:
        if (node.children[0].kind == Kind::list) return static_cast<std::int64_t>(items_of(a).size());
        return apply_to_text(node.op, std::get<std::string>(a), {});
      case Op::contains:
      case Op::starts_with:
      case Op::ends_with:
      case Op::trim_prefix:
      case Op::trim_suffix:
      case Op::split:
      case Op::index_of:
      case Op::last_index_of: return apply_to_text(node.op, std::get<std::string>(a), std::get<std::string>(b));
      default: return apply_to_text(node.op, std::get<std::string>(a), {});
    }
  }

  const ExpressionInput& input_;
  const ExpressionValue* element_ = nullptr;
  std::size_t steps_ = 0;
};

}  // namespace

std::optional<ExpressionValue> Expression::evaluate(const ExpressionInput& input) const {
  return Evaluation(input).run(*root_);
}

bool Expression::holds(const ExpressionInput& input) const {
  const auto result = evaluate(input);
  return result && std::get<bool>(*result);
}

ExpressionType Expression::type() const { return {.kind = root_->kind, .element = root_->element}; }

}  // namespace fairlead::server
