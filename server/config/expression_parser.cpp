// From the text of an expression to its tree: tokens, precedence, and what each operator takes.
#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "server/config/expression_node.hpp"
#include "server/config/fault_collector.hpp"
#include "server/config/nearest_name.hpp"

namespace fairlead::server {
namespace {

using Node = ExpressionNode;
using Op = ExpressionNode::Op;
using Kind = ExpressionNode::Kind;

struct Token {
  enum class Type { end, name, text, number, sign };
  Type type = Type::end;
  std::string text;  // of a text, what it says
  std::size_t at = 0;
  double real = 0;
  std::int64_t number = 0;
  bool is_real = false;
};

// What is wrong, and where: caught where the parser was called.
struct Wrong {
  std::size_t at;
  std::string message;
};
[[noreturn]] void fail(std::size_t at, std::string message) { throw Wrong{at, std::move(message)}; }

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || is_digit(c); }

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  std::vector<Token> run() {
    std::vector<Token> tokens;
    while (true) {
      at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size());
      Token& token = tokens.emplace_back();
      token.at = at_;
      if (at_ == text_.size()) return tokens;
      read(token);
    }
  }

 private:
  void read(Token& token) {
    const char c = text_[at_];
    if (c == '\'' || c == '"' || c == '`') return read_text(token, c);
    if (is_digit(c) || (c == '.' && at_ + 1 < text_.size() && is_digit(text_[at_ + 1]))) return read_number(token);
    if (is_name(c)) {
      token.type = Token::Type::name;
      while (at_ < text_.size() && is_name(text_[at_])) token.text += text_[at_++];
      return;
    }
    token.type = Token::Type::sign;
    static constexpr std::array<std::string_view, 9> pairs{"==", "!=", "<=", ">=", "&&", "||", "**", "..", "??"};
    const std::string_view pair = text_.substr(at_, 2);
    token.text = std::ranges::find(pairs, pair) != pairs.end() ? pair : text_.substr(at_, 1);
    if (token.text.size() == 1 && std::string_view("()[],!<>+-*/%^?:").find(c) == std::string_view::npos) {
      fail(at_, "unexpected " + quote(token.text));
    }
    at_ += token.text.size();
  }

  void read_text(Token& token, char mark) {
    token.type = Token::Type::text;
    const std::size_t begin = at_++;
    while (at_ < text_.size() && text_[at_] != mark) {
      if (text_[at_] == '\\' && mark != '`') {
        read_escape(token);
      } else {
        token.text += text_[at_++];
      }
    }
    if (at_ == text_.size()) fail(begin, "the text is never closed; write " + std::string(1, mark) + " behind it");
    ++at_;
  }

  void read_escape(Token& token) {
    static constexpr std::string_view escapes = "\\'\"abfnrtv";
    static constexpr std::string_view meanings = "\\'\"\a\b\f\n\r\t\v";
    const char c = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
    if (const std::size_t index = escapes.find(c); index != std::string_view::npos && c != '\0') {
      token.text += meanings[index];
      at_ += 2;
      return;
    }
    unsigned value = 0;
    const std::string_view digits = text_.substr(std::min(at_ + 2, text_.size()), 2);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (c != 'x' || error != std::errc{} || end != digits.data() + 2) {
      fail(at_, "unknown escape " + quote(text_.substr(at_, 2)) + " in a text; write '\\\\' for a backslash");
    }
    token.text += static_cast<char>(value);
    at_ += 4;
  }

  void read_number(Token& token) {
    token.type = Token::Type::number;
    const std::size_t begin = at_;
    std::string digits;
    const bool is_hex = text_.substr(at_, 2) == "0x" || text_.substr(at_, 2) == "0X";
    if (is_hex) at_ += 2;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '_') continue;
      const bool is_range = c == '.' && text_.substr(at_, 2) == "..";
      if (!is_name(c) && (c != '.' || is_range || is_hex)) break;
      digits += c;
    }
    token.text = std::string(text_.substr(begin, at_ - begin));
    const char* const last = digits.data() + digits.size();
    token.is_real = !is_hex && digits.find_first_of(".eE") != std::string::npos;
    const auto [end, error] = token.is_real ? std::from_chars(digits.data(), last, token.real)
                                            : std::from_chars(digits.data(), last, token.number, is_hex ? 16 : 10);
    if (digits.empty() || error != std::errc{} || end != last) fail(begin, quote(token.text) + " is not a number");
  }

  const std::string_view text_;
  std::size_t at_ = 0;
};

struct Binary {
  std::string_view sign;
  int precedence;
  Op op;
};
// expr-lang's; all but the power group from the left.
constexpr auto binaries = std::to_array<Binary>({
    {"||", 10, Op::either},
    {"or", 10, Op::either},
    {"&&", 15, Op::both},
    {"and", 15, Op::both},
    {"==", 20, Op::equal},
    {"!=", 20, Op::unequal},
    {"<", 20, Op::less},
    {"<=", 20, Op::less_equal},
    {">", 20, Op::greater},
    {">=", 20, Op::greater_equal},
    {"in", 20, Op::in_list},
    {"matches", 20, Op::matches},
    {"contains", 20, Op::contains},
    {"startsWith", 20, Op::starts_with},
    {"endsWith", 20, Op::ends_with},
    {"+", 30, Op::add},
    {"-", 30, Op::subtract},
    {"*", 60, Op::multiply},
    {"/", 60, Op::divide},
    {"%", 60, Op::remainder},
    {"**", 100, Op::power},
    {"^", 100, Op::power},
});
constexpr int not_precedence = 50;
constexpr int sign_precedence = 90;

