#include "server/config/text_template.hpp"

#include <optional>
#include <utility>

#include "server/config/template_functions.hpp"
#include "server/config/template_lexer.hpp"
#include "server/config/template_parser.hpp"

namespace fairlead::server {
namespace {

using Node = TemplateNode;
using Operand = TemplateOperand;

class Run {
 public:
  explicit Run(const TemplateData& data) : variables_{{"$", TemplateValue(&data)}} {}

  std::expected<std::string, std::string> of(const std::vector<Node>& nodes) {
    const TemplateValue dot = variables_.front().value;  // which moves when variables are added
    run_all(nodes, dot);
    if (!error_.empty()) return std::unexpected(std::move(error_));
    return std::move(output_);
  }

 private:
  enum class Flow { on, leave, next, failed };
  struct Variable {
    std::string name;
    TemplateValue value;
  };

  bool take_step() {
    if (++steps_ <= template_steps_max) return true;
    fail("it takes more than " + std::to_string(template_steps_max) + " steps");
    return false;
  }
  Flow fail(std::string error) {
    if (error_.empty()) error_ = std::move(error);
    return Flow::failed;
  }
  Flow put(std::string_view text) {
    output_ += text;
    if (output_.size() <= template_output_octets_max) return Flow::on;
    return fail("it makes more than " + std::to_string(template_output_octets_max) + " octets");
  }

  Flow run_all(const std::vector<Node>& nodes, const TemplateValue& dot);
  Flow run_one(const Node& node, const TemplateValue& dot);
  Flow run_range(const Node& node, const TemplateValue& value, const TemplateValue& dot);
  Flow run_round(const Node& node, TemplateValue key, const TemplateValue& element);
  // Nothing when it failed.
  std::optional<TemplateValue> value_of(const TemplatePipeline& pipeline, const TemplateValue& dot);
  std::optional<TemplateValue> value_of(const TemplateCommand& command, const TemplateValue& dot,
                                        std::optional<TemplateValue> piped);
  std::optional<TemplateValue> value_of(const Operand& operand, const TemplateValue& dot, std::size_t field_count);
  std::optional<TemplateValue> field_of(const TemplateValue& value, const std::string& name);
  std::optional<TemplateValue> call(const TemplateCommand& command, const TemplateValue& dot,
                                    std::optional<TemplateValue> piped);
  void set(const TemplatePipeline& pipeline, std::size_t index, TemplateValue value);

