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
    metadata,  // metadata(label)
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
    // functions of texts
    length,
    lower,
    upper,
    trim,
    trim_prefix,
    trim_suffix,
    // conversions
    to_text,
    to_number,
  };
  enum class Kind : std::uint8_t { flag, number, real, text };

  Op op = Op::constant;
  Kind kind = Kind::flag;
  QueryField field{};
  ExpressionValue value{};
  std::vector<ExpressionNode> children;
  std::optional<RegularExpression> pattern;  // of matches
  std::optional<base::IpNetwork> network;    // of incidr, if it is written as a text
};

}  // namespace fairlead::server
