#include "server/config/template_options.hpp"

#include <doctest/doctest.h>

#include "unit/server/config/memory_corefile.hpp"

namespace fairlead::server {
namespace {

std::string record(std::string_view text) {
  const auto parsed = parse_template_record(text);
  return parsed ? to_string(*parsed) : parsed.error();
}

TEST_CASE("records are read as in a zone file, on one line or in parentheses") {
  CHECK(record("a.example. 60 IN A 192.0.2.1") == "a.example.\t60\tIN\tA\t192.0.2.1");
  CHECK(record("  a.example 60 IN A 192.0.2.1 ; a comment") == "a.example.\t60\tIN\tA\t192.0.2.1");
  CHECK(record("a.example. IN A 192.0.2.1") == "a.example.\t3600\tIN\tA\t192.0.2.1");
  CHECK(record("x. 60 CH SOA ns.x. m.x. (1 60\n 60 ; seconds\n 60 60)") == "x.\t60\tCH\tSOA\tns.x. m.x. 1 60 60 60 60");
  CHECK(record("a. 1 IN TXT \"b;(c)\" d") == "a.\t1\tIN\tTXT\t\"b;(c)\" \"d\"");
  CHECK(record(R"(a\;b\(.example. 1 IN A 192.0.2.1)") == "a\\;b\\(.example.\t1\tIN\tA\t192.0.2.1");
  for (const std::string_view text :
       {"", "  ", "; nothing", "()", "a", "a. IN", "a. IN A", "a. IN A x", "$TTL 5", "a. 1 IN NONE x"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_template_record(text));
  }
}

TEST_CASE("several templates stand in the order of the file, with the block's zones unless they have their own") {
  const auto corefile = load_good(
      "(common) {\ntemplate IN A a.example {\nanswer \"{{ .Name }} 60 IN A 192.0.2.1\"\n}\n}\n"
      "example.org 10.0.0.0/8 {\ntemplate ANY ANY {\nmatch a b\nmatch c\nrcode nxdomain\nfallthrough x.example\n}\n"
      "import common\n}\n");
  const auto& templates = corefile.blocks.front().options.templates;
  REQUIRE(templates.size() == 2);
  CHECK(templates[0].qclass == dns::RRClass::any);
  CHECK(templates[0].qtype == dns::RRType::any);
  CHECK(templates[0].match.size() == 3);
  CHECK(templates[0].zones.size() == 2);
  CHECK(templates[0].rcode == dns::Rcode::nxdomain);
  CHECK(templates[0].fallthrough.enabled);
  CHECK(templates[1].zones.at(0).to_string() == "a.example.");
  CHECK_FALSE(templates[1].answer.at(0).constant);
  const auto constant = options_of("template IN A {\nanswer \"a. 60 IN A 192.0.2.1\"\n}").templates.at(0);
  CHECK(constant.answer.at(0).constant->ttl == 60);
}

struct Row {
  std::string directive;
  std::string faults;
};
const Row rows[] = {
    {"template IN", "Corefile:2: too few arguments for 'template'; write 'template CLASS TYPE [ZONES...]'\n"},
    {"template INN AA",
     "Corefile:2: 'INN' is no class; write IN, CH, HS or ANY\n"
     "Corefile:2: 'AA' is no record type; write one such as 'AAAA', or ANY\n"},
    {"template IN A {\nanswer \"{{ .Nane }} 60 IN A 1.2.3.4\"\n}",
     "Corefile:3: the template '{{ .Nane }} 60 IN A 1.2.3.4' is not understood: a query has no field '.Nane'; write "
     ".Class, .Group, .Match, .Message, .Meta, .Name, .Question, .Regex, .Remote, .Type, .Var, .Zone\n"},
    {"template IN A {\nmatch (\nanwser x\n}",
     "Corefile:3: bad regular expression '(': missing ) in '('; write one as Go and RE2 do\n"
     "Corefile:4: unknown option 'anwser' of 'template'; did you mean 'answer'?\n"},
    {"template IN A {\nrcode NOTHING\nederror x\n}",
     "Corefile:3: 'NOTHING' is not an RCODE; write one such as 'NXDOMAIN'\n"
     "Corefile:4: 'x' is not a number from 0 to 65535\n"},
    {"template IN A {\nvar x\nexpr\n}",
     "Corefile:3: too few arguments for 'var'; write 'var NAME EXPRESSION'\n"
     "Corefile:4: too few arguments for 'expr'; write 'expr EXPRESSION'\n"},
    {"template IN A {\nvar 1a 1\nvar a-b 1\nvar name 1\nvar let 1\nvar a 1\nvar a 2\n}",
     "Corefile:3: '1a' is no name of a variable; write letters, digits and '_'\n"
     "Corefile:4: 'a-b' is no name of a variable; write letters, digits and '_'\n"
     "Corefile:5: 'name' means something else; choose another name\n"
     "Corefile:6: 'let' means something else; choose another name\n"
     "Corefile:8: 'a' is a variable already; choose another name\n"},
    {"template IN A {\nvar a b + 1\nvar b 1\nvar c 1 +\nvar d c\n}",
     "Corefile:3: bad expression: unknown function or variable 'b'; texts stand in single quotes: 'b' (at 'b + 1', "
     "octet 1)\n"
     "Corefile:5: bad expression: it ends where a value should stand (at '', octet 4)\n"},
    {"template IN A {\nvar a 1\nexpr a\nexpr a == 'x'\n}",
     "Corefile:4: bad expression: it is a number, and not yes or no; compare it with something (at 'a', octet 1)\n"
     "Corefile:5: bad expression: '==' needs values of one kind on both sides (at '== 'x'', octet 3)\n"},
    {"template IN A {\nanswer \"{{ .Name }} 60 IN A {{ .Var.ip }}\"\n}",
     "Corefile:2: the template '{{ .Name }} 60 IN A {{ .Var.ip }}' has a variable that is not there: '.Var.ip'; write "
     "'var ip EXPRESSION'\n"},
};

TEST_CASE("a template that cannot be meant is a fault with its line and what to write") {
  for (const auto& row : rows) {
    CAPTURE(row.directive);
    CHECK(faults_of(". {\n" + row.directive + "\n}\n") == row.faults);
  }
  const std::string faults = faults_of(". {\ntemplate IN A {\nanswer \"a. 60 IN A 1.2.3\"\n}\n}\n");
  CHECK(faults.starts_with("Corefile:3: 'a. 60 IN A 1.2.3' is no record: "));
  CHECK(faults.ends_with("; write one as in a zone file, such as 'www.example.org. 60 IN A 192.0.2.1'\n"));
  std::string many = ". {\ntemplate IN A {\n";
  for (int i = 0; i < 101; ++i) many += "answer \"a. 60 IN A 192.0.2.1\"\n";
  CHECK(faults_of(many + "}\n}\n").contains("more than 100 records in one section of 'template'"));
}

}  // namespace
}  // namespace fairlead::server