struct Field {
  std::string_view name;
  QueryField field;
  Kind kind;
};
constexpr auto fields = std::to_array<Field>({
    {"bufsize", QueryField::bufsize, Kind::number},
    {"class", QueryField::class_, Kind::text},
    {"client_ip", QueryField::client_ip, Kind::text},
    {"do", QueryField::do_, Kind::flag},
    {"id", QueryField::id, Kind::number},
    {"name", QueryField::name, Kind::text},
    {"opcode", QueryField::opcode, Kind::number},
    {"port", QueryField::port, Kind::text},
    {"proto", QueryField::proto, Kind::text},
    {"server_ip", QueryField::server_ip, Kind::text},
    {"server_port", QueryField::server_port, Kind::text},
    {"size", QueryField::size, Kind::number},
    {"type", QueryField::type, Kind::text},
});

struct Function {
  std::string_view name;
  Op op;
  std::size_t texts;  // how many it takes
  Kind kind;          // what it gives
};
constexpr auto functions = std::to_array<Function>({
    {"incidr", Op::incidr, 2, Kind::flag},
    {"metadata", Op::metadata, 1, Kind::text},
    {"len", Op::length, 1, Kind::number},
    {"lower", Op::lower, 1, Kind::text},
    {"upper", Op::upper, 1, Kind::text},
    {"trim", Op::trim, 1, Kind::text},
    {"trimPrefix", Op::trim_prefix, 2, Kind::text},
    {"trimSuffix", Op::trim_suffix, 2, Kind::text},
    {"hasPrefix", Op::starts_with, 2, Kind::flag},
    {"hasSuffix", Op::ends_with, 2, Kind::flag},
});

std::string_view describe(Kind kind) {
  switch (kind) {
    case Kind::flag: return "yes or no";
    case Kind::text: return "a text";
    default: return "a number";
  }
}

bool is_number(const Node& node) { return node.kind == Kind::number || node.kind == Kind::real; }
bool are_comparable(const Node& a, const Node& b) { return a.kind == b.kind || (is_number(a) && is_number(b)); }

class Parser {
 public:
  explicit Parser(std::string_view text) : tokens_(Lexer(text).run()) {}

  Node run() {
    Node root = expression(0);
    if (token().type != Token::Type::end) fail(token().at, "unexpected " + quote(token().text));
    if (root.kind != Kind::flag) {
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
    if (yes.kind != no.kind) fail(at, "both sides of ':' must be of one kind");
    const Kind kind = yes.kind;
    count(at);
    std::vector<Node> children;
    children.push_back(std::move(condition));
    children.push_back(std::move(yes));
    children.push_back(std::move(no));
    return make(Op::choose, kind, std::move(children));
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
    if (!is_at("..")) fail(at, "'in' needs a list such as ['A', 'AAAA'] or a range such as 1..9 behind it");
    take();
    Node last = expression(26);
    if (!is_number(children.front()) || !is_number(first) || !is_number(last)) fail(at, "a range is one of numbers");
    children.push_back(std::move(first));
    children.push_back(std::move(last));
    return make(Op::in_range, Kind::flag, std::move(children));
  }

  Node unary() {
    const Token token = take();
    count(token.at);
    if (token.type == Token::Type::sign || token.text == "not") {
      if (token.type == Token::Type::sign && token.text == "(") {
        Node inner = expression(0);
        expect(")");
        return inner;
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
      case Token::Type::name: return named(token);
      case Token::Type::end: fail(token.at, "it ends where a value should stand");
      default: fail(token.at, "unexpected " + quote(token.text) + " where a value should stand");
    }
  }

  Node named(const Token& name) {
    if (name.text == "true" || name.text == "false") return constant(name.text == "true", Kind::flag);
    std::vector<std::string_view> known{"int", "string"};
    for (const Field& field : fields) known.push_back(field.name);
    for (const Function& function : functions) known.push_back(function.name);
    if (std::ranges::find(known, name.text) == known.end()) {
      const std::string_view nearest = nearest_name(name.text, known);
      fail(name.at, "unknown function " + quote(name.text) +
                        (nearest.empty() ? "; texts stand in single quotes: '" + name.text + "'"
                                         : "; did you mean " + quote(std::string(nearest) + "()") + '?'));
    }
    if (!is_at("(")) fail(name.at, quote(name.text) + " is a function; write " + quote(name.text + "()"));
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
      if (name.text == "int" && arguments[0].kind == Kind::flag) fail(name.at, "'int' needs a number or a text");
      return name.text == "int" ? make(Op::to_number, Kind::number, std::move(arguments))
                                : make(Op::to_text, Kind::text, std::move(arguments));
    }
    const Function& function = *std::ranges::find(functions, name.text, &Function::name);
    need(function.texts);
    for (const Node& argument : arguments) {
      if (argument.kind != Kind::text) fail(name.at, quote(name.text) + " takes texts; write them in single quotes");
    }
    Node node = make(function.op, function.kind, std::move(arguments));
    if (function.op == Op::incidr) check_network(node, name.at);
    return node;
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
  std::size_t next_ = 0;
  std::size_t nodes_ = 0;
  std::size_t depth_ = 0;
};

}  // namespace

std::expected<Expression, std::string> Expression::parse_condition(std::string_view text) {
  if (text.size() > expression_octets_max) {
    return std::unexpected("it is longer than " + std::to_string(expression_octets_max) + " octets; shorten it");
  }
  try {
    auto root = std::make_shared<const ExpressionNode>(Parser(text).run());
    return Expression(std::string(text), std::move(root));
  } catch (const Wrong& wrong) {
    return std::unexpected(wrong.message + " (at " + quote(text.substr(wrong.at)) + ", octet " +
                           std::to_string(wrong.at + 1) + ")");
  }
}

}  // namespace fairlead::server
