// `log`: format, query and reply, and the line that comes of them.
#include "server/handlers/query_log.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "support/query_packet.hpp"
#include "zones/dns/message_writer.hpp"

namespace fairlead::test {
namespace {

using namespace std::chrono_literals;
using dns::Header;
using dns::Rcode;
using dns::RRType;
using server::LogFormat;

/// A query and its reply.
struct Exchange {
  std::vector<std::uint8_t> packet = query_packet("Web.Example.org.", RRType::a, {});
  const char* client = "192.0.2.1";
  server::Transport transport = server::Transport::udp;
  Rcode rcode = Rcode::noerror;
  std::vector<RRType> answers{};
  std::vector<RRType> authorities{};
  std::uint16_t flags = 0;
  std::chrono::nanoseconds duration = 1500us;
  bool is_dropped = false;

  struct Seen {
    std::string line, type, reply_class;
  };
  Seen seen(const LogFormat& format) const {
    const auto query = dns::read_query(packet);
    REQUIRE(query.has_value());
    std::vector<std::uint8_t> buffer(4096);
    dns::MessageWriter writer(buffer, buffer.size());
    writer.begin(query->header, query->question, query->edns);
    writer.set_rcode(rcode);
    writer.set_flag(flags);
    const std::vector<std::uint8_t> owner{0xc0, 0x0c}, rdata(4);
    for (const auto type : answers) writer.append(dns::Section::answer, owner, type, 5, rdata);
    for (const auto type : authorities) writer.append(dns::Section::authority, owner, type, 5, rdata);
    const std::span<const std::uint8_t> message =
        is_dropped ? std::span<const std::uint8_t>() : std::span<const std::uint8_t>(writer.finish());
    const server::LoggedReply reply{.message = message, .rcode = rcode, .octets = message.size(), .duration = duration};
    std::array<char, server::query_line_octets_max> line;
    const auto text = format_line(format,
                                  {.query = *query,
                                   .octets = packet.size(),
                                   .transport = transport,
                                   .client = *base::IpAddress::parse(client),
                                   .client_port = 40212},
                                  reply, line);
    const auto type = server::reply_type(*query, reply);
    return {std::string(text), std::string(type), std::string(server::reply_class(type))};
  }
  std::string line(std::string_view format) const {
    const auto parsed = LogFormat::parse(format);
    REQUIRE_MESSAGE(parsed.has_value(), parsed.error());
    std::string text = seen(*parsed).line;
    REQUIRE(text.starts_with("[INFO] "));
    REQUIRE(text.ends_with('\n'));
    return text.substr(7, text.size() - 8);
  }
};

TEST_CASE("a line in the Common Log Format is CoreDNS's") {
  Exchange asked{.packet = query_packet("Example.ORG.", RRType::a, {.id = 29008, .edns_octets = 4096}),
                 .client = "::1",
                 .answers = {RRType::a},
                 .flags = Header::ra | Header::ad,
                 .duration = 37990251ns};
  CHECK(asked.line("{common}") ==
        "[::1]:40212 - 29008 \"A IN example.org. udp 40 false 4096\" NOERROR qr,rd,ra,ad 56 0.037990251s");
  CHECK(asked.line("{combined}") ==
        "[::1]:40212 - 29008 \"A IN example.org. udp 40 false 4096\" NOERROR qr,rd,ra,ad 56 0.037990251s \"0\"");
}

TEST_CASE("each placeholder stands for what it names") {
  struct Row {
    const char* format;
    const char* line;
    Exchange exchange;
  };
  const auto query = [](std::string_view name, RRType type, QueryPacketOptions options = {}) {
    return query_packet(name, type, options);
  };
  const std::vector<Row> rows{
      {"{type} {class} {name}", "A IN web.example.org.", {}},
      {"{type}", "HTTPS", {.packet = query("a.", RRType::https)}},
      {"{type}", "TYPE65280", {.packet = query("a.", static_cast<RRType>(65280))}},
      {"{name}", ".", {.packet = query(".", RRType::ns)}},
      {"{remote}|{port}|{local}", "192.0.2.1|40212|-", {}},
      {"{remote}", "10.0.0.255", {.client = "10.0.0.255"}},
      {"{remote}", "[2001:db8::ff:0]", {.client = "2001:db8::ff:0"}},
      {"{proto} {>bufsize} {>do}", "udp 512 false", {}},
      {"{proto} {>bufsize} {>do}", "tcp 65535 false", {.transport = server::Transport::tcp}},
      {"{>bufsize} {>do}", "1232 true", {.packet = query("a.", RRType::a, {.edns_octets = 1232, .dnssec_ok = true})}},
      {"{>bufsize}", "512", {.packet = query("a.", RRType::a, {.edns_octets = 100})}},
      {"{rcode} {>rflags}", "NXDOMAIN qr,aa,rd", {.rcode = Rcode::nxdomain, .flags = Header::aa}},
      {"{>rflags}", "qr,tc,rd", {.flags = Header::tc}},
      {"{rcode}", "11", {.rcode = static_cast<Rcode>(11)}},
      {"{rcode} {>rflags} {rsize}", "- - 0", {.is_dropped = true}},
      {"{duration}", "0.0015s", {}},
      {"{duration}", "2s", {.duration = 2s}},
      {"{duration}", "0s", {.duration = 0s}},
      {"{duration}", "0.000000001s", {.duration = 1ns}},
      {"{duration}", "61.25s", {.duration = 61250ms}},
      {"{/kubernetes/service}", "-", {}},
      {"{/log/type} {/log/class}", "SERVERERROR error", {.rcode = Rcode::servfail}},
      {"{\"name\":\"{name}\"}", "{\"name\":\"web.example.org.\"}", {}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.format);
    CHECK(row.exchange.line(row.format) == row.line);
  }
}

TEST_CASE("odd names are escaped as CoreDNS escapes them, and cannot end a line") {
  const auto shown = [](std::string_view name) {
    return Exchange{.packet = query_packet(name, RRType::a, {})}.line("{name}");
  };
  CHECK(shown("a\\.b.example.") == "a\\.b.example.");
  CHECK(shown("a\\032b\\@\\;\\(\\)\\\"\\\\'.example.") == "a\\ b\\@\\;\\(\\)\\\"\\\\\\'.example.");
  CHECK(shown("\\010[ERROR]\\000\\127\\255.example.") == "\\010[error]\\000\\127\\255.example.");
  CHECK(shown("$_-*A.example.") == "$_-*a.example.");
}

TEST_CASE("the longest name fits, and a longer line ends with dots") {
  std::string name;
  for (const int octets : {63, 63, 63, 61}) {
    for (int i = 0; i < octets; ++i) name += "\\001";
    name += '.';
  }
  const Exchange exchange{.packet = query_packet(name, RRType::a, {})};
  CHECK(exchange.line("{name} {name} {name}") == name + ' ' + name + ' ' + name);
  const std::string cut = exchange.seen(*LogFormat::parse("{name} {name} {name} {name} {name} {type}")).line;
  CHECK(cut.size() <= server::query_line_octets_max);
  CHECK(cut.starts_with("[INFO] " + name + ' ' + name + ' ' + name + ' '));
  CHECK(cut.ends_with("...\n"));
  CHECK(std::ranges::count(cut, '\n') == 1);
}

TEST_CASE("replies have CoreDNS's types and classes") {
  struct Row {
    Exchange exchange;
    const char* type;
    const char* reply_class;
  };
  const std::vector<Row> rows{
      {{.answers = {RRType::a}}, "NOERROR", "success"},
      {{.answers = {RRType::a}, .authorities = {RRType::soa}}, "NOERROR", "success"},
      {{}, "NOERROR", "success"},
      {{.authorities = {RRType::soa}}, "NODATA", "denial"},
      {{.authorities = {RRType::ns, RRType::soa}}, "NODATA", "denial"},
      {{.authorities = {RRType::ns}}, "DELEGATION", "success"},
      {{.rcode = Rcode::nxdomain, .authorities = {RRType::soa}}, "NXDOMAIN", "denial"},
      {{.rcode = Rcode::nxdomain}, "NXDOMAIN", "denial"},
      {{.rcode = Rcode::nxdomain, .answers = {RRType::cname}}, "OTHERERROR", "error"},
      {{.rcode = Rcode::servfail}, "SERVERERROR", "error"},
      {{.rcode = Rcode::notimp}, "SERVERERROR", "error"},
      {{.rcode = Rcode::refused}, "OTHERERROR", "error"},
      {{.packet = query_packet("a.", RRType::axfr, {}), .answers = {RRType::soa}}, "META", "error"},
      {{.is_dropped = true}, "OTHERERROR", "error"},
  };
  for (const Row& row : rows) {
    const auto seen = row.exchange.seen(LogFormat());
    CHECK(seen.type == row.type);
    CHECK(seen.reply_class == row.reply_class);
  }
}

}  // namespace
}  // namespace fairlead::test
