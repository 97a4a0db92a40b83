// An expression's text as words: the first half of its parser.
//
// Threads: pure functions.
// Errors: ExpressionFault, thrown; whoever parses catches it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fairlead::server {

struct ExpressionToken {
  enum class Type { end, name, text, number, sign };
  Type type = Type::end;
  std::string text;  // of a text, what it says
  std::size_t at = 0;
  double real = 0;
  std::int64_t number = 0;
  bool is_real = false;
};

/// What is wrong, and where.
struct ExpressionFault {
  std::size_t at;
  std::string message;
};

/// With one of Type::end behind the last.
std::vector<ExpressionToken> lex_expression(std::string_view text);

}  // namespace fairlead::server
