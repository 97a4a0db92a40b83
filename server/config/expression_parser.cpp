// From the words of an expression to its tree: precedence, and what each operator takes.
#include <algorithm>
#include <vector>

#include "server/config/expression_functions.hpp"
#include "server/config/expression_lexer.hpp"
#include "server/config/expression_node.hpp"
#include "server/config/fault_collector.hpp"
#include "server/config/nearest_name.hpp"

namespace fairlead::server {
namespace {

using Node = ExpressionNode;
using Token = ExpressionToken;
using namespace expression_tables;  // NOLINT(google-build-using-namespace)

[[noreturn]] void fail(std::size_t at, std::string message) { throw ExpressionFault{at, std::move(message)}; }

std::string_view describe(Kind kind) {
  switch (kind) {
    case Kind::flag: return "yes or no";
    case Kind::text: return "a text";
    case Kind::list: return "a list";
    default: return "a number";
  }
}

bool is_number(const Node& node) { return node.kind == Kind::number || node.kind == Kind::real; }
bool are_numbers(Kind a, Kind b) {
  return (a == Kind::number || a == Kind::real) && (b == Kind::number || b == Kind::real);
}
bool are_comparable(Kind a, Kind b) { return (a == b && a != Kind::list) || are_numbers(a, b); }
bool are_comparable(const Node& a, const Node& b) { return are_comparable(a.kind, b.kind); }

class Parser {
 public:
  Parser(std::string_view text, const ExpressionScope& scope) : tokens_(lex_expression(text)), scope_(scope) {}

  Node run(bool is_condition) {
    Node root = expression(0);
    if (token().type != Token::Type::end) fail(token().at, "unexpected " + quote(token().text));
    if (is_condition && root.kind != Kind::flag) {
      fail(0, "it is " + std::string(describe(root.kind)) + ", and not yes or no; compare it with something");
    }
    return root;
  }

 private:
  const Token& token() const { return tokens_[next_]; }
  Token take() { return tokens_[next_ + 1 < tokens_.size() ? next_++ : next_]; }
  // A sign, or a word that is an operator; a text is never one.
  bool is_at(std::string_view sign) const {
    return (token().type == Token::Type::sign || token().type == Token::Type::name) && token().text == sign;
  }
  bool take_if(std::string_view sign) {
    if (!is_at(sign)) return false;
    take();
    return true;
  }
  void expect(std::string_view sign) {
    if (take_if(sign)) return;
    fail(token().at, (token().type == Token::Type::end ? "it ends" : "unexpected " + quote(token().text)) +
                         std::string(" where ") + quote(sign) + " should stand");
  }

  static Node make(Op op, Kind kind, std::vector<Node> children = {}) {
    Node node;
    node.op = op;
    node.kind = kind;
    node.children = std::move(children);
    return node;
  }
  static Node constant(ExpressionValue value, Kind kind) {
    Node node = make(Op::constant, kind);
    node.value = std::move(value);
    return node;
  }

  void count(std::size_t at) {
    if (++nodes_ > expression_nodes_max) {
      fail(at, "it has more than " + std::to_string(expression_nodes_max) + " parts; write a regular expression");
    }
  }

  Node expression(int precedence_min) {
    if (++depth_ > expression_depth_max) fail(token().at, "it is nested too deep; write it with fewer parentheses");
    Node left = unary();
    while (true) {
      const std::size_t before = next_;
      const std::size_t at = token().at;
      const bool is_negated = precedence_min <= 20 && is_at("not") && take_if("not");
      const auto row = std::ranges::find_if(binaries, [&](const Binary& binary) { return is_at(binary.sign); });
      const bool fits = row != binaries.end() && row->precedence >= precedence_min &&
                        (!is_negated || (row->precedence == 20 && tokens_[next_].type == Token::Type::name));
      if (!fits) {
        next_ = before;
        break;
      }
      take();
      count(at);
      left = row->op == Op::in_list ? membership(std::move(left), at) : binary(*row, std::move(left), at);
      if (is_negated) left = make(Op::negate, Kind::flag, {std::move(left)});
    }
    if (precedence_min == 0 && is_at("?")) left = choice(std::move(left));
    --depth_;
    return left;
  }

