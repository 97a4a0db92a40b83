// The functions that templates may call: Go's own that make sense of a query, and CoreDNS's parseInt.
//
// Threads: pure functions.
// Limits: what they make is at most `octets_max` and a little more.
// Errors: a sentence; the template has failed then.
// Standards: Go's text/template and strconv.ParseUint.
#pragma once

#include <cstddef>
#include <expected>
#include <span>
#include <string>
#include <string_view>

#include "server/config/template_value.hpp"

namespace fairlead::server {

using TemplateResult = std::expected<TemplateValue, std::string>;

struct TemplateFunction {
  std::string_view name;
  std::size_t arguments_min = 0;
  std::size_t arguments_max = 0;
  /// Null for `and` and `or`, which do not evaluate all of their arguments.
  TemplateResult (*call)(std::span<const TemplateValue> arguments, std::size_t octets_max) = nullptr;
};

/// Null for a name that is none.
const TemplateFunction* find_template_function(std::string_view name);
/// For messages: "and, eq, ...".
std::string template_function_names();

}  // namespace fairlead::server
