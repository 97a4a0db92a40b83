// The words of a template as a tree, with everything checked that can be without a query: blocks that close, functions
// and their numbers of arguments, variables that were declared, fields that a query has.
//
// Threads: pure functions.
// Limits: template_depth_max.
// Errors: a sentence that quotes what is wrong.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "server/config/template_lexer.hpp"
#include "server/config/template_tree.hpp"

namespace fairlead::server {

struct ParsedTemplate {
  std::vector<TemplateNode> nodes;
  std::vector<std::string> variables;  // "x" for each '.Var.x'
};
std::expected<ParsedTemplate, std::string> parse_template(std::vector<TemplateToken> tokens);

}  // namespace fairlead::server
