// `rewrite`: rules, a question, and what the handlers behind saw and the client got. whoami shows the question's name
// as the handlers behind know it.
#include <doctest/doctest.h>

#include "unit/server/query/corefile_server.hpp"
#include "unit/server/query/edns_options.hpp"

namespace fairlead::test {
namespace {

using dns::RRType;

Lines seen(const std::string& name, const std::string& ttl = "0") {
  return {"NOERROR aa", "additional: " + name + " " + ttl + " A 192.0.2.1",
          "additional: _udp." + name + " " + ttl + " SRV 0 0 5353 ."};
}

/// The options of the reply's OPT, which is last.
std::string options_of_reply(const std::vector<std::uint8_t>& reply) {
  auto reader = dns::RecordReader::open(reply);
  while (const auto record = *reader->next()) {
    if (record->type == RRType::opt) return hex(record->rdata);
  }
  return "no OPT";
}

struct NameRow {
  std::string rules;
  const char* qname;
  const char* seen;
};
const NameRow name_rows[] = {
    // A whole name: its replies are mapped back without being asked to.
    {"rewrite name old.example new.example", "Old.example.", "Old.example."},
    {"rewrite name exact old.example. new.example.", "old.example.", "old.example."},
    {"rewrite name old.example new.example", "x.old.example.", "x.old.example."},
    {"rewrite name a\\.b.example new.example", "a.b.example.", "a.b.example."},
    // Parts of one: the client sees what the rule made, unless it says `answer auto`.
    {"rewrite name prefix foo bar", "foo.example.", "bar.example."},
    {"rewrite name prefix foo bar", "food.example.", "food.example."},
    {"rewrite name prefix foo bar answer auto", "foo.example.", "foo.example."},
    {"rewrite name suffix com org", "foo.example.com.", "foo.example.org."},
    {"rewrite name suffix .com .org", "FOO.example.com.", "foo.example.org."},
    {"rewrite name suffix ample.com AMPLE.org", "example.com.", "example.org."},
    {"rewrite name suffix .coredns.rocks .service.consul answer auto", "x.coredns.rocks.", "x.coredns.rocks."},
    {"rewrite name substring example.org. service.consul.", "ftp.example.org.", "ftp.service.consul."},
    {R"(rewrite name regex (.*)-(us-west-1)\.example\.org {1}.service.{2}.Consul)", "ftp-us-west-1.example.org.",
     "ftp.service.us-west-1.consul."},
    {R"(rewrite name regex (.*)-(us-west-1)\.example\.org {1}.service.{2}.consul answer name )"
     R"((.*)\.service\.(us-west-1)\.consul {1}-{2}.example.org)",
     "ftp-us-west-1.example.org.", "ftp-us-west-1.example.org."},
    {R"(rewrite name regex ^(.*)\.example\.$ {1}.{0}test)", "a.example.", "a.a.example.test."},
    // What a client writes is not read as a group of the rule.
    {R"(rewrite name regex ^([^.]*)\.([^.]*)\.example\.$ {1}.{2}.test)", "{2}.b.example.", "{2}.b.test."},
    // Several rules: in order, to the first that stops; replies are mapped back from the last to the first.
    {"rewrite name suffix .a.example .b.example\nrewrite name suffix .b.example .c.example", "x.a.example.",
     "x.b.example."},
    {"rewrite continue name suffix .a.example .b.example\nrewrite name suffix .b.example .c.example", "x.a.example.",
     "x.c.example."},
    {"rewrite continue name suffix .a.example .b.example answer auto\nrewrite stop name exact x.b.example y.example",
     "x.a.example.", "x.a.example."},
    {"rewrite name exact nothing.example other.example\nrewrite name suffix .b.example .c.example", "x.b.example.",
     "x.c.example."},
    // A rule may stand in a block, over lines.
    {"rewrite stop {\nname suffix .a.example .b.example\nanswer auto\n}", "x.a.example.", "x.a.example."},
    {"rewrite {\nname regex (.*)\\.a\\.example {1}.b.example\nanswer name (.*)\\.b\\.example {1}.a.example\n}",
     "x.a.example.", "x.a.example."},
    {"rewrite name suffix .arpa .arpa answer name auto answer value (.*)\\.x\\. {1}.y.", "1.arpa.", "1.arpa."},
};

TEST_CASE("rules of `name` change what the handlers behind are asked, and the client's question stays") {
  for (const auto& row : name_rows) {
    CAPTURE(row.rules);
    CorefileServer server(std::string(row.rules) + "\nwhoami");
    CHECK(text_of(server.ask(row.qname, RRType::a)) == text_of(seen(row.seen)));
    const auto packet = query_packet(row.qname, RRType::a);
    const auto reply = server.reply(packet);
    CHECK(hex(std::span(reply).subspan(12, packet.size() - 12)) == hex(std::span(packet).subspan(12)));
  }
}

TEST_CASE("a name that a rule makes impossible is SERVFAIL, with the reason") {
  CorefileServer server("rewrite name regex (.*)\\.x\\.example {1}..example\nwhoami");
  CHECK(server.ask("a.x.example.", RRType::a) == Lines{"SERVFAIL"});
  const auto reply = server.reply(query_packet("a.x.example.", RRType::a, {.edns_octets = 1232}));
  CHECK(std::string(reply.begin(), reply.end()).contains("no valid name is left of a.x.example.: empty label"));
  // 250 octets become more than 255.
  CorefileServer longer("rewrite name substring .example. .a-much-longer-example.\nwhoami");
  const std::string name = std::string(63, 'a') + "." + std::string(63, 'b') + "." + std::string(63, 'c') + "." +
                           std::string(49, 'd') + ".example.";
  CHECK(longer.ask(name, RRType::a) == Lines{"SERVFAIL"});
}

TEST_CASE("classes and types are rewritten, and the client sees its own") {
  CorefileServer server("rewrite class CH IN\nwhoami");
  CHECK(server.ask("x.example.", RRType::txt, {.qclass = dns::RRClass::ch}) == seen("x.example."));
  CHECK(server.ask("x.example.", RRType::txt, {.qclass = dns::RRClass::hs}) == Lines{"REFUSED"});
  CorefileServer away("rewrite class IN CH\nwhoami");
  CHECK(away.ask("x.example.", RRType::txt) == Lines{"REFUSED"});
  // The second rule knows the type that the first made.
  CorefileServer types(
      "rewrite continue type A AAAA\nrewrite continue type AAAA TXT\nrewrite edns0 local set 1 {qtype}\nwhoami");
  CHECK(options_of_reply(types.reply(query_packet("x.example.", RRType::a, {.edns_octets = 1232}))) == "000100020010");
}

TEST_CASE("TTLs and RCODEs of replies are rewritten for names that match") {
  const std::pair<std::string, std::string> ttl_rows[] = {
      {"x.example. 30", "30"},
      {"x.example. 30-300", "30"},
      {"x.example. 30-", "30"},
      {"x.example. -30", "0"},
      {"other.example. 30", "0"},
      {"suffix .example. 7", "7"},
      {"prefix x. 7", "7"},
      {"substring x.example. 7", "7"},
      {R"(regex ^x\.[a-z]*\.$ 7)", "7"},
      {R"(regex ^y\.[a-z]*\.$ 7)", "0"},
  };
  for (const auto& [rule, ttl] : ttl_rows) {
    CAPTURE(rule);
    CorefileServer server("rewrite ttl " + std::string(rule) + "\nwhoami");
    CHECK(server.ask("x.example.", RRType::a) == seen("x.example.", ttl));
  }
  CorefileServer rcode("rewrite rcode suffix .example. NOERROR nxdomain\nwhoami");
  CHECK(rcode.ask("x.example.", RRType::a).front() == "NXDOMAIN aa");
  CHECK(rcode.ask("x.test.", RRType::a).front() == "NOERROR aa");
  // A reply without records as well: nothing answers here but the end of the chain.
  CorefileServer refused("rewrite rcode regex (.*) 5 2");
  CHECK(refused.ask("x.example.", RRType::a) == Lines{"SERVFAIL"});
}

TEST_CASE("local options are put into the query, and the client is shown them unless they are reverted") {
  const std::pair<std::string, std::string> rows[] = {
      {"rewrite edns0 local set 0xffee 0x61626364", "ffee000461626364"},
      {"rewrite edns0 local set 65518 abcd", "ffee000461626364"},
      {"rewrite edns0 local append 0xffee abcd", ""},
      {"rewrite continue type AAAA A\nrewrite edns0 local append 0xffee abcd", "ffee00027879"},
      {"rewrite edns0 local append 0xffed a", "ffed000161"},
      {"rewrite edns0 local replace 0xffed a", ""},
      {"rewrite edns0 local replace 0xffee a", "ffee000161"},
      {"rewrite edns0 local unset 0xffee", ""},
      {"rewrite edns0 local set 0xffee abcd revert", "ffee00027879"},
      {"rewrite edns0 local set 0xffed abcd revert", ""},
      {"rewrite continue {\nedns0 local set 0xffed abcd\n}\nrewrite edns0 local replace 0xffed bcde revert",
       "ffed000461626364"},
      {"rewrite edns0 local set 0xffed {client_ip}", "ffed0004c0000201"},
      {"rewrite edns0 local set 0xffed {client_port}", "ffed000214e9"},
      {"rewrite edns0 local set 0xffed {server_port}", "ffed00020035"},
      {"rewrite edns0 local set 0xffed {protocol}", "ffed0003756470"},
      {"rewrite edns0 local set 0xffed {qtype}", "ffed0002001c"},
      {"rewrite edns0 local set 0xffed {qname}", "ffed0002782e"},
      {"rewrite edns0 local set 0xffed {no/label}", ""},
      {"rewrite edns0 subnet set 24 56", ""},
      {"rewrite edns0 nsid set", ""},
  };
  for (const auto& [rules, options] : rows) {
    CAPTURE(rules);
    CorefileServer server(std::string(rules) + "\nwhoami");
    CHECK(options_of_reply(server.reply(with_options("x.", RRType::aaaa, {0xff, 0xee, 0, 2, 'x', 'y'}))) == options);
    // A client without EDNS gets none (RFC 6891 §7).
    CHECK(options_of_reply(server.reply(query_packet("x.", RRType::aaaa))) == "no OPT");
  }
}

TEST_CASE("options cannot grow a query beyond bounds") {
  std::string rules;
  for (int code = 1; code <= 40; ++code) {
    rules += "rewrite continue edns0 local set " + std::to_string(code) + " " + std::string(400, 'x') + "\n";
  }
  CorefileServer server(rules + "whoami");
  const auto reply = server.reply(query_packet("x.", RRType::a, {.edns_octets = 1232}), server::Transport::tcp);
  CHECK(dns::read_header(reply).rcode() == dns::Rcode::noerror);
  CHECK(reply.size() < 4'400);
}

TEST_CASE("transfers are not rewritten") {
  CorefileServer server("rewrite name a.example b.example\nrewrite ttl regex (.*) 30\nwhoami");
  CHECK(server.ask("a.example.", RRType::axfr, {}, server::Transport::tcp) ==
        Lines{"NOERROR aa", "additional: a.example. 0 A 192.0.2.1", "additional: _tcp.a.example. 0 SRV 0 0 5353 ."});
}

TEST_CASE("replies that cannot have been asked for do not loop: two rules that undo each other") {
  CorefileServer server(
      "rewrite continue name suffix .a.example .b.example\nrewrite continue name suffix .b.example .a.example\nwhoami");
  CHECK(server.ask("x.a.example.", RRType::a) == seen("x.a.example."));
}

}  // namespace
}  // namespace fairlead::test
