// A template as its parser leaves it. Nothing in it changes once it is made.
//
// Threads: values.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/config/template_value.hpp"

namespace fairlead::server {

struct TemplateFunction;
struct TemplatePipeline;

/// One word of a command: a value, or a function.
struct TemplateOperand {
  enum class Kind { literal, dot, variable, function, pipeline };
  Kind kind = Kind::literal;
  TemplateValue literal;
  std::string name;                                  // of a variable, "$x"
  const TemplateFunction* function = nullptr;        // of template_functions.hpp; lives for ever
  std::shared_ptr<const TemplatePipeline> pipeline;  // in parentheses
  std::vector<std::string> fields;                   // ".Group.a" behind it
};

/// `index .Match 1`: a function or the method Meta with arguments, or one value.
struct TemplateCommand {
  std::vector<TemplateOperand> operands;
};

/// `$x := a | b`
struct TemplatePipeline {
  std::vector<std::string> variables;  // two only in `range`
  bool declares = false;               // := and not =
  std::vector<TemplateCommand> commands;
};

struct TemplateNode {
  enum class Kind { text, action, if_true, with, range, leave, next };
  Kind kind = Kind::text;
  std::string text;
  TemplatePipeline pipeline;
  std::vector<TemplateNode> body;
  std::vector<TemplateNode> otherwise;
};

}  // namespace fairlead::server
