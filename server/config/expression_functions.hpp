// The operators and functions of expressions, with what they take and give.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "server/config/expression_node.hpp"

namespace fairlead::server::expression_tables {

using Op = ExpressionNode::Op;
using Kind = ExpressionNode::Kind;

struct Binary {
  std::string_view sign;
  int precedence;
  Op op;
};
// expr-lang's; all but the power group from the left.
inline constexpr auto binaries = std::to_array<Binary>({
    {"||", 10, Op::either},
    {"or", 10, Op::either},
    {"&&", 15, Op::both},
    {"and", 15, Op::both},
    {"==", 20, Op::equal},
    {"!=", 20, Op::unequal},
    {"<", 20, Op::less},
    {"<=", 20, Op::less_equal},
    {">", 20, Op::greater},
    {">=", 20, Op::greater_equal},
    {"in", 20, Op::in_list},
    {"matches", 20, Op::matches},
    {"contains", 20, Op::contains},
    {"startsWith", 20, Op::starts_with},
    {"endsWith", 20, Op::ends_with},
    {"+", 30, Op::add},
    {"-", 30, Op::subtract},
    {"*", 60, Op::multiply},
    {"/", 60, Op::divide},
    {"%", 60, Op::remainder},
    {"**", 100, Op::power},
    {"^", 100, Op::power},
});
inline constexpr int not_precedence = 50;
inline constexpr int sign_precedence = 90;

struct Field {
  std::string_view name;
  QueryField field;
  Kind kind;
};
inline constexpr auto fields = std::to_array<Field>({
    {"bufsize", QueryField::bufsize, Kind::number},
    {"class", QueryField::class_, Kind::text},
    {"client_ip", QueryField::client_ip, Kind::text},
    {"do", QueryField::do_, Kind::flag},
    {"id", QueryField::id, Kind::number},
    {"name", QueryField::name, Kind::text},
    {"opcode", QueryField::opcode, Kind::number},
    {"port", QueryField::port, Kind::text},
    {"proto", QueryField::proto, Kind::text},
    {"server_ip", QueryField::server_ip, Kind::text},
    {"server_port", QueryField::server_port, Kind::text},
    {"size", QueryField::size, Kind::number},
    {"type", QueryField::type, Kind::text},
});

struct Function {
  std::string_view name;
  Op op;
  std::size_t texts;  // how many it takes
  Kind kind;          // what it gives
};
inline constexpr auto functions = std::to_array<Function>({
    {"incidr", Op::incidr, 2, Kind::flag},
    {"metadata", Op::metadata, 1, Kind::text},
    {"len", Op::length, 1, Kind::number},
    {"lower", Op::lower, 1, Kind::text},
    {"upper", Op::upper, 1, Kind::text},
    {"trim", Op::trim, 1, Kind::text},
    {"trimPrefix", Op::trim_prefix, 2, Kind::text},
    {"trimSuffix", Op::trim_suffix, 2, Kind::text},
    {"hasPrefix", Op::starts_with, 2, Kind::flag},
    {"hasSuffix", Op::ends_with, 2, Kind::flag},
    {"replace", Op::replace, 3, Kind::text},
    {"split", Op::split, 2, Kind::list},
    {"indexOf", Op::index_of, 2, Kind::number},
    {"lastIndexOf", Op::last_index_of, 2, Kind::number},
});

// any([1, 2], # > 1)
struct Predicate {
  std::string_view name;
  Op op;
};
inline constexpr auto predicates = std::to_array<Predicate>({
    {"any", Op::any_of},
    {"all", Op::all_of},
    {"none", Op::none_of},
    {"one", Op::one_of},
    {"count", Op::count_of},
});
// Those that take what no row above can say.
inline constexpr auto special_functions = std::to_array<std::string_view>({"int", "string", "join"});

// The rest of expr-lang's functions and words.
inline constexpr auto reserved_words = std::to_array<std::string_view>(
    {"true",     "false",      "nil",       "not",        "and",     "or",       "in",         "matches",
     "contains", "startsWith", "endsWith",  "let",        "if",      "else",     "filter",     "map",
     "find",     "findIndex",  "findLast",  "reduce",     "groupBy", "sortBy",   "sum",        "findLastIndex",
     "mean",     "median",     "first",     "last",       "get",     "take",     "keys",       "values",
     "reverse",  "toPairs",    "fromPairs", "uniq",       "concat",  "flatten",  "sort",       "abs",
     "ceil",     "floor",      "round",     "max",        "min",     "float",    "splitAfter", "repeat",
     "toJSON",   "fromJSON",   "toBase64",  "fromBase64", "now",     "duration", "date",       "timezone",
     "bitand",   "bitor",      "bitxor",    "bitnand",    "bitshl",  "bitshr",   "bitnot",     "bitushr",
     "group",    "$env"});

}  // namespace fairlead::server::expression_tables
