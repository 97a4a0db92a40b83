#include "server/config/text_template.hpp"

#include <doctest/doctest.h>

namespace fairlead::server {
namespace {

class Example final : public TemplateData {
 public:
  TemplateValue field(std::string_view name) const override {
    if (name == "Name") return std::string("web.example.");
    if (name == "Type") return std::string("A");
    if (name == "Match") return TemplateList{std::string("web.example."), std::string("0a"), std::string("")};
    if (name == "Group") return TemplateMap{{"a", std::string("10")}, {"b", std::string("")}};
    if (name == "Question") return TemplateMap{{"Name", std::string("web.example.")}, {"Qtype", std::uint64_t{1}}};
    return std::string("?");
  }
  std::string meta(std::string_view label) const override { return label == "a/b" ? "known" : ""; }
};

std::string run(std::string_view text) {
  const auto parsed = TextTemplate::parse(text);
  if (!parsed) return "fault: " + parsed.error();
  const auto output = parsed->run(Example());
  return output ? *output : "error: " + output.error();
}

struct Row {
  std::string text;
  std::string output;
};

TEST_CASE("templates print what Go's text/template prints") {
  const Row rows[] = {
      {"", ""},
      {"plain { } text", "plain { } text"},
      {"{{ .Name }} 60 IN {{.Type}} 1.2.3.4", "web.example. 60 IN A 1.2.3.4"},
      {"{{$.Name}}", "web.example."},
      {"{{ .Group.a }}.{{ index .Match 1 }}", "10.0a"},
      {"{{ .Group.missing }}|{{ index .Group \"missing\" }}", "<no value>|"},
      {"{{ .Match }} {{ .Group }}", "[web.example. 0a ] map[a:10 b:]"},
      {"{{ .Question.Name }} {{ .Question.Qtype }}", "web.example. 1"},
      {"{{ .Meta \"a/b\" }}{{ .Meta \"c/d\" }}{{ \"a/b\" | .Meta }}", "knownknown"},
      {"{{ parseInt .Group.a 16 8 }} {{ parseInt \"0x1f\" 0 64 }} {{ parseInt \"ff\" 16 8 }}", "16 31 255"},
      {"a  {{- .Type -}}  b {{/* nothing */}}c {{- /* nothing */ -}} d", "aAb cd"},
      {"{{ if .Group.a }}yes{{ else }}no{{ end }}{{ if .Group.b }}yes{{ else }}no{{ end }}", "yesno"},
      {"{{ if eq .Type \"AAAA\" }}6{{ else if eq .Type \"A\" }}4{{ else }}?{{ end }}", "4"},
      {"{{ if false }}a{{ else if false }}b{{ else }}c{{ end }}d", "cd"},
      {"{{ with .Group.a }}<{{ . }}>{{ end }}{{ with .Group.b }}<{{ . }}>{{ else }}none{{ end }}", "<10>none"},
      {"{{ range .Match }}[{{ . }}]{{ end }}", "[web.example.][0a][]"},
      {"{{ range $i, $m := .Match }}{{ if $i }},{{ end }}{{ $m }}{{ end }}", "web.example.,0a,"},
      {"{{ range $k, $v := .Group }}{{ $k }}={{ $v }};{{ end }}", "a=10;b=;"},
      {"{{ range 3 }}{{ . }}{{ end }}{{ range 0 }}x{{ else }}empty{{ end }}", "012empty"},
      {"{{ range 9 }}{{ if eq . 2 }}{{ continue }}{{ end }}{{ if gt . 4 }}{{ break }}{{ end }}{{ . }}{{ end }}",
       "0134"},
      {"{{ $x := .Type }}{{ .Type }}{{ $y := 1 }}{{ $z := 2 }}{{ .Type }}{{ $y }}", "AA1"},
      {"{{ $x := .Type }}{{ $x }}{{ $x = \"B\" }}{{ $x }}", "AB"},
      {"{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ $x }}{{ end }}{{ $x }}", "21"},
      {"{{ .Type | printf \"%s-%s\" .Group.a }}", "10-A"},
      {"{{ printf \"%03d|%x|%X|%5s|%-5s|%.2s|%q|%v|%t|%c|%%\" 7 255 255 .Type .Type .Name .Type 1 true 65 }}",
       "007|ff|FF|    A|A    |we|\"A\"|1|true|A|%"},
      {"{{ printf \"%d\" .Type }} {{ printf \"%s\" }} {{ printf \"a\" 1 }}",
       "%!d(string=A) %!s(MISSING) a%!(EXTRA int=1)"},
      {"{{ print 1 2 \"a\" 3 4 }} {{ println 1 \"a\" }}", "1 2a3 4 1 a\n"},
      {"{{ len .Name }} {{ len .Match }} {{ slice .Name 0 3 }} {{ slice .Name 4 }} {{ slice .Match 1 2 }}",
       "12 3 web example. [0a]"},
      {"{{ and 1 0 2 }} {{ and 1 2 }} {{ or 0 \"\" 3 }} {{ not .Group.b }} {{ or .Group.b \"x\" }}", "0 2 3 true x"},
      {"{{ eq 1 2 1 }} {{ ne 1 2 }} {{ lt 1 2 }} {{ le \"b\" \"a\" }} {{ gt -1 0x10 }} {{ ge 3 3 }}",
       "true true true false false true"},
      {"{{ eq (parseInt \"7\" 10 8) 7 }} {{ (index .Match 1) }} {{ len (print .Type .Type) }}", "true 0a 2"},
      {"{{ `raw \\ text` }}{{ \"tab\\t\\x41\\\"\" }}{{ 'A' }}", "raw \\ texttab\tA\"65"},
      {"{{ true }}{{ nil }}", "true<no value>"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    CHECK(run(row.text) == row.output);
  }
}

TEST_CASE("what a template cannot mean is a fault before any query comes") {
  const Row rows[] = {
      {"{{ .Name", "fault: the action '{{' is not closed; write '}}' behind it"},
      {"{{ if .Name }}", "fault: 'if' is not closed; write '{{end}}' behind it"},
      {"{{ end }}", "fault: '{{end}}' closes nothing"},
      {"a{{ else }}b", "fault: '{{else}}' closes nothing"},
      {"{{ if 1 }}{{ else }}{{ else }}{{ end }}", "fault: 'if' has two 'else'"},
      {"{{}}", "fault: '{{}}' has nothing in it"},
      {"{{ .Nam }}",
       "fault: a query has no field '.Nam'; write .Class, .Group, .Match, .Message, .Meta, .Name, .Question, .Regex, "
       ".Remote, .Type, .Var, .Zone"},
      {"{{ $.Question.Typ }}", "fault: '.Question' has no field '.Typ'; write .Name, .Qclass, .Qtype"},
      {"{{ .Name.x }}", "fault: '.Name' has no fields"},
      {"{{ replace .Name }}",
       "fault: unknown function 'replace'; write one of and, eq, ge, gt, index, le, len, lt, ne, not, or, parseInt, "
       "print, printf, println, slice"},
      {"{{ parseInt .Name }}", "fault: wrong number of arguments for 'parseInt'"},
      {"{{ .Name | len 1 }}", "fault: wrong number of arguments for 'len'"},
      {"{{ .Name .Type }}", "fault: a value has no arguments; write a function before it, or a '|' behind it"},
      {"{{ .Meta }}", "fault: '.Meta' takes one label, such as '.Meta \"kubernetes/client-namespace\"'"},
      {"{{ eq len .Name 3 }}", "fault: put parentheses around a call that is an argument, such as '(len .Name)'"},
      {"{{ $x }}", "fault: the variable '$x' is not declared"},
      {"{{ $x = 1 }}", "fault: the variable '$x' is not declared; write ':='"},
      {"{{ if true }}{{ $x := 1 }}{{ end }}{{ $x }}", "fault: the variable '$x' is not declared"},
      {"{{ $a, $b := 1 }}", "fault: too many variables before ':='"},
      {"{{ break }}", "fault: 'break' stands outside of a 'range'"},
      {"{{ define \"x\" }}{{ end }}", "fault: 'define' is not understood; write the text where it is used"},
      {"{{ 1.5 }}", "fault: '1.5' is no whole number"},
      {"{{ \"a }}", "fault: the quote \" is not closed"},
      {"{{ \"\\q\" }}", "fault: unknown escape '\\q' in a string; write \\\\ for a backslash"},
      {"{{ .Name # }}", "fault: unexpected '#' in an action"},
      {"{{ (.Name }}", "fault: unexpected word in an action"},
      {"{{ .Name ) }}", "fault: unexpected word in an action"},
      {"{{ \"a\"\"b\" }}", "fault: a space is missing between two words of an action"},
      {"{{/* a }}", "fault: the comment '{{/*' is not closed; write '*/}}' behind it"},
      {"{{ .Name | }}", "fault: a value is missing in an action"},
      {"{{ | .Name }}", "fault: a value is missing in an action"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    CHECK(run(row.text) == row.output);
  }
  CHECK(run(std::string(20'000, 'x')) == "fault: it is longer than 16384 octets");
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "{{ if 1 }}";
  CHECK(run(deep) == "fault: it is nested more than 32 deep");
  CHECK(run("{{ " + std::string(100, '(') + " 1 }}") == "fault: it is nested more than 32 deep");
}

TEST_CASE("a template that fails on a query says why, and makes nothing") {
  const Row rows[] = {
      {"{{ index .Match 3 }}", "error: index out of range: 3"},
      {"{{ index .Match -1 }}", "error: index out of range: -1"},
      {"{{ parseInt .Name 10 8 }}", "error: parseInt: 'web.example.' is no number of base 10"},
      {"{{ parseInt \"100\" 16 8 }}", "error: parseInt: '100' is out of range"},
      {"{{ eq 1 \"1\" }}", "error: cannot compare a int with a string"},
      {"{{ range .Name }}{{ end }}", "error: range over a string"},
      {"{{ range .Match }}{{ .x }}{{ end }}", "error: a string has no field '.x'"},
      {"{{ slice .Name 5 2 }}", "error: slice out of range of 12"},
      {"{{ slice .Name 99 }}", "error: slice out of range of 12"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    CHECK(run(row.text) == row.output);
  }
}

TEST_CASE("no template runs without end, or grows without bounds") {
  CHECK(run("{{ range 1000000000 }}{{ end }}") == "error: it takes more than 10000 steps");
  CHECK(run("{{ range 100 }}{{ range 100 }}{{ range 100 }}x{{ end }}{{ end }}{{ end }}") ==
        "error: it takes more than 10000 steps");
  CHECK(run("{{ printf \"%99999999d\" 1 }}{{ printf \"%99999999d\" 1 }}") == "error: it makes more than 65535 octets");
  CHECK(run("{{ $x := \"xxxxxxxxxxxxxxxxxxxxxxxxxx\" }}{{ range 100 }}{{ $x = print $x $x }}{{ end }}{{ $x }}") ==
        "error: it makes more than 65535 octets");
}

TEST_CASE("a text without actions is constant") {
  CHECK(TextTemplate::parse("a 60 IN A 1.2.3.4")->is_constant());
  CHECK_FALSE(TextTemplate::parse("{{ .Name }} 60 IN A 1.2.3.4")->is_constant());
}

}  // namespace
}  // namespace fairlead::server
