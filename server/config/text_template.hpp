// A template in the language of Go's text/template, as far as records of `template` need it: fields of the query,
// variables, pipelines, if, with, range, and the functions of template_functions.hpp. What is not understood is an
// error when the template is parsed, not when a query comes.
//
// Left out: define, template and block (a line is one record), floating-point numbers, and functions that quote for
// HTML, JavaScript and URLs.
//
// Threads: a value; run() may be called from any thread at once.
// Limits: template_octets_max of text, template_depth_max blocks and parentheses inside each other; a run makes at most
// template_output_octets_max and takes at most template_steps_max.
// Security: what a query brings is data and never read as a template.
// Errors: a sentence that quotes what is wrong.
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/config/template_parser.hpp"
#include "server/config/template_tree.hpp"
#include "server/config/template_value.hpp"

namespace fairlead::server {

inline constexpr std::size_t template_depth_max = 32;
/// Nodes, operands and rounds of one run: a thousand times what a record needs.
inline constexpr std::size_t template_steps_max = 10'000;
/// A record is no longer than a message.
inline constexpr std::size_t template_output_octets_max = 65'535;

class TextTemplate {
 public:
  static std::expected<TextTemplate, std::string> parse(std::string_view text);

  std::expected<std::string, std::string> run(const TemplateData& data) const;
  /// As it was written.
  const std::string& source() const { return source_; }
  /// The names behind '.Var' that it uses.
  const std::vector<std::string>& variables() const { return variables_; }
  /// It has no action: every run gives the same text.
  bool is_constant() const;

 private:
  TextTemplate(std::string_view source, ParsedTemplate parsed)
      : source_(source),
        variables_(std::move(parsed.variables)),
        nodes_(std::make_shared<const std::vector<TemplateNode>>(std::move(parsed.nodes))) {}
  std::string source_;
  std::vector<std::string> variables_;
  std::shared_ptr<const std::vector<TemplateNode>> nodes_;
};

}  // namespace fairlead::server