  Node choice(Node condition) {
    const std::size_t at = take().at;
    if (condition.kind != Kind::flag) fail(at, "'?' needs yes or no in front of it");
    Node yes = expression(0);
    expect(":");
    Node no = expression(0);
    if (yes.kind != no.kind || yes.element != no.element) fail(at, "both sides of ':' must be of one kind");
    const Kind kind = yes.kind;
    const Kind element = yes.element;
    count(at);
    std::vector<Node> children;
    children.push_back(std::move(condition));
    children.push_back(std::move(yes));
    children.push_back(std::move(no));
    Node node = make(Op::choose, kind, std::move(children));
    node.element = element;
    return node;
  }

  Node binary(const Binary& row, Node left, std::size_t at) {
    Node right = expression(row.op == Op::power ? row.precedence : row.precedence + 1);
    const auto need = [&](bool holds, std::string_view what) {
      if (!holds) fail(at, quote(row.sign) + " needs " + std::string(what) + " on both sides");
    };
    const bool are_texts = left.kind == Kind::text && right.kind == Kind::text;
    const bool are_numbers = is_number(left) && is_number(right);
    Kind kind = Kind::flag;
    std::optional<RegularExpression> pattern;
    switch (row.op) {
      case Op::both:
      case Op::either: need(left.kind == Kind::flag && right.kind == Kind::flag, "yes or no"); break;
      case Op::equal:
      case Op::unequal: need(are_comparable(left, right), "values of one kind"); break;
      case Op::less:
      case Op::less_equal:
      case Op::greater:
      case Op::greater_equal: need(are_texts || are_numbers, "two numbers or two texts"); break;
      case Op::contains:
      case Op::starts_with:
      case Op::ends_with: need(are_texts, "a text"); break;
      case Op::matches:
        need(are_texts, "a text");
        pattern = read_pattern(right, at);
        right = constant(std::string(), Kind::text);
        break;
      case Op::add: need(are_texts || are_numbers, "two numbers or two texts"); [[fallthrough]];
      default:
        need(are_texts ? row.op == Op::add : are_numbers, "a number");
        kind = are_texts ? Kind::text : left.kind == Kind::real || right.kind == Kind::real ? Kind::real : Kind::number;
        if (row.op == Op::divide || row.op == Op::power) kind = Kind::real;
        if (row.op == Op::remainder) need(kind == Kind::number, "a whole number");
        break;
    }
    std::vector<Node> children;
    children.push_back(std::move(left));
    children.push_back(std::move(right));
    Node node = make(row.op, kind, std::move(children));
    node.pattern = std::move(pattern);
    return node;
  }

  static RegularExpression read_pattern(const Node& node, std::size_t at) {
    if (node.op != Op::constant) {
      fail(at, "the pattern of 'matches' is not written as a text; one that differs from query to query is not served");
    }
    const std::string& text = std::get<std::string>(node.value);
    auto pattern = RegularExpression::parse(text);
    if (!pattern) {
      fail(at, "bad regular expression " + quote(text) + ": " + pattern.error() + "; write one as Go and RE2 do");
    }
    return std::move(*pattern);
  }

