#include "server/config/template_parser.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "server/config/fault_collector.hpp"
#include "server/config/template_functions.hpp"
#include "server/config/text_template.hpp"

namespace fairlead::server {
namespace {

using Token = TemplateToken;
using Kind = TemplateToken::Kind;
using Node = TemplateNode;
using Operand = TemplateOperand;

constexpr std::array<std::string_view, 12> fields{"Class",    "Group", "Match",  "Message", "Meta", "Name",
                                                  "Question", "Regex", "Remote", "Type",    "Var",  "Zone"};
constexpr std::array<std::string_view, 5> message_fields{"AuthenticatedData", "CheckingDisabled", "Id", "Question",
                                                         "RecursionDesired"};
constexpr std::array<std::string_view, 3> question_fields{"Name", "Qclass", "Qtype"};

template <typename Names>
std::string list(const Names& names) {
  std::string text;
  for (const std::string_view name : names) text += (text.empty() ? "." : ", .") + std::string(name);
  return text;
}

// The parser stops at its first error, which unwinds it as a value: `failed_` is looked at wherever a loop goes on.
class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  std::expected<ParsedTemplate, std::string> run() {
    std::vector<Node> nodes = parse_nodes();
    if (error_.empty() && !is_at_end()) fail("'{{" + end_word_ + "}}' closes nothing");
    if (!error_.empty()) return std::unexpected(std::move(error_));
    return ParsedTemplate{.nodes = std::move(nodes), .variables = std::move(used_)};
  }

 private:
  bool is_at_end() const { return at_ == tokens_.size(); }
  Kind kind() const { return is_at_end() ? Kind::end : tokens_[at_].kind; }
  bool is_word(std::string_view word) const { return kind() == Kind::identifier && tokens_[at_].text == word; }
  void skip_space() {
    while (kind() == Kind::space && !is_at_end()) ++at_;
  }
  bool failed() const { return !error_.empty(); }
  void fail(std::string error) {
    if (error_.empty()) error_ = std::move(error);
  }
  void expect_end(std::string_view behind) {
    skip_space();
    if (failed()) return;
    if (kind() != Kind::end) return fail("unexpected words behind " + std::string(behind));
    ++at_;
  }
  bool is_too_deep() {
    if (depth_ < template_depth_max) return false;
    fail("it is nested more than " + std::to_string(template_depth_max) + " deep");
    return true;
  }

  std::vector<Node> parse_nodes();
  std::optional<Node> parse_action();
  Node parse_block(Node::Kind node_kind, std::string_view word);
  void parse_otherwise(Node& node, std::string_view word);
  TemplatePipeline parse_pipeline(bool in_range, Kind end);
  void parse_variables(TemplatePipeline& pipeline, bool in_range);
  TemplateCommand parse_command();
  Operand parse_operand();
  void parse_fields(Operand& operand);
  void check_command(const TemplateCommand& command, bool is_first);
  void check_fields(const Operand& operand);
  static bool is_method(const Operand& operand) {
    return operand.fields.size() == 1 && operand.fields.front() == "Meta";
  }

