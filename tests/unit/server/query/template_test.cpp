// `template`: directives, a question, its answer.
#include <doctest/doctest.h>

#include "unit/server/query/corefile_server.hpp"

namespace fairlead::test {
namespace {

using dns::RRType;

std::string in_block(const std::string& head, const std::string& body) { return head + " {\n" + body + "\n}\n"; }

TEST_CASE("a template answers what its class, type, zone and pattern match") {
  CorefileServer server(
      in_block("template IN A example",
               R"(match (^|[.])ip-(?P<a>[0-9]*)-(?P<b>[0-9]*)-(?P<c>[0-9]*)-(?P<d>[0-9]*)[.]example[.]$
answer "{{ .Name }} 60 IN A {{ .Group.a }}.{{ .Group.b }}.{{ .Group.c }}.{{ .Group.d }}"
fallthrough)") +
      in_block("template IN PTR in-addr.arpa",
               R"(match ^(?P<d>[0-9]*)[.](?P<c>[0-9]*)[.](?P<b>[0-9]*)[.](?P<a>[0-9]*)[.]in-addr[.]arpa[.]$
answer "{{ .Name }} 60 IN PTR ip-{{ .Group.a }}-{{ .Group.b }}-{{ .Group.c }}-{{ .Group.d }}.example.")") +
      in_block("template ANY ANY invalid",
               R"X(rcode NXDOMAIN
authority "invalid. 60 {{ .Class }} SOA ns.invalid. hostmaster.invalid. (1 60 60 60 60)"
ederror 21 "Blocked according to RFC2606")X") +
      "whoami");
  check_answers(server,
                {
                    {"ip-10-1-2-3.example.", RRType::a, {"NOERROR aa", "answer: ip-10-1-2-3.example. 60 A 10.1.2.3"}},
                    {"IP-10-1-2-3.Example.", RRType::a, {"NOERROR aa", "answer: IP-10-1-2-3.Example. 60 A 10.1.2.3"}},
                    // The zone and the type of whoami's: what does not match goes on with `fallthrough`.
                    {"x.example.", RRType::a, server.ask("x.example.", RRType::a)},
                    {"3.2.1.10.in-addr.arpa.",
                     RRType::ptr,
                     {"NOERROR aa", "answer: 3.2.1.10.in-addr.arpa. 60 PTR ip-10-1-2-3.example."}},
                    {"x.in-addr.arpa.", RRType::ptr, {"SERVFAIL"}},
                    {"a.invalid.",
                     RRType::txt,
                     {"NXDOMAIN aa", "authority: invalid. 60 SOA ns.invalid. hostmaster.invalid. SERIAL 60 60 60 60"}},
                });
  CHECK(server.ask("x.example.", RRType::a).size() == 3);
  const auto of_class_ch =
      server.reply(query_packet("a.invalid.", RRType::a, {.qclass = dns::RRClass::ch, .edns_octets = 1232}));
  CHECK(dns::read_header(of_class_ch).rcode() == dns::Rcode::nxdomain);
  CHECK(std::string(of_class_ch.begin(), of_class_ch.end()).contains("Blocked according to RFC2606"));
  // Other classes know the templates that were written for them, and nothing behind them.
  CHECK(server.ask("x.test.", RRType::a, {.qclass = dns::RRClass::ch}) == Lines{"REFUSED"});
}

TEST_CASE("records know the query: zone, type, groups by number, the client, conditions") {
  const std::pair<std::string, Lines> rows[] = {
      {R"(answer "{{ .Name }} 5 IN TXT {{ .Type }}-{{ .Class }}-{{ .Zone }}-{{ .Remote }}")",
       {"NOERROR aa", "answer: A.b.Example. 5 TXT \"TXT-IN-example.-192.0.2.1\""}},
      {"match ^([^.]*)[.](b)[.]\nanswer \"{{ index .Match 2 }}. 5 IN TXT {{ index .Group `1` }}{{ len .Match }}\"",
       {"NOERROR aa", "answer: b. 5 TXT \"a3\""}},
      {R"(answer "{{ if eq .Type `TXT` }}{{ .Name }} 5 IN TXT yes{{ else }}{{ .Name }} 5 IN A 10.0.0.1{{ end }}")",
       {"NOERROR aa", "answer: A.b.Example. 5 TXT \"yes\""}},
      {R"(answer "{{ .Name }} 5 IN TXT {{ .Question.Name }}{{ .Question.Qtype }}{{ .Message.RecursionDesired }}")",
       {"NOERROR aa", "answer: A.b.Example. 5 TXT \"A.b.Example.16true\""}},
      {"answer \"{{ .Name }} IN TXT x\"", {"NOERROR aa", "answer: A.b.Example. 3600 TXT \"x\""}},
      {"answer \"a.b.example. 5 IN TXT x\" \"a.b.example. 5 IN TXT y\"\nadditional \"z. 1 IN A 10.0.0.2\"",
       {"NOERROR aa", "answer: A.b.Example. 5 TXT \"x\"", "answer: A.b.Example. 5 TXT \"y\"",
        "additional: z. 1 A 10.0.0.2"}},
      {"", {"NOERROR aa"}},
      {"rcode REFUSED", {"REFUSED aa"}},
      {"rcode SERVFAIL\nanswer \"a. 1 IN A 10.0.0.1\"", {"SERVFAIL"}},
  };
  for (const auto& [body, answer] : rows) {
    CAPTURE(body);
    CorefileServer server(in_block("template IN ANY example", body));
    CHECK(text_of(server.ask("A.b.Example.", RRType::txt)) == text_of(answer));
  }
}

TEST_CASE("several templates are tried in order, to the first that matches or does not fall through") {
  CorefileServer server(
      in_block("template IN A x.example", "match ^one[.]\nanswer \"{{ .Name }} 1 IN A 10.0.0.1\"\nfallthrough") +
      in_block("template IN A x.example y.example",
               "match ^two[.] ^three[.]\nanswer \"{{ .Name }} 1 IN A 10.0.0.2\"\nfallthrough y.example") +
      in_block("template IN ANY example", "answer \"{{ .Name }} 1 IN TXT last\""));
  check_answers(server, {
                            {"one.x.example.", RRType::a, {"NOERROR aa", "answer: one.x.example. 1 A 10.0.0.1"}},
                            {"two.x.example.", RRType::a, {"NOERROR aa", "answer: two.x.example. 1 A 10.0.0.2"}},
                            {"three.y.example.", RRType::a, {"NOERROR aa", "answer: three.y.example. 1 A 10.0.0.2"}},
                            {"four.x.example.", RRType::a, {"SERVFAIL"}},
                            {"four.y.example.", RRType::a, {"NOERROR aa", "answer: four.y.example. 1 TXT \"last\""}},
                            {"four.z.example.", RRType::a, {"NOERROR aa", "answer: four.z.example. 1 TXT \"last\""}},
                            {"four.x.example.", RRType::txt, {"NOERROR aa", "answer: four.x.example. 1 TXT \"last\""}},
                            {"other.", RRType::a, {"REFUSED"}},
                        });
}

TEST_CASE("an alias that a template makes is followed through the server, and aliases that go in circles end") {
  CorefileServer server(
      in_block("template IN ANY alias.example",
               "answer \"{{ .Name }} 9 IN CNAME target.example.\"\nauthority \"example. 9 IN NS ns.example.\"") +
      in_block("template IN A target.example", "answer \"{{ .Name }} 1 IN A 10.0.0.1\"") +
      in_block("template IN ANY circle.example", "answer \"{{ .Name }} 9 IN CNAME x.{{ .Name }}\"") +
      in_block("template IN ANY whole.example",
               "answer \"{{ .Name }} 9 IN CNAME b.example.\" \"b.example. 9 IN A 10.0.0.3\""));
  check_answers(
      server,
      {
          {"alias.example.",
           RRType::a,
           {"NOERROR aa", "answer: alias.example. 9 CNAME target.example.", "answer: target.example. 1 A 10.0.0.1",
            "authority: example. 9 NS ns.example."}},
          {"alias.example.",
           RRType::txt,
           {"NOERROR aa", "answer: alias.example. 9 CNAME target.example.", "authority: example. 9 NS ns.example."}},
          {"whole.example.",
           RRType::a,
           {"NOERROR aa", "answer: whole.example. 9 CNAME b.example.", "answer: b.example. 9 A 10.0.0.3"}},
      });
  const Lines circle = server.ask("circle.example.", RRType::a, {}, server::Transport::tcp);
  CHECK(circle.front() == "NOERROR aa");
  CHECK(circle.size() <= 13);
}

TEST_CASE("variables and conditions are made of the question and its groups") {
  // CoreDNS's example: addresses in names, of networks that a certificate may name.
  CorefileServer server(in_block("template IN A example.com",
                                 R"X(match ^(?P<ip>[0-9]{1,3}(-[0-9]{1,3}){3})[.](?P<id>[a-z2-7]{4})[.]example[.]com[.]$
answer "{{ .Name }} 60 IN A {{ .Var.ip }}"
var ip replace(group('ip'), '-', '.')
expr "any(['10.0.0.0/8', '192.168.0.0/16'], incidr(ip, #))"
fallthrough)X") +
                        in_block("template IN TXT example.com",
                                 R"X(match ^(?P<first>[^.]*)[.](.*)$
var labels split(group(2), '.')
var many len(labels)
var half many / 2
var is_many many > 3
var who client_ip() + ':' + server_port()
expr type() == 'TXT'
expr labels[0] != 'hidden' && group('none') + group(9) == ''
answer "{{ .Name }} 1 IN TXT \"{{ .Var.labels }} {{ .Var.many }} {{ .Var.half }} {{ .Var.is_many }} {{ .Var.who }}\"")X") +
                        in_block("template IN MX example.com", "var a 1 % (size() - size())\nfallthrough") + "whoami");
  check_answers(
      server,
      {
          {"10-1-2-3.ab27.example.com.", RRType::a, {"NOERROR aa", "answer: 10-1-2-3.ab27.example.com. 60 A 10.1.2.3"}},
          // No private address, and a name that no pattern matches, fall through.
          {"192-0-2-1.ab27.example.com.", RRType::a, server.ask("192-0-2-1.ab27.example.com.", RRType::a)},
          {"a.b.example.com.",
           RRType::txt,
           {"NOERROR aa", "answer: a.b.example.com. 1 TXT \"[b example com ] 4 2 true 192.0.2.1:53\""}},
          {"a.example.com.",
           RRType::txt,
           {"NOERROR aa", "answer: a.example.com. 1 TXT \"[example com ] 3 1.5 false 192.0.2.1:53\""}},
          {"a.hidden.example.com.", RRType::txt, {"SERVFAIL"}},
          // What has no value does not fall through.
          {"a.example.com.", RRType::mx, {"SERVFAIL"}},
      });
  CHECK(server.ask("192-0-2-1.ab27.example.com.", RRType::a).size() == 3);  // whoami's
  CHECK(server.says("no condition of 'template' takes this query", "a.hidden.example.com.", RRType::txt));
  CHECK(server.says("the variable 'a' has no value for this query", "a.example.com.", RRType::mx));
}

TEST_CASE("a template that fails on a query is SERVFAIL with the reason, and counted") {
  CorefileServer server("prometheus\n" +
                        in_block("template IN A bad.example", "answer \"{{ index .Match 7 }} 1 IN A 10.0.0.1\"") +
                        in_block("template IN A worse.example", "answer \"{{ .Name }} 1 IN A {{ .Name }}\"") +
                        in_block("template IN A good.example", "answer \"{{ .Name }} 1 IN A 10.0.0.1\""));
  CHECK(server.ask("bad.example.", RRType::a) == Lines{"SERVFAIL"});
  CHECK(server.ask("worse.example.", RRType::a) == Lines{"SERVFAIL"});
  CHECK(server.ask("good.example.", RRType::a).front() == "NOERROR aa");
  const auto reply = server.reply(query_packet("bad.example.", RRType::a, {.edns_octets = 1232}));
  CHECK(std::string(reply.begin(), reply.end()).contains("template: index out of range: 7"));
  CHECK(
      server.metric("coredns_template_matches_total") ==
      Lines{
          R"(coredns_template_matches_total{server="dns://:53",zone="bad.example.",view="",class="IN",type="A"} 2)",
          R"(coredns_template_matches_total{server="dns://:53",zone="good.example.",view="",class="IN",type="A"} 1)",
          R"(coredns_template_matches_total{server="dns://:53",zone="worse.example.",view="",class="IN",type="A"} 1)"});
  CHECK(server.metric("coredns_template_template_failures_total").size() == 1);
  CHECK(
      server.metric("coredns_template_rr_failures_total") ==
      Lines{
          R"(coredns_template_rr_failures_total{server="dns://:53",zone="worse.example.",view="",class="IN",type="A",)"
          R"(section="answer",template="{{ .Name }} 1 IN A {{ .Name }}"} 1)"});
}

TEST_CASE("what a client writes into its name stays a name: quotes, comments, parentheses, dots and line ends") {
  CorefileServer server(in_block("template IN TXT example",
                                 "match ^(?P<label>.*)[.]example[.]$\n"
                                 "answer \"{{ .Name }} 1 IN TXT \\\"{{ .Group.label }}\\\"\""));
  for (const std::string label :
       {R"(a\"b)", R"(a\;b)", R"(\(a)", R"(a\)b)", R"(a\.b)", R"(a\\b)", R"(a\010b)", R"(\034\010x)", R"(\@)",
        R"(\$INCLUDE)", R"(a\032b)", R"({{\ .Name}})", R"(\200\255\000)"}) {
    CAPTURE(label);
    const std::string qname = label + ".example.";
    const auto packet = query_packet(qname, RRType::txt);
    const auto reply = server.reply(packet);
    CHECK(dns::read_header(reply).rcode() == dns::Rcode::noerror);
    CHECK(dns::read_header(reply).answer_count == 1);
    // The owner is the question, whatever was in it.
    CHECK(reply.at(packet.size()) == 0xc0);
    CHECK(reply.at(packet.size() + 1) == 0x0c);
  }
}

}  // namespace
}  // namespace fairlead::test