  // a in [b, c], a in 1..9
  Node membership(Node left, std::size_t at) {
    std::vector<Node> children;
    children.push_back(std::move(left));
    const auto add = [&](Node node) {
      if (!are_comparable(children.front(), node)) {
        fail(at, "'in' needs a list of what stands in front of it: " + std::string(describe(children.front().kind)));
      }
      children.push_back(std::move(node));
    };
    if (take_if("[")) {
      while (!is_at("]")) {
        add(expression(0));
        if (!is_at("]")) expect(",");
      }
      expect("]");
      return make(Op::in_list, Kind::flag, std::move(children));
    }
    Node first = expression(26);
    if (first.kind == Kind::list && !is_at("..")) {
      if (!are_comparable(children.front().kind, first.element)) {
        fail(at, "'in' needs a list of what stands in front of it: " + std::string(describe(children.front().kind)));
      }
      children.push_back(std::move(first));
      return make(Op::in_value, Kind::flag, std::move(children));
    }
    if (!is_at("..")) fail(at, "'in' needs a list such as ['A', 'AAAA'] or a range such as 1..9 behind it");
    take();
    Node last = expression(26);
    if (!is_number(children.front()) || !is_number(first) || !is_number(last)) fail(at, "a range is one of numbers");
    children.push_back(std::move(first));
    children.push_back(std::move(last));
    return make(Op::in_range, Kind::flag, std::move(children));
  }

  // [1, 2]
  Node list(std::size_t at) {
    Node node = make(Op::list, Kind::list);
    while (!is_at("]")) {
      Node item = expression(0);
      if (item.kind == Kind::list) fail(at, "a list of lists is not served");
      const bool is_first = node.children.empty();
      if (!is_first && !are_comparable(node.element, item.kind)) fail(at, "a list must be of values of one kind");
      if (is_first || item.kind == Kind::real) node.element = item.kind;
      node.children.push_back(std::move(item));
      if (!is_at("]")) expect(",");
    }
    expect("]");
    if (!std::ranges::all_of(node.children, [](const Node& item) { return item.op == Op::constant; })) return node;
    // Made once.
    ExpressionList items;
    for (const Node& item : node.children) {
      const auto* const number = std::get_if<std::int64_t>(&item.value);
      const bool is_to_be_real = node.element == Kind::real && number != nullptr;
      items.items.push_back(is_to_be_real ? ExpressionValue(static_cast<double>(*number)) : item.value);
    }
    Node folded = constant(std::make_shared<const ExpressionList>(std::move(items)), Kind::list);
    folded.element = node.element;
    return folded;
  }

  // LIST[0], as often as it is written.
  Node indexed(Node node) {
    while (is_at("[")) {
      const std::size_t at = take().at;
      if (node.kind != Kind::list) fail(at, "'[' needs a list in front of it, such as split(name(), '.')");
      Node index = expression(0);
      if (index.kind != Kind::number) fail(at, "an index is a whole number");
      expect("]");
      count(at);
      const Kind kind = node.element;
      std::vector<Node> children;
      children.push_back(std::move(node));
      children.push_back(std::move(index));
      node = make(Op::at_index, kind, std::move(children));
    }
    return node;
  }

  Node unary() {
    const Token token = take();
    count(token.at);
    if (token.type == Token::Type::sign || token.text == "not") {
      if (token.type == Token::Type::sign && token.text == "(") {
        Node inner = expression(0);
        expect(")");
        return indexed(std::move(inner));
      }
      if (token.type == Token::Type::sign && token.text == "[") return indexed(list(token.at));
      if (token.type == Token::Type::sign && token.text == "#") {
        if (elements_.empty()) fail(token.at, "'#' is an element of any(), all(), none(), one() or count()");
        return make(Op::element, elements_.back());
      }
      if (token.type != Token::Type::text && (token.text == "!" || token.text == "not")) {
        Node operand = expression(not_precedence);
        if (operand.kind != Kind::flag) {
          fail(token.at, quote(token.text) + " needs yes or no behind it; write parentheses around a comparison");
        }
        return make(Op::negate, Kind::flag, {std::move(operand)});
      }
      if (token.type == Token::Type::sign && (token.text == "-" || token.text == "+")) {
        Node operand = expression(sign_precedence);
        if (!is_number(operand)) fail(token.at, quote(token.text) + " needs a number behind it");
        if (token.text == "+") return operand;
        const Kind kind = operand.kind;
        return make(Op::minus, kind, {std::move(operand)});
      }
    }
    switch (token.type) {
      case Token::Type::text: return constant(token.text, Kind::text);
      case Token::Type::number:
        return token.is_real ? constant(token.real, Kind::real) : constant(token.number, Kind::number);
      case Token::Type::name: return indexed(named(token));
      case Token::Type::end: fail(token.at, "it ends where a value should stand");
      default: fail(token.at, "unexpected " + quote(token.text) + " where a value should stand");
    }
  }

