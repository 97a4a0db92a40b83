#include "server/config/corefile_parser.hpp"

#include <doctest/doctest.h>

#include "unit/server/config/memory_corefile.hpp"

namespace fairlead::server {
namespace {

void show(const std::vector<Statement>& statements, std::string& text) {
  for (const Statement& statement : statements) {
    for (const Word& word : statement.words) text += (&word == &statement.words.front() ? "" : " ") + word.text;
    if (statement.has_block) {
      text += " {";
      show(statement.block, text);
      text += "}";
    }
    text += ';';
  }
}

// "key key {directive arg {option;};} ...", then warnings and faults as printed.
std::string parse(const MemoryCorefile& corefile) {
  MemoryReader reader(corefile.files);
  FaultCollector faults;
  const CorefileSyntax syntax = parse_corefile("Corefile", reader, corefile.settings(reader).environment, faults);
  std::string text;
  for (const SyntaxBlock& block : syntax.blocks) {
    for (const Word& key : block.keys) text += key.text + ' ';
    text += '{';
    show(block.directives, text);
    text += '}';
  }
  for (const Fault& warning : faults.warnings()) text += "\nwarning " + to_string(warning);
  for (const Fault& fault : faults.faults()) text += '\n' + to_string(fault);
  return text;
}
std::string parse(std::string text) { return parse(MemoryCorefile(std::move(text))); }

TEST_CASE("a block has keys and directives, a directive arguments and a block") {
  CHECK(parse(".:53 {\n errors\n health {\n lameduck 5s\n }\n}\n") == ".:53 {errors;health {lameduck 5s;};}");
}

TEST_CASE("keys are separated by spaces, commas and lines that end with a comma") {
  CHECK(parse("a b, c,d {\n}") == "a b c d {}");
  CHECK(parse("a,\nb,\nc {\n}") == "a b c {}");
}

TEST_CASE("the brace of a server block may stand on its own line") { CHECK(parse("a\n{\n x\n}\n") == "a {x;}"); }

TEST_CASE("a single block needs no braces") {
  CHECK(parse("example.org\nerrors\nforward . 1.1.1.1 {\n max_fails 1\n}\n") ==
        "example.org {errors;forward . 1.1.1.1 {max_fails 1;};}");
}

TEST_CASE("blocks follow each other, on one line as well") { CHECK(parse("a {\nx\n} b { y }") == "a {x;}b {y;}"); }

TEST_CASE("quoted braces are arguments") { CHECK(parse("a {\n x \"{\" \"}\"\n}") == "a {x { };}"); }

TEST_CASE("a snippet is defined once and imported where it is named") {
  CHECK(parse("(s) {\n errors\n cache {\n import t\n }\n}\n(t) {\n denial 5\n}\na {\n import s\n}\n") ==
        "a {errors;cache {denial 5;};}");
}

TEST_CASE("a file is imported at the top level and inside of a block, relative to the importing file") {
  CHECK(parse(MemoryCorefile("import d/one.conf\nb {\n import d/two.conf\n}\n",
                             {{"d/one.conf", "a {\n x\n}\nimport three.conf\n"},
                              {"d/two.conf", "y {\n z\n}\n"},
                              {"d/three.conf", "c {\n}\n"}})) == "a {x;}c {}b {y {z;};}");
}

TEST_CASE("a pattern imports its files in order, and none is a warning") {
  CHECK(parse(MemoryCorefile("a {\n import d/*.override\n import e/*.override\n}\n",
                             {{"d/2.override", "two"}, {"d/1.override", "one"}, {"d/.hidden.override", "no"}})) ==
        "a {one;two;}\nwarning Corefile:3: no file matches 'e/*.override'; nothing is imported");
}

TEST_CASE("snippets of an imported file are known to the importing one") {
  CHECK(parse(MemoryCorefile("import s.conf\na {\n import s\n}", {{"s.conf", "(s) {\n x\n}\n"}})) == "a {x;}");
}

TEST_CASE("a missing file is a fault") {
  CHECK(parse("a {\n import no.conf\n}\n") ==
        "a {}\nCorefile:2: neither a snippet '(no.conf)' above nor a file 'no.conf' exists; correct the name, or write "
        "a pattern such as '*.conf' if it may be missing");
}

TEST_CASE("an import loop is a fault that shows the chain") {
  CHECK(parse(MemoryCorefile("import a.conf\n", {{"a.conf", "import b.conf\n"}, {"b.conf", "\nimport a.conf\n"}})) ==
        "\nb.conf:2: import loop: 'a.conf' -> 'b.conf' -> 'a.conf'; remove this import");
  CHECK(parse("import Corefile\n") == "\nCorefile:1: import loop: 'Corefile' -> 'Corefile'; remove this import");
  CHECK(parse("(s) {\n import s\n}\na {\n import s\n}\n") ==
        "a {}\nCorefile:2: import loop: '(s)' -> '(s)'; remove this import");
}

TEST_CASE("imports that double at each level end in one fault, not in all memory") {
  std::string text =
      "(s0) {\n errors errors errors errors errors errors errors errors errors errors errors errors\n}\n";
  for (int i = 1; i < 18; ++i) {
    const std::string before = std::to_string(i - 1);
    text += "(s" + std::to_string(i) + ") {\n";
    for (int copies = 0; copies < 4; ++copies) text += " import s" + before + "\n";
    text += "}\n";
  }
  text += "a {\n import s17\n}\n";
  const std::string parsed = parse(text);
  CHECK(parsed.ends_with("\nCorefile:2: the Corefile grows beyond 500000 words; remove some of the imports"));
}

TEST_CASE("more than one wildcard is refused, because matching them can take for ever") {
  CHECK(parse("import */*.conf\n") ==
        "\nCorefile:1: the pattern '*/*.conf' has more than one wildcard; write one '*' at most");
}

TEST_CASE("environment variables are replaced in keys, directives and arguments") {
  CHECK(parse(MemoryCorefile("{$ZONE}:{%PORT%} {\n {$NAME} a{$EMPTY}b {$NO:default x} \"{$NO:a b}\"\n}\n", {},
                             {{"ZONE", "z.org"}, {"PORT", "53"}, {"NAME", "errors"}, {"EMPTY", ""}})) ==
        "z.org:53 {errors ab {$NO:default x} a b;}");
}

TEST_CASE("a variable that is not set reads as empty, with a warning") {
  CHECK(parse("a {\n x{$NO} {%NO:y%}\n}\n") ==
        "a {x ;}\nwarning Corefile:2: environment variable 'NO' is not set; it reads as empty\n"
        "warning Corefile:2: environment variable 'NO:y' is not set; it reads as empty");
}

TEST_CASE("what a variable holds is text and not syntax") {
  CHECK(parse(MemoryCorefile("a {\n x {$A} {$B}\n}\n", {}, {{"A", "{$B} }"}, {"B", "# b"}})) == "a {x {$B} } # b;}");
}

TEST_CASE("what is no reference stays as it is") {
  CHECK(parse("a {\n x {$ {$} {%%} {{ .Name }} \\d{3}\n}\n") == "a {x {$ {$} {%%} {{ .Name }} \\d{3};}");
}

TEST_CASE("a file of one long unclosed reference is read in linear time") {
  std::string text = "a {\n x \"";
  for (int i = 0; i < 200'000; ++i) text += "{%{$";
  CHECK(parse(text + "\"\n}\n").size() > 800'000);
}

TEST_CASE("brackets that do not match are faults where they stand") {
  CHECK(parse("a {\n x {\n y\n }\n") ==
        "a {x {y;};}\nCorefile:1: '{' is never closed; add '}' on a line of its own after the block");
  CHECK(parse("a {\n}\n}\nb {\n}\n") ==
        "a {}b {}\nCorefile:3: '}' without a '{' before it; remove it, or add the missing '{'");
  CHECK(parse("a {\n x\n {\n y\n }\n}\n") ==
        "a {x {y;};}\nCorefile:3: '{' on a line of its own; write it at the end of the line of its directive");
  CHECK(parse("a {\n x{\n y\n }\n}\n") == "a {x {y;};}\nCorefile:2: 'x{' is one word; write a space before '{'");
  CHECK(parse("{\n x\n}\n") ==
        "{x;}\nCorefile:1: a server block without a zone; write the zone before '{', such as '. {'");
}

TEST_CASE("braces deeper than any directive nests are a fault") {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += "a {\n";
  const std::string parsed = parse(text);
  CHECK(parsed.contains("Corefile:9: more than 8 blocks inside each other; remove one '{'"));
}

}  // namespace
}  // namespace fairlead::server
