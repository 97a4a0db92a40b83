// The text of a template, cut into what stands outside of actions and the words inside of them.
//
// `{{-` and `-}}` take the white space beside them away; `{{/* ... */}}` is nothing.
//
// Threads: pure functions.
// Limits: template_octets_max.
// Errors: a sentence that quotes what is wrong.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace fairlead::server {

/// A resource record with conditions around it; CoreDNS's longest example has 150.
inline constexpr std::size_t template_octets_max = 16'384;

struct TemplateToken {
  enum class Kind {
    text,        // outside of actions
    begin,       // {{
    end,         // }}
    space,       // between two words: "a .b" is not "a.b"
    field,       // ".Name"; the text is "Name"
    dot,         // "."
    variable,    // "$x" or "$"
    identifier,  // a function or keyword
    number,      // also of 'c'
    string,      // without quotes, escapes undone
    declare,     // :=
    assign,      // =
    pipe,
    comma,
    left_paren,
    right_paren,
  };
  Kind kind{};
  std::string text;
  std::int64_t number = 0;
};

std::expected<std::vector<TemplateToken>, std::string> lex_template(std::string_view text);

}  // namespace fairlead::server