  Node named(const Token& name) {
    if (name.text == "true" || name.text == "false") return constant(name.text == "true", Kind::flag);
    const auto variable = std::ranges::find(scope_.variables, name.text, &ExpressionScope::Variable::name);
    if (variable != scope_.variables.end()) {
      Node node = make(Op::variable, variable->type.kind);
      node.element = variable->type.element;
      node.index = static_cast<std::size_t>(variable - scope_.variables.begin());
      return node;
    }
    std::vector<std::string_view> known(special_functions.begin(), special_functions.end());
    for (const Field& field : fields) known.push_back(field.name);
    for (const Function& function : functions) known.push_back(function.name);
    for (const Predicate& predicate : predicates) known.push_back(predicate.name);
    if (scope_.has_groups) known.push_back("group");
    if (std::ranges::find(known, name.text) == known.end()) {
      const std::string_view nearest = nearest_name(name.text, known);
      fail(name.at, std::string(scope_.has_groups ? "unknown function or variable " : "unknown function ") +
                        quote(name.text) +
                        (nearest.empty() ? "; texts stand in single quotes: '" + name.text + "'"
                                         : "; did you mean " + quote(std::string(nearest) + "()") + '?'));
    }
    if (!is_at("(")) fail(name.at, quote(name.text) + " is a function; write " + quote(name.text + "()"));
    if (const auto row = std::ranges::find(predicates, name.text, &Predicate::name); row != predicates.end()) {
      return over_elements(*row, name.at);
    }
    std::vector<Node> arguments = this->arguments();
    const auto need = [&](std::size_t count) {
      if (arguments.size() == count) return;
      fail(name.at, quote(name.text) + " takes " + (count == 0 ? "nothing" : std::to_string(count) + " value(s)") +
                        ", not " + std::to_string(arguments.size()));
    };
    if (const auto field = std::ranges::find(fields, name.text, &Field::name); field != fields.end()) {
      need(0);
      Node node = make(Op::field, field->kind);
      node.field = field->field;
      return node;
    }
    if (name.text == "int" || name.text == "string") {
      need(1);
      const Kind kind = arguments[0].kind;
      if (name.text == "int" && kind != Kind::text && !is_number(arguments[0])) {
        fail(name.at, "'int' needs a number or a text");
      }
      if (kind == Kind::list) fail(name.at, "'string' takes no list; write join()");
      return name.text == "int" ? make(Op::to_number, Kind::number, std::move(arguments))
                                : make(Op::to_text, Kind::text, std::move(arguments));
    }
    if (name.text == "group") {
      need(1);
      if (arguments[0].kind != Kind::text && arguments[0].kind != Kind::number) {
        fail(name.at, "'group' takes the name or the number of a group: group('a'), group(1)");
      }
      return make(Op::group, Kind::text, std::move(arguments));
    }
    if (name.text == "join") return joined(std::move(arguments), name.at);
    const Function& function = *std::ranges::find(functions, name.text, &Function::name);
    need(function.texts);
    if (function.op == Op::length && arguments[0].kind == Kind::list) {
      return make(Op::length, Kind::number, std::move(arguments));
    }
    for (const Node& argument : arguments) {
      if (argument.kind != Kind::text) fail(name.at, quote(name.text) + " takes texts; write them in single quotes");
    }
    Node node = make(function.op, function.kind, std::move(arguments));
    if (function.kind == Kind::list) node.element = Kind::text;
    if (function.op == Op::incidr) check_network(node, name.at);
    return node;
  }

