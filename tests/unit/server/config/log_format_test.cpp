// `log`: formats taken apart, and what the directive's words mean.
#include "server/config/log_format.hpp"

#include <doctest/doctest.h>

#include <string>

#include "server/config/limits.hpp"
#include "unit/server/config/memory_corefile.hpp"

namespace fairlead::server {
namespace {

std::vector<LogPiece> pieces_of(std::string_view text) {
  const auto format = LogFormat::parse(text);
  REQUIRE_MESSAGE(format.has_value(), format.error());
  return format->pieces();
}

LogPiece text(std::string value) { return {LogField::text, std::move(value)}; }
LogPiece field(LogField value) { return {value, {}}; }

TEST_CASE("a format is text, placeholders and metadata") {
  CHECK(pieces_of("{name}") == std::vector{field(LogField::name)});
  CHECK(pieces_of("a {>id}-{rcode} b") ==
        std::vector{text("a "), field(LogField::id), text("-"), field(LogField::rcode), text(" b")});
  CHECK(pieces_of("{/kubernetes/client-namespace}!") ==
        std::vector<LogPiece>{{LogField::metadata, "kubernetes/client-namespace"}, text("!")});
}

TEST_CASE("{common} and {combined} stand for CoreDNS's formats, also inside of others") {
  CHECK(pieces_of("{common}") == LogFormat().pieces());
  CHECK(pieces_of("{remote}:{port} - {>id} \"{type} {class} {name} {proto} {size} {>do} {>bufsize}\" {rcode} {>rflags} "
                  "{rsize} {duration}") == LogFormat().pieces());
  CHECK(pieces_of("{combined}") == pieces_of("{common} \"{>opcode}\""));
}

TEST_CASE("braces that begin no placeholder are text, so that a line may be JSON or anything else") {
  CHECK(pieces_of("{\"name\":\"{name}\"}") == std::vector{text("{\"name\":\""), field(LogField::name), text("\"}")});
  CHECK(pieces_of("{ {type} }") == std::vector{text("{ "), field(LogField::type), text(" }")});
  CHECK(pieces_of("{type:{type}}") == std::vector{text("{type:"), field(LogField::type), text("}")});
  CHECK(pieces_of("a } {} { b") == std::vector{text("a } {} { b")});
  CHECK(pieces_of("{not one} {name}") == std::vector{text("{not one} "), field(LogField::name)});
}

TEST_CASE("the text of a format cannot break a line") {
  CHECK(pieces_of("a\nb\x1b[2J{name}").front() == text("a\\nb[2J"));
}

TEST_CASE("a format is bounded") {
  CHECK(LogFormat::parse(std::string(log_format_octets_max, 'x')).has_value());
  CHECK_FALSE(LogFormat::parse(std::string(log_format_octets_max + 1, 'x')).has_value());
}

TEST_CASE("the words of `log` are names, and a format if the last one has a brace") {
  const auto root = dns::DomainName();
  const auto name = [](const char* written) { return *dns::DomainName::parse(written); };
  const auto logs_of = [](const std::string& directives) { return options_of(directives).log; };

  auto log = logs_of("log").at(0);
  CHECK(log.names == std::vector{root});
  CHECK(log.format == LogFormat());
  CHECK(log.classes == LogOptions::Classes{});

  log = logs_of("log a.example B.example").at(0);
  CHECK(log.names == std::vector{name("a.example"), name("b.example")});
  CHECK(log.format == LogFormat());

  log = logs_of("log a.example b.example \"{name} was asked\"").at(0);
  CHECK(log.names.size() == 2);
  CHECK(log.format.pieces() == pieces_of("{name} was asked"));

  log = logs_of("log {combined}").at(0);
  CHECK(log.names == std::vector{root});
  CHECK(log.format.pieces() == pieces_of("{combined}"));

  log = logs_of("log . {combined} {\n class denial\n class error\n}").at(0);
  CHECK(log.format.pieces() == pieces_of("{combined}"));
  CHECK(log.classes == LogOptions::Classes{.success = false, .denial = true, .error = true});
  CHECK(logs_of("log {\n class denial all\n}").at(0).classes == LogOptions::Classes{});

  CHECK(logs_of("log a.example\nlog b.example {name}").size() == 2);
}

TEST_CASE("a format that shows metadata in a block without `metadata` is a warning") {
  const auto warnings_of = [](const std::string& directives) {
    return to_string(load_good("example.org {\n" + directives + "\n}\n").warnings);
  };
  CHECK(warnings_of("errors\nlog . {/forward/upstream}") ==
        "Corefile:3: 'log' shows metadata, which is always '-' without 'metadata' in its block\n");
  CHECK(warnings_of("log . {/forward/upstream}\nmetadata").empty());
  CHECK(warnings_of("log . {/log/class}").empty());
}

}  // namespace
}  // namespace fairlead::server
