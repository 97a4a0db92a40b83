// The expressions of `view` and `template`: what they mean, and what is said of those that mean nothing.
#include "server/config/expression.hpp"

#include <doctest/doctest.h>

#include <array>

namespace fairlead::server {
namespace {

/// A AAAA question for www.example.org over UDP, with DO and 1,232 octets.
class Question : public ExpressionInput {
 public:
  bool flag(QueryField) const override { return true; }
  std::int64_t number(QueryField field) const override {
    switch (field) {
      case QueryField::bufsize: return 1232;
      case QueryField::id: return 4660;
      case QueryField::size: return 56;
      default: return 0;
    }
  }
  std::string text(QueryField field) const override {
    switch (field) {
      case QueryField::class_: return "IN";
      case QueryField::client_ip: return "10.1.2.3";
      case QueryField::name: return "www.example.org.";
      case QueryField::port: return "5353";
      case QueryField::proto: return "udp";
      case QueryField::server_ip: return "2001:db8::53";
      case QueryField::server_port: return "53";
      default: return "AAAA";
    }
  }
  std::string metadata(std::string_view label) const override {
    ++metadata_count;
    return label == "kubernetes/client-namespace" ? "shop" : "";
  }
  mutable int metadata_count = 0;
};

TEST_CASE("a condition holds as expr-lang says") {
  struct Row {
    const char* text;
    bool holds;
  };
  const auto rows = std::to_array<Row>({
      {"true", true},
      {"not true", false},
      {"!false", true},
      {"type() == 'AAAA'", true},
      {"type() != \"AAAA\"", false},
      {"(type() == 'A' && name() == 'example.com.') || client_ip() == '10.1.2.3'", true},
      {"type() == 'A' and true or false", false},
      {"true or false and false", true},
      {"type() in ['A', 'AAAA']", true},
      {"type() in ['A']", false},
      {"type() not in ['A']", true},
      {"type() in []", false},
      {"not (type() in ['A'])", true},
      {"id() in [1, 4660]", true},
      {"id() in 1..4660", true},
      {"id() in 1 .. 4659", false},
      {"incidr(client_ip(), '10.0.0.0/8')", true},
      {"incidr(client_ip(), '10.1.3.0/24')", false},
      {"incidr(server_ip(), '2001:DB8::/32')", true},
      {"incidr(server_ip(), '0.0.0.0/0')", false},
      {"incidr('x' + client_ip(), '0.0.0.0/0')", false},
      {"!incidr(name(), '0.0.0.0/0')", false},
      {"incidr(client_ip(), metadata('x'))", false},
      {"name() matches '^www\\\\..*\\\\.org\\\\.$'", true},
      {"name() matches `^www\\.ex`", true},
      {"name() not matches 'x$'", true},
      {"name() startsWith 'www.' && name() endsWith '.org.'", true},
      {"name() contains 'example' and not (name() contains 'x.y')", true},
      {"name() not contains 'example'", false},
      {"bufsize() >= 1232 && bufsize() > 1231 && bufsize() <= 1232 && bufsize() < 1233", true},
      {"size() + 4 * 2 == 64", true},
      {"(size() + 4) * 2 == 120", true},
      {"size() % 10 == 6 && -size() == 0 - 56 && +1 == 1", true},
      {"size() / 0 > 1 || true", false},
      {"size() % 0 == 0", false},
      {"true || size() % 0 == 0", true},
      {"9223372036854775807 + 1 > 0", false},
      {"7 / 2 == 3.5", true},
      {"2 ** 3 ** 2 == 512", true},
      {"2 ^ 3 == 8", true},
      {"1_000 == 0x3e8 && 1e3 == 1000 && .5 < 1", true},
      {"do()", true},
      {"opcode() == 0", true},
      {"proto() == 'udp' ? port() == '5353' : false", true},
      {"(do() ? 'a' : 'b') == 'a'", true},
      {"len(type()) == 4", true},
      {"lower(type()) == 'aaaa' && upper('q') + trim(' x ') == 'Qx'", true},
      {"trimPrefix(name(), 'www.') == 'example.org.' && trimSuffix(name(), '.') == 'www.example.org'", true},
      {"hasPrefix(name(), 'www') && hasSuffix(name(), '.')", true},
      {"int(port()) > 5000 && string(id()) == '4660'", true},
      {"int(name()) == 0", false},
      {"class() + server_port() == 'IN53'", true},
      {"metadata('kubernetes/client-namespace') == 'shop'", true},
      {"'a' < 'b' && 'it\\'s' == \"it's\" && '\\x41' == 'A'", true},
      {"any(['10.0.0.0/8', '192.168.0.0/16'], incidr(client_ip(), #))", true},
      {"any(['172.16.0.0/12'], {incidr(client_ip(), #)})", false},
      {"all([1, 2.5], # > 0) && none([1, 2], # > 2) && one([1, 2], # > 1) && count([1, 2, 3], # > 1) == 2", true},
      {"all(['x'], # == 'y') || any([1], # / 0 > 1)", false},
      {"any([1, 2], any([2, 3], # == 3) && # == 2)", true},
      {"type() in split('A,AAAA', ',') && 'MX' not in split('A,AAAA', ',')", true},
      {"split(name(), '.')[0] == 'www' && split(name(), '.')[-2] == 'org'", true},
      {"split(name(), '.')[9] == 'www'", false},
      {"len(split(name(), '.')) == 4 && len(split('ab', '')) == 2 && len([1, 2]) == 2", true},
      {"join(split(name(), '.'), '-') == 'www-example-org-' && join(['a', 'b']) == 'ab'", true},
      {"replace('a-b-c', '-', '.') == 'a.b.c' && replace('aaa', 'aa', 'b') == 'ba' && replace('ab', '', '.') == "
       "'.a.b.'",
       true},
      {"indexOf(name(), 'e') == 4 && lastIndexOf(name(), 'e') == 10 && indexOf(name(), 'q') == -1", true},
      {"(do() ? ['a', 'b'] : ['c'])[1] == 'b'", true},
      {"not (not true)", true},
      {"!!true", true},
  });
  const Question question;
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const auto condition = Expression::parse_condition(row.text);
    REQUIRE_MESSAGE(condition, condition.error());
    CHECK(condition->holds(question) == row.holds);
  }
}

TEST_CASE("the right side is left out where the left one decides") {
  const Question question;
  CHECK_FALSE(Expression::parse_condition("false && metadata('a') == ''")->holds(question));
  CHECK(Expression::parse_condition("true || metadata('a') == ''")->holds(question));
  CHECK(question.metadata_count == 0);
}

TEST_CASE("what means nothing is told with its place") {
  struct Row {
    std::string text;
    const char* fault;
  };
  const auto rows = std::to_array<Row>({
      {"", "it ends where a value should stand (at '', octet 1)"},
      {"name() ==", "it ends where a value should stand (at '', octet 10)"},
      {"name() == 'a", "the text is never closed; write ' behind it (at ''a', octet 11)"},
      {"nmae() == 'a'", "unknown function 'nmae'; did you mean 'name()'? (at 'nmae() == 'a'', octet 1)"},
      {"name() == example.org.", "unexpected '.' (at '.org.', octet 18)"},
      {"name() == zebra", "unknown function 'zebra'; texts stand in single quotes: 'zebra' (at 'zebra', octet 11)"},
      {"name == 'a'", "'name' is a function; write 'name()' (at 'name == 'a'', octet 1)"},
      {"name('a') == 'a'", "'name' takes nothing, not 1 (at 'name('a') == 'a'', octet 1)"},
      {"incidr(client_ip())", "'incidr' takes 2 value(s), not 1 (at 'incidr(client_ip())', octet 1)"},
      {"incidr(client_ip(), '10.0.0.0')",
       "'10.0.0.0' is not a network; write one such as '10.0.0.0/8' (at 'incidr(client_ip(), '10.0.0.0')', octet 1)"},
      {"len(5) == 1", "'len' takes texts; write them in single quotes (at 'len(5) == 1', octet 1)"},
      {"id()", "it is a number, and not yes or no; compare it with something (at 'id()', octet 1)"},
      {"id() == '1'", "'==' needs values of one kind on both sides (at '== '1'', octet 6)"},
      {"id() < 'a'", "'<' needs two numbers or two texts on both sides (at '< 'a'', octet 6)"},
      {"type() && true", "'&&' needs yes or no on both sides (at '&& true', octet 8)"},
      {"!name() == 'a'",
       "'!' needs yes or no behind it; write parentheses around a comparison (at '!name() == 'a'', octet 1)"},
      {"name() matches '(a'",
       "bad regular expression '(a': missing ) in '(a'; write one as Go and RE2 do (at 'matches '(a'', octet 8)"},
      {"name() matches type()",
       "the pattern of 'matches' is not written as a text; one that differs from query to query is not served (at "
       "'matches type()', octet 8)"},
      {"type() in 'A'",
       "'in' needs a list such as ['A', 'AAAA'] or a range such as 1..9 behind it (at 'in 'A'', octet 8)"},
      {"type() in [1]", "'in' needs a list of what stands in front of it: a text (at 'in [1]', octet 8)"},
      {"type() in ['A'", "it ends where ',' should stand (at '', octet 15)"},
      {"(true", "it ends where ')' should stand (at '', octet 6)"},
      {"true true", "unexpected 'true' (at 'true', octet 6)"},
      {"true # false", "unexpected '#' (at '# false', octet 6)"},
      {"12x == 1", "'12x' is not a number (at '12x == 1', octet 1)"},
      {"'\\q' == 'q'", "unknown escape '\\q' in a text; write '\\\\' for a backslash (at '\\q' == 'q'', octet 2)"},
      {"# == 1", "'#' is an element of any(), all(), none(), one() or count() (at '# == 1', octet 1)"},
      {"any([], # == 1)",
       "'any' needs a list with something in it; write any(['a', 'b'], # == name()) (at 'any([], # == 1)', octet 1)"},
      {"any('a', true)", "'any' needs a list; write any(['a', 'b'], # == name()) (at 'any('a', true)', octet 1)"},
      {"any(['a'])",
       "'any' needs a condition behind the list; write any(['a', 'b'], # == name()) (at 'any(['a'])', octet 1)"},
      {"any(['a'], #)",
       "'any' needs a condition that is yes or no; write any(['a', 'b'], # == name()) (at 'any(['a'], #)', octet 1)"},
      {"any(['a'], # == 1)", "'==' needs values of one kind on both sides (at '== 1)', octet 14)"},
      {"[1, 'a'] == 1", "a list must be of values of one kind (at '[1, 'a'] == 1', octet 1)"},
      {"[1] == [1]", "'==' needs values of one kind on both sides (at '== [1]', octet 5)"},
      {"[[1]] == 1", "a list of lists is not served (at '[[1]] == 1', octet 1)"},
      {"name()[0] == 'w'", "'[' needs a list in front of it, such as split(name(), '.') (at '[0] == 'w'', octet 7)"},
      {"split(name(), '.')['a'] == ''", "an index is a whole number (at '['a'] == ''', octet 19)"},
      {"type() in ['A'][0]", "unexpected '[' (at '[0]', octet 16)"},
      {"string([1]) == ''", "'string' takes no list; write join() (at 'string([1]) == ''', octet 1)"},
      {"join([1]) == ''",
       "'join' takes a list of texts and what stands between them: join(split(name(), '.'), '-') (at 'join([1]) == "
       "''', octet 1)"},
      {"group(1) == ''",
       "unknown function 'group'; texts stand in single quotes: 'group' (at 'group(1) == ''', octet 1)"},
      {"true ? 1 : 'a'", "both sides of ':' must be of one kind (at '? 1 : 'a'', octet 6)"},
      {std::string(5000, ' '), "it is longer than 4096 octets; shorten it"},
  });
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const auto condition = Expression::parse_condition(row.text);
    REQUIRE_FALSE(condition);
    CHECK(condition.error() == row.fault);
  }
}

