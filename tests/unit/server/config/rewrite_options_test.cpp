#include "server/config/rewrite_options.hpp"

#include <doctest/doctest.h>

#include "unit/server/config/memory_corefile.hpp"

namespace fairlead::server {
namespace {

using Edns = RewriteRule::Edns;

template <typename Field>
Field rule_of(const std::string& directive) {
  const auto options = options_of(directive);
  REQUIRE(options.rewrite->rules.size() == 1);
  return std::get<Field>(options.rewrite->rules.front().field);
}

TEST_CASE("rules of rewrite add up in the order of the file, snippets included") {
  const auto corefile = load_good(
      "(old) {\nrewrite name old.example new.example\n}\n"
      ".:53 {\nwhoami\nrewrite continue type A AAAA\nimport old\nrewrite stop {\nttl a.example 30\n}\n}\n");
  const auto& rules = corefile.blocks.front().options.rewrite->rules;
  REQUIRE(rules.size() == 3);
  CHECK(std::holds_alternative<RewriteRule::Type>(rules[0].field));
  CHECK_FALSE(rules[0].stops);
  CHECK(std::holds_alternative<RewriteRule::Name>(rules[1].field));
  CHECK(rules[1].stops);
  CHECK(std::holds_alternative<RewriteRule::Ttl>(rules[2].field));
}

TEST_CASE("names of a rule are absolute and in lower case") {
  const auto name = rule_of<RewriteRule::Name>("rewrite name suffix .Example.ORG .example.com");
  CHECK(name.replacement.from().text() == ".example.org.");
  CHECK(name.replacement.to() == ".example.com.");
  CHECK_FALSE(name.answer_auto);
  const auto exact = rule_of<RewriteRule::Name>("rewrite NAME Exact A.example b.example answer value (.*) {1}");
  CHECK(exact.from.to_string() == "a.example.");
  CHECK(exact.answer_auto);
  REQUIRE(exact.answers.size() == 1);
  CHECK(exact.answers[0].of_value);
  // The targets of aliases are taken as written, unless they are whole names.
  CHECK(rule_of<RewriteRule::Cname>("rewrite cname suffix cdn.example other.example").target.to() == "other.example");
  CHECK(rule_of<RewriteRule::Cname>("rewrite cname cdn.example other.example").target.to() == "other.example.");
}

TEST_CASE("TTLs, RCODEs and options are read in all their forms") {
  const auto range = rule_of<RewriteRule::Ttl>("rewrite ttl suffix .example 30-");
  CHECK(range.min == 30);
  CHECK(range.max == 2147483647);
  CHECK(rule_of<RewriteRule::Ttl>("rewrite ttl a.example -30").min == 0);
  CHECK(rule_of<RewriteRule::Ttl>("rewrite ttl a.example 30").max == 30);
  CHECK(rule_of<RewriteRule::Rcode>("rewrite rcode a.example 2 noerror").from == dns::Rcode::servfail);
  CHECK(rule_of<RewriteRule::Rcode>("rewrite rcode a.example NXDOMAIN BADCOOKIE").to == dns::Rcode{23});
  const auto subnet = rule_of<Edns>("rewrite edns0 subnet append 24 56 revert");
  CHECK(subnet.code == 8);
  CHECK(subnet.ipv4_prefix == 24);
  CHECK(subnet.ipv6_prefix == 56);
  CHECK(subnet.revert);
  CHECK(subnet.action == Edns::Action::append);
  CHECK(rule_of<Edns>("rewrite edns0 local unset 0xffee").code == 0xffee);
  CHECK(rule_of<Edns>("rewrite edns0 local set 1 {kubernetes/service}").variable == "kubernetes/service");
  CHECK(rule_of<Edns>("rewrite edns0 nsid unset").code == 3);
}

struct Row {
  std::string directive;
  const char* faults;
};
const Row rows[] = {
    {"rewrite", "Corefile:2: 'rewrite' has no rule; write 'rewrite [continue|stop] FIELD FROM TO' or remove it\n"},
    {"rewrite continue",
     "Corefile:2: 'rewrite' has no rule; write 'rewrite [continue|stop] FIELD FROM TO' or remove it\n"},
    {"rewrite nam a b",
     "Corefile:2: 'nam' is no field of 'rewrite'; write name, type, class, edns0, ttl, rcode or cname\n"},
    {"rewrite answer name a b", "Corefile:2: 'answer' belongs to a rule of 'name'; write 'name FROM TO' before it\n"},
    {"rewrite name a",
     "Corefile:2: too few or too many words for 'name' of 'rewrite'; write 'name [exact|prefix|suffix|substring|regex] "
     "FROM TO [answer ...]'\n"},
    {"rewrite name glob a b",
     "Corefile:2: 'glob' is no kind of match; write exact, prefix, suffix, substring or regex\n"},
    {"rewrite name a..b c", "Corefile:2: 'a..b' is not a domain name: empty label; write one such as 'example.org'\n"},
    {"rewrite name regex (a b",
     "Corefile:2: bad regular expression '(a': missing ) in '(a'; write one as Go and RE2 do\n"},
    {"rewrite name regex (a)(b) {3}.c",
     "Corefile:2: '{3}.c' cannot be filled in: it uses group 3 of a pattern that has 2\n"},
    {"rewrite name suffix a b auto",
     "Corefile:2: 'auto' does not fit there; write 'answer auto|name FROM TO|value FROM TO'\n"},
    {"rewrite name suffix a b answer",
     "Corefile:2: 'answer' does not fit there; write 'answer auto|name FROM TO|value FROM TO'\n"},
    {"rewrite name suffix a b answer auto answer name a b",
     "Corefile:2: 'answer auto' cannot stand beside 'answer name'; remove one of them\n"},
    {"rewrite {\nname suffix a b\nanswer nam a b\n}",
     "Corefile:4: 'nam' does not fit there; write 'answer auto|name FROM TO|value FROM TO'\n"},
    {"rewrite name a b {\nanswer auto\n}",
     "Corefile:2: a rule of 'rewrite' stands on its line or in a block, not in both; move it\n"},
    {"rewrite type A AAAAA", "Corefile:2: 'AAAAA' is no record type; write one such as 'AAAA' or 'TYPE65'\n"},
    {"rewrite class IN INN", "Corefile:2: 'INN' is no class; write IN, CH, HS or ANY\n"},
    {"rewrite ttl a.example 3x",
     "Corefile:2: '3x' is no TTL; write seconds, such as '30', '30-300', '-300' or '30-'\n"},
    {"rewrite ttl a.example -", "Corefile:2: '-' is no TTL; write seconds, such as '30', '30-300', '-300' or '30-'\n"},
    {"rewrite ttl a.example 9-3",
     "Corefile:2: '9-3' is no TTL; write seconds, such as '30', '30-300', '-300' or '30-'\n"},
    {"rewrite rcode a.example 24 NOERR",
     "Corefile:2: '24' is no RCODE; write one such as 'SERVFAIL', or its number up to 23\n"
     "Corefile:2: 'NOERR' is no RCODE; write one such as 'SERVFAIL', or its number up to 23\n"},
    {"rewrite edns0 local put 1 a",
     "Corefile:2: 'put' does not fit there; write 'edns0 local|nsid|subnet set|append|replace|unset ... [revert]'\n"},
    {"rewrite edns0 local set 0x1ffff a",
     "Corefile:2: '0x1ffff' is no code of an option; write a number up to 65535, such as '0xffee'\n"},
    {"rewrite edns0 local set 1 0x123", "Corefile:2: '0x123' is no hexadecimal data; write two digits an octet\n"},
    {"rewrite edns0 local set 1 {client}",
     "Corefile:2: '{client}' is no variable; write {qname}, {qtype}, {client_ip}, {client_port}, {protocol}, "
     "{server_ip}, {server_port} or a label of 'metadata' such as {kubernetes/service}\n"},
    {"rewrite edns0 subnet set 33 129",
     "Corefile:2: '33' is not a number from 0 to 32\nCorefile:2: '129' is not a number from 0 to 128\n"},
    {"rewrite edns0 nsid set abc",
     "Corefile:2: too few or too many words for 'edns0' of 'rewrite'; write 'edns0 nsid set|append|replace|unset "
     "[revert]'\n"},
};

TEST_CASE("a rule that cannot be meant is a fault with its line and what to write") {
  for (const auto& row : rows) {
    CAPTURE(row.directive);
    CHECK(faults_of(". {\n" + std::string(row.directive) + "\n}\n") == row.faults);
  }
}

}  // namespace
}  // namespace fairlead::server