  // any(LIST, CONDITION) or any(LIST, {CONDITION})
  Node over_elements(const Predicate& predicate, std::size_t at) {
    const std::string name(predicate.name);
    const auto need = [&](bool holds, std::string_view what) {
      if (!holds) fail(at, quote(name) + ' ' + std::string(what) + "; write " + name + "(['a', 'b'], # == name())");
    };
    expect("(");
    std::vector<Node> children;
    children.push_back(expression(0));
    need(children[0].kind == Kind::list, "needs a list");
    const auto* const items = std::get_if<std::shared_ptr<const ExpressionList>>(&children[0].value);
    need(items == nullptr || !(*items)->items.empty(), "needs a list with something in it");
    need(take_if(","), "needs a condition behind the list");
    const bool is_braced = take_if("{");
    elements_.push_back(children[0].element);
    children.push_back(expression(0));
    elements_.pop_back();
    need(children[1].kind == Kind::flag, "needs a condition that is yes or no");
    if (is_braced) expect("}");
    expect(")");
    return make(predicate.op, predicate.op == Op::count_of ? Kind::number : Kind::flag, std::move(children));
  }

  static Node joined(std::vector<Node> arguments, std::size_t at) {
    const bool has_list = !arguments.empty() && arguments[0].kind == Kind::list && arguments[0].element == Kind::text;
    const bool has_mark = arguments.size() == 2 && arguments[1].kind == Kind::text;
    if (!has_list || (arguments.size() != 1 && !has_mark)) {
      fail(at, "'join' takes a list of texts and what stands between them: join(split(name(), '.'), '-')");
    }
    return make(Op::join, Kind::text, std::move(arguments));
  }

  static void check_network(Node& node, std::size_t at) {
    if (node.children[1].op != Op::constant) return;
    const std::string& text = std::get<std::string>(node.children[1].value);
    node.network = base::IpNetwork::parse(text);
    if (!node.network || text.find('/') == std::string::npos) {
      fail(at, quote(text) + " is not a network; write one such as '10.0.0.0/8'");
    }
  }

  std::vector<Node> arguments() {
    std::vector<Node> arguments;
    expect("(");
    while (!is_at(")")) {
      arguments.push_back(expression(0));
      if (!is_at(")")) expect(",");
    }
    expect(")");
    return arguments;
  }

  const std::vector<Token> tokens_;
  const ExpressionScope& scope_;
  std::vector<Kind> elements_;  // of the lists whose conditions are open
  std::size_t next_ = 0;
  std::size_t nodes_ = 0;
  std::size_t depth_ = 0;
};

std::expected<ExpressionNode, std::string> parse_expression(std::string_view text, const ExpressionScope& scope,
                                                            bool is_condition) {
  if (text.size() > expression_octets_max) {
    return std::unexpected("it is longer than " + std::to_string(expression_octets_max) + " octets; shorten it");
  }
  try {
    return Parser(text, scope).run(is_condition);
  } catch (const ExpressionFault& wrong) {
    return std::unexpected(wrong.message + " (at " + quote(text.substr(wrong.at)) + ", octet " +
                           std::to_string(wrong.at + 1) + ")");
  }
}

}  // namespace

bool is_reserved_in_expressions(std::string_view name) {
  return std::ranges::find(reserved_words, name) != reserved_words.end() ||
         std::ranges::find(special_functions, name) != special_functions.end() ||
         std::ranges::find(fields, name, &Field::name) != fields.end() ||
         std::ranges::find(functions, name, &Function::name) != functions.end() ||
         std::ranges::find(predicates, name, &Predicate::name) != predicates.end();
}

std::expected<Expression, std::string> Expression::parse_condition(std::string_view text,
                                                                   const ExpressionScope& scope) {
  auto root = parse_expression(text, scope, true);
  if (!root) return std::unexpected(std::move(root.error()));
  return Expression(std::string(text), std::make_shared<const ExpressionNode>(std::move(*root)));
}

std::expected<Expression, std::string> Expression::parse(std::string_view text, const ExpressionScope& scope) {
  auto root = parse_expression(text, scope, false);
  if (!root) return std::unexpected(std::move(root.error()));
  return Expression(std::string(text), std::make_shared<const ExpressionNode>(std::move(*root)));
}

}  // namespace fairlead::server
