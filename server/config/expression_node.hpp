// The tree of an expression, between its parser and its evaluation.
//
// Threads: immutable once it is parsed.
#pragma once

#include <optional>
#include <vector>

#include "server/config/expression.hpp"
#include "server/config/regular_expression.hpp"
#include "zones/base/ip_network.hpp"

namespace fairlead::server {

struct ExpressionNode {
  enum class Op : std::uint8_t {
    constant,
    field,
    variable,
    element,   // `#` of the innermost predicate
    list,      // [a, b]
    metadata,  // metadata(label)
    group,     // group(name)
    incidr,    // incidr(ip, cidr)
    // operators
    negate,  // not
    minus,
    both,    // and
    either,  // or
    choose,  // a ? b : c
    equal,
    unequal,
    less,
    less_equal,
    greater,
    greater_equal,
    in_list,   // the first child in the others
    in_value,  // the first child in the second, a list
    in_range,  // the first child from the second to the third
    contains,
    starts_with,
    ends_with,
    matches,
    add,
    subtract,
    multiply,
    divide,
    remainder,
    power,
    // a list and a condition on its elements
    any_of,
    all_of,
    none_of,
    one_of,
    count_of,
    // functions of lists
    at_index,
    join,
    // functions of texts
    split,
    replace,
    index_of,
    last_index_of,
    length,  // and of lists
    lower,
    upper,
    trim,
    trim_prefix,
    trim_suffix,
    // conversions
    to_text,
    to_number,
  };
  using Kind = ExpressionType::Kind;

  Op op = Op::constant;
  Kind kind = Kind::flag;
  Kind element = Kind::flag;  // of a list
  QueryField field{};
  std::size_t index = 0;  // of a variable
  ExpressionValue value{};
  std::vector<ExpressionNode> children;
  std::optional<RegularExpression> pattern;  // of matches
  std::optional<base::IpNetwork> network;    // of incidr, if it is written as a text
};

}  // namespace fairlead::server