TEST_CASE("an expression knows the groups and variables of its scope, and gives values of any kind") {
  class Scoped final : public Question {
   public:
    std::string group(std::string_view name) const override { return "<" + std::string(name) + ">"; }
    ExpressionValue variable(std::size_t index) const override {
      return index == 0 ? ExpressionValue(std::int64_t{7}) : ExpressionValue(std::string("seven"));
    }
  };
  using Kind = ExpressionType::Kind;
  const ExpressionScope scope{.has_groups = true,
                              .variables = {{"a", {.kind = Kind::number}}, {"word", {.kind = Kind::text}}}};
  const Scoped question;
  const auto value = [&](std::string_view text) {
    const auto expression = Expression::parse(text, scope);
    REQUIRE_MESSAGE(expression, expression.error());
    return expression->evaluate(question);
  };
  CHECK(value("a + 1") == ExpressionValue(std::int64_t{8}));
  CHECK(value("word + group('x') + group(2) + group(0)") == ExpressionValue(std::string("seven<x><2><0>")));
  CHECK(value("a / 2") == ExpressionValue(3.5));
  CHECK(value("a > 6 && word startsWith 's'") == ExpressionValue(true));
  CHECK_FALSE(value("a / 0").has_value());
  CHECK(Expression::parse("split(word, 'e')", scope)->type().kind == Kind::list);
  CHECK(Expression::parse("a + word", scope).error().contains("'+' needs two numbers or two texts"));
  CHECK(Expression::parse("b", scope).error() ==
        "unknown function or variable 'b'; texts stand in single quotes: 'b' (at 'b', octet 1)");
  CHECK(Expression::parse("group(true)", scope).error().contains("'group' takes the name or the number of a group"));
  for (const char* name : {"name", "group", "len", "any", "true", "let", "int", "filter", "toJSON"}) {
    CHECK(is_reserved_in_expressions(name));
  }
  CHECK_FALSE(is_reserved_in_expressions("ip"));
}