  const std::vector<Token> tokens_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
  std::size_t loops_ = 0;
  bool dot_is_query_ = true;
  std::vector<std::string> variables_{"$"};
  std::vector<std::string> used_;  // behind '.Var'
  std::string end_word_;           // "end" or "else", where parse_nodes() stopped at one
  std::string error_;
};

std::vector<Node> Parser::parse_nodes() {
  std::vector<Node> nodes;
  end_word_.clear();
  while (!failed() && !is_at_end()) {
    const Token& token = tokens_[at_];
    if (token.kind == Kind::text) {
      nodes.push_back({.kind = Node::Kind::text, .text = token.text, .pipeline = {}, .body = {}, .otherwise = {}});
      ++at_;
      continue;
    }
    ++at_;  // {{
    skip_space();
    if (is_word("end") || is_word("else")) {
      end_word_ = tokens_[at_++].text;
      return nodes;
    }
    if (auto node = parse_action()) nodes.push_back(std::move(*node));
  }
  return nodes;
}

std::optional<Node> Parser::parse_action() {
  if (is_word("if")) return parse_block(Node::Kind::if_true, "if");
  if (is_word("with")) return parse_block(Node::Kind::with, "with");
  if (is_word("range")) return parse_block(Node::Kind::range, "range");
  if (is_word("define") || is_word("template") || is_word("block")) {
    fail("'" + tokens_[at_].text + "' is not understood; write the text where it is used");
    return std::nullopt;
  }
  Node node;
  if (is_word("break") || is_word("continue")) {
    node.kind = is_word("break") ? Node::Kind::leave : Node::Kind::next;
    if (loops_ == 0) fail("'" + tokens_[at_].text + "' stands outside of a 'range'");
    ++at_;
    expect_end("it");
    return node;
  }
  node.kind = Node::Kind::action;
  if (kind() == Kind::end) fail("'{{}}' has nothing in it");
  node.pipeline = parse_pipeline(false, Kind::end);
  expect_end("the action");
  return node;
}

Node Parser::parse_block(Node::Kind node_kind, std::string_view word) {
  Node node;
  node.kind = node_kind;
  ++at_;
  if (is_too_deep()) return node;
  ++depth_;
  const std::size_t variable_count = variables_.size();
  node.pipeline = parse_pipeline(node_kind == Node::Kind::range, Kind::end);
  expect_end("'" + std::string(word) + "'");
  const bool dot_was_query = dot_is_query_;
  if (node_kind != Node::Kind::if_true) dot_is_query_ = false;
  if (node_kind == Node::Kind::range) ++loops_;
  const std::size_t inner_count = variables_.size();
  if (!failed()) node.body = parse_nodes();
  variables_.resize(std::min(variables_.size(), inner_count));
  if (node_kind == Node::Kind::range) --loops_;
  dot_is_query_ = dot_was_query;
  if (!failed() && end_word_ == "else") parse_otherwise(node, word);
  if (!failed() && end_word_ != "end") fail("'" + std::string(word) + "' is not closed; write '{{end}}' behind it");
  if (!failed()) {
    expect_end("'end'");
    end_word_.clear();
  }
  variables_.resize(std::min(variables_.size(), variable_count));
  --depth_;
  return node;
}

// At what follows `else`; leaves the `end` to the block, also where `else if` shares it.
void Parser::parse_otherwise(Node& node, std::string_view word) {
  skip_space();
  if (is_word("if") || is_word("with")) {
    if (is_word(word)) {
      node.otherwise.push_back(parse_block(node.kind, word));
      // The inner block has taken the `end` of both.
      --at_;
      end_word_ = "end";
    } else {
      fail("'else " + tokens_[at_].text + "' does not go with '" + std::string(word) + "'");
    }
    return;
  }
  expect_end("'else'");
  if (failed()) return;
  node.otherwise = parse_nodes();
  if (!failed() && end_word_ == "else") fail("'" + std::string(word) + "' has two 'else'");
}

void Parser::parse_variables(TemplatePipeline& pipeline, bool in_range) {
  // Back to where it began, unless ":=" or "=" follows.
  const std::size_t begin = at_;
  std::vector<std::string> names;
  while (kind() == Kind::variable) {
    names.push_back(tokens_[at_++].text);
    skip_space();
    if (kind() != Kind::comma) break;
    ++at_;
    skip_space();
  }
  if (names.empty() || (kind() != Kind::declare && kind() != Kind::assign)) {
    at_ = begin;
    return;
  }
  pipeline.declares = kind() == Kind::declare;
  ++at_;
  if (names.size() > (in_range ? 2u : 1u)) return fail("too many variables before ':='");
  for (const std::string& name : names) {
    if (name == "$") return fail("'$' cannot be set");
    const bool is_known = std::ranges::find(variables_, name) != variables_.end();
    if (!pipeline.declares && !is_known) return fail("the variable " + quote(name) + " is not declared; write ':='");
  }
  pipeline.variables = std::move(names);
}

TemplatePipeline Parser::parse_pipeline(bool in_range, Kind end) {
  TemplatePipeline pipeline;
  skip_space();
  parse_variables(pipeline, in_range);
  while (!failed()) {
    skip_space();
    TemplateCommand command = parse_command();
    if (failed()) break;
    check_command(command, pipeline.commands.empty());
    pipeline.commands.push_back(std::move(command));
    if (kind() == Kind::pipe) {
      ++at_;
      continue;
    }
    if (kind() != end) fail("unexpected word in an action");
    break;
  }
  if (pipeline.declares) variables_.insert(variables_.end(), pipeline.variables.begin(), pipeline.variables.end());
  return pipeline;
}

TemplateCommand Parser::parse_command() {
  TemplateCommand command;
  while (!failed()) {
    skip_space();
    if (kind() == Kind::end || kind() == Kind::pipe || kind() == Kind::right_paren) break;
    command.operands.push_back(parse_operand());
    if (kind() != Kind::space && kind() != Kind::end && kind() != Kind::pipe && kind() != Kind::right_paren) {
      fail("a space is missing between two words of an action");
    }
  }
  if (!failed() && command.operands.empty()) fail("a value is missing in an action");
  return command;
}

Operand Parser::parse_operand() {
  Operand operand;
  if (is_at_end()) {
    fail("a value is missing in an action");
    return operand;
  }
  const Token& token = tokens_[at_];
  switch (token.kind) {
    case Kind::string: operand.literal = token.text; break;
    case Kind::number: operand.literal = token.number; break;
    case Kind::dot:
    case Kind::field: operand.kind = Operand::Kind::dot; break;
    case Kind::variable:
      operand.kind = Operand::Kind::variable;
      operand.name = token.text;
      if (std::ranges::find(variables_, token.text) == variables_.end()) {
        fail("the variable " + quote(token.text) + " is not declared");
      }
      break;
    case Kind::identifier:
      if (token.text == "true" || token.text == "false") {
        operand.literal = token.text == "true";
      } else if (token.text != "nil") {
        operand.kind = Operand::Kind::function;
        operand.function = find_template_function(token.text);
        if (operand.function == nullptr) {
          fail("unknown function " + quote(token.text) + "; write one of " + template_function_names());
        }
      }
      break;
    case Kind::left_paren: {
      operand.kind = Operand::Kind::pipeline;
      if (is_too_deep()) return operand;
      ++depth_;
      ++at_;
      operand.pipeline = std::make_shared<const TemplatePipeline>(parse_pipeline(false, Kind::right_paren));
      --depth_;
      if (failed()) return operand;
      break;  // at ")"
    }
    default: fail("unexpected word in an action"); return operand;
  }
  if (token.kind != Kind::field) ++at_;
  parse_fields(operand);
  check_fields(operand);
  return operand;
}

void Parser::parse_fields(Operand& operand) {
  while (!failed() && kind() == Kind::field && !is_at_end()) operand.fields.push_back(tokens_[at_++].text);
  const bool takes_fields = operand.kind != Operand::Kind::literal && operand.kind != Operand::Kind::function;
  if (!operand.fields.empty() && !takes_fields)
    fail("'." + operand.fields.front() + "' stands behind what has no fields");
}

// What a query has is known; what an element of a list has is not.
void Parser::check_fields(const Operand& operand) {
  const bool is_query = (operand.kind == Operand::Kind::dot && dot_is_query_) ||
                        (operand.kind == Operand::Kind::variable && operand.name == "$");
  if (!is_query || operand.fields.empty() || failed()) return;
  const std::string& first = operand.fields.front();
  const auto has = [](const auto& names, std::string_view name) {
    return std::ranges::find(names, name) != names.end();
  };
  if (!has(fields, first)) return fail("a query has no field '." + first + "'; write " + list(fields));
  if (operand.fields.size() == 1) return;
  const std::string& second = operand.fields[1];
  if (first == "Message" && !has(message_fields, second)) {
    fail("'.Message' has no field '." + second + "' here; write " + list(message_fields));
  } else if (first == "Question" && !has(question_fields, second)) {
    fail("'.Question' has no field '." + second + "'; write " + list(question_fields));
  } else if (first == "Var") {
    used_.push_back(second);
  } else if (first != "Message" && first != "Question" && first != "Group") {
    fail("'." + first + "' has no fields");
  }
}

void Parser::check_command(const TemplateCommand& command, bool is_first) {
  const Operand& first = command.operands.front();
  const std::size_t count = command.operands.size() - (is_first ? 1 : 0);
  for (std::size_t i = 1; i < command.operands.size(); ++i) {
    const Operand& argument = command.operands[i];
    const bool is_called = argument.kind == Operand::Kind::function && argument.function->arguments_min > 0;
    if (is_called || is_method(argument)) {
      return fail("put parentheses around a call that is an argument, such as '(len .Name)'");
    }
  }
  if (first.kind == Operand::Kind::function) {
    if (count < first.function->arguments_min || count > first.function->arguments_max) {
      fail("wrong number of arguments for '" + std::string(first.function->name) + "'");
    }
  } else if (is_method(first)) {
    if (count != 1) fail("'.Meta' takes one label, such as '.Meta \"kubernetes/client-namespace\"'");
  } else if (count > 0) {
    fail("a value has no arguments; write a function before it, or a '|' behind it");
  }
}

}  // namespace

std::expected<ParsedTemplate, std::string> parse_template(std::vector<TemplateToken> tokens) {
  return Parser(std::move(tokens)).run();
}

}  // namespace fairlead::server
