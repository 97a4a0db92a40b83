// Cuts the text of a Corefile into words.
//
// The rules are CoreDNS's: words are separated by white space; `#` begins a comment anywhere outside of quotes; a word
// that begins with `"` goes to the closing quote, over several lines if need be, with `\"` as its only escape; `{` and
// `}` are structure only when they stand alone. Ours in addition: a `\` alone at the end of a line joins it with the
// next one.
//
// Threads: none.
// Limits: the caller's, file_octets_max.
// Errors: faults; the lexer goes on at the next line, so that one open quote does not hide what follows it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "server/config/fault_collector.hpp"

namespace fairlead::server {

struct Token {
  std::string text;
  std::uint32_t line = 0;    // where it begins
  bool quoted = false;       // quoted braces are text
  bool starts_line = false;  // the first word of its line
};

std::vector<Token> lex(std::string_view content, std::uint32_t source, FaultCollector& faults);

}  // namespace fairlead::server