TEST_CASE("lists in each other end at the limit of steps, and texts at that of octets") {
  std::string list = "[1";
  for (int i = 0; i < 90; ++i) list += ",1";
  list += "]";
  const std::string nested = "any(" + list + ", any(" + list + ", any(" + list + ", # > 1)))";
  CHECK_FALSE(Expression::parse(nested)->evaluate(Question()).has_value());
  std::string text = "'" + std::string(1000, 'a') + "'";
  CHECK_FALSE(Expression::parse("len(replace(" + text + ", 'a', " + text + ")) > 0")->evaluate(Question()).has_value());
  CHECK(Expression::parse("len(split(" + text + ", '')) == 1000")->evaluate(Question()) == ExpressionValue(true));
  CHECK_FALSE(Expression::parse("len(split(" + text + " + 'b', '')) > 0")->evaluate(Question()).has_value());
}

TEST_CASE("no text is too deep or too long for the parser") {
  for (const std::string& part :
       {std::string("("), std::string("!"), std::string("-"), std::string("not "), std::string("true?"),
        std::string("len("), std::string("["), std::string("any([1],"), std::string("join(")}) {
    std::string text;
    while (text.size() + part.size() < expression_octets_max) text += part;
    CHECK_FALSE(Expression::parse_condition(text));
  }
  std::string sum = "1";
  while (sum.size() + 2 < expression_octets_max) sum += "+1";
  CHECK_FALSE(Expression::parse_condition(sum + ">0"));
  std::string long_one = "1";
  for (int i = 0; i < 400; ++i) long_one += "+1";
  CHECK(Expression::parse_condition(long_one + "==401")->holds(Question()));
}

}  // namespace
}  // namespace fairlead::server