  std::vector<Variable> variables_;  // the innermost last
  std::string output_;
  std::string error_;
  std::size_t steps_ = 0;
};

Run::Flow Run::run_all(const std::vector<Node>& nodes, const TemplateValue& dot) {
  const std::size_t variable_count = variables_.size();
  Flow flow = Flow::on;
  for (const Node& node : nodes) {
    flow = run_one(node, dot);
    if (flow != Flow::on) break;
  }
  variables_.resize(variable_count);
  return flow;
}

Run::Flow Run::run_one(const Node& node, const TemplateValue& dot) {
  if (!take_step()) return Flow::failed;
  if (node.kind == Node::Kind::text) return put(node.text);
  if (node.kind == Node::Kind::leave) return Flow::leave;
  if (node.kind == Node::Kind::next) return Flow::next;
  const bool is_range = node.kind == Node::Kind::range;
  const std::size_t variable_count = variables_.size();
  const auto value = value_of(node.pipeline, dot);
  if (!value) return Flow::failed;
  if (node.kind == Node::Kind::action) {
    if (node.pipeline.variables.empty()) return put(value->text(template_output_octets_max));
    set(node.pipeline, 0, *value);
    return Flow::on;
  }
  if (!is_range && !node.pipeline.variables.empty()) set(node.pipeline, 0, *value);
  Flow flow = Flow::on;
  if (is_range) {
    flow = run_range(node, *value, dot);
  } else if (value->is_true()) {
    flow = run_all(node.body, node.kind == Node::Kind::with ? *value : dot);
  } else {
    flow = run_all(node.otherwise, dot);
  }
  variables_.resize(variable_count);
  return flow;
}

Run::Flow Run::run_range(const Node& node, const TemplateValue& value, const TemplateValue& dot) {
  Flow flow = Flow::on;
  bool has_run = false;
  const auto round = [&](TemplateValue key, const TemplateValue& element) {
    has_run = true;
    flow = run_round(node, std::move(key), element);
    return flow == Flow::on || flow == Flow::next;
  };
  if (const TemplateList* const list = value.list()) {
    for (std::size_t i = 0; i < list->size(); ++i) {
      if (!round(static_cast<std::int64_t>(i), (*list)[i])) break;
    }
  } else if (const TemplateMap* const map = value.map()) {
    for (const auto& [key, element] : *map) {
      if (!round(key, element)) break;
    }
  } else if (value.is_number()) {
    const auto* const number = value.as<std::int64_t>();
    const std::uint64_t count = number == nullptr ? *value.as<std::uint64_t>()
                                : *number > 0     ? static_cast<std::uint64_t>(*number)
                                                  : 0;
    for (std::uint64_t i = 0; i < count; ++i) {
      if (!round(static_cast<std::int64_t>(i), static_cast<std::int64_t>(i))) break;
    }
  } else if (!value.is_none()) {
    return fail("range over a " + std::string(value.type_name()));
  }
  if (!has_run) return run_all(node.otherwise, dot);
  return flow == Flow::failed ? flow : Flow::on;
}

Run::Flow Run::run_round(const Node& node, TemplateValue key, const TemplateValue& element) {
  if (!take_step()) return Flow::failed;
  const std::size_t variable_count = variables_.size();
  const std::size_t count = node.pipeline.variables.size();
  if (count == 2) set(node.pipeline, 0, std::move(key));
  if (count > 0) set(node.pipeline, count - 1, element);
  const Flow flow = run_all(node.body, element);
  variables_.resize(variable_count);
  return flow;
}

void Run::set(const TemplatePipeline& pipeline, std::size_t index, TemplateValue value) {
  const std::string& name = pipeline.variables[index];
  if (pipeline.declares) {
    variables_.push_back({name, std::move(value)});
    return;
  }
  for (auto variable = variables_.rbegin(); variable != variables_.rend(); ++variable) {
    if (variable->name != name) continue;
    variable->value = std::move(value);
    return;
  }
}

std::optional<TemplateValue> Run::value_of(const TemplatePipeline& pipeline, const TemplateValue& dot) {
  std::optional<TemplateValue> value;
  for (const TemplateCommand& command : pipeline.commands) {
    value = value_of(command, dot, std::move(value));
    if (!value) return std::nullopt;
  }
  return value;
}

std::optional<TemplateValue> Run::value_of(const TemplateCommand& command, const TemplateValue& dot,
                                           std::optional<TemplateValue> piped) {
  const Operand& first = command.operands.front();
  if (first.kind == Operand::Kind::function) return call(command, dot, std::move(piped));
  const bool is_method = first.fields.size() == 1 && first.fields.front() == "Meta";
  if (!is_method) return value_of(first, dot, first.fields.size());
  const auto query = value_of(first, dot, first.fields.size() - 1);
  if (!query) return std::nullopt;
  auto label = std::move(piped);
  if (!label && command.operands.size() == 2) {
    label = value_of(command.operands[1], dot, command.operands[1].fields.size());
  }
  if (!label) return std::nullopt;
  const auto* const data = query->as<const TemplateData*>();
  const auto* const text = label->as<std::string>();
  if (data == nullptr || text == nullptr) {
    fail("'.Meta' is a query's and takes a string");
    return std::nullopt;
  }
  return (*data)->meta(*text);
}

std::optional<TemplateValue> Run::value_of(const Operand& operand, const TemplateValue& dot, std::size_t field_count) {
  if (!take_step()) return std::nullopt;
  std::optional<TemplateValue> value;
  switch (operand.kind) {
    case Operand::Kind::literal: return operand.literal;
    case Operand::Kind::function: return call({{operand}}, dot, std::nullopt);
    case Operand::Kind::dot: value = dot; break;
    case Operand::Kind::pipeline: value = value_of(*operand.pipeline, dot); break;
    case Operand::Kind::variable:
      for (auto variable = variables_.rbegin(); variable != variables_.rend() && !value; ++variable) {
        if (variable->name == operand.name) value = variable->value;
      }
      break;
  }
  for (std::size_t i = 0; i < field_count && value; ++i) value = field_of(*value, operand.fields[i]);
  return value;
}

std::optional<TemplateValue> Run::field_of(const TemplateValue& value, const std::string& name) {
  if (const auto* const data = value.as<const TemplateData*>()) return (*data)->field(name);
  if (const TemplateMap* const map = value.map()) {
    const auto found = map->find(name);
    return found == map->end() ? TemplateValue() : found->second;
  }
  fail("a " + std::string(value.type_name()) + " has no field '." + name + "'");
  return std::nullopt;
}

std::optional<TemplateValue> Run::call(const TemplateCommand& command, const TemplateValue& dot,
                                       std::optional<TemplateValue> piped) {
  const TemplateFunction& function = *command.operands.front().function;
  const bool is_and = function.name == "and";
  std::vector<TemplateValue> arguments;
  for (std::size_t i = 1; i < command.operands.size(); ++i) {
    auto value = value_of(command.operands[i], dot, command.operands[i].fields.size());
    if (!value) return std::nullopt;
    // `and` and `or` end at the first argument that decides.
    if (function.call == nullptr && value->is_true() != is_and) return value;
    arguments.push_back(std::move(*value));
  }
  if (piped) arguments.push_back(std::move(*piped));
  if (function.call == nullptr) return arguments.back();
  auto result = function.call(arguments, template_output_octets_max);
  if (result) return std::move(*result);
  fail(std::move(result.error()));
  return std::nullopt;
}

}  // namespace

std::expected<TextTemplate, std::string> TextTemplate::parse(std::string_view text) {
  auto tokens = lex_template(text);
  if (!tokens) return std::unexpected(std::move(tokens.error()));
  auto parsed = parse_template(std::move(*tokens));
  if (!parsed) return std::unexpected(std::move(parsed.error()));
  return TextTemplate(text, std::move(*parsed));
}

std::expected<std::string, std::string> TextTemplate::run(const TemplateData& data) const {
  return Run(data).of(*nodes_);
}

bool TextTemplate::is_constant() const {
  for (const TemplateNode& node : *nodes_) {
    if (node.kind != TemplateNode::Kind::text) return false;
  }
  return true;
}

}  // namespace fairlead::server
