// The reader of `template`.
#include "server/config/template_options.hpp"

#include <algorithm>
#include <utility>

#include "server/config/corefile.hpp"
#include "server/config/directive_readers.hpp"
#include "server/config/limits.hpp"
#include "server/config/option_reader.hpp"
#include "server/config/value_names.hpp"

namespace fairlead::server {
namespace {

// RFC 8914 §5.2: what a client is shown is one short line.
constexpr std::size_t reason_octets_max = 255;

void read_records(const Statement& option, OptionReader& reader, std::vector<TemplateOptions::Record>& records) {
  for (const Word& word : option.arguments()) {
    if (records.size() == template_records_max) {
      return reader.fault(word.at, "more than " + std::to_string(template_records_max) +
                                       " records in one section of 'template'; serve them with 'file'");
    }
    auto text = TextTemplate::parse(word.text);
    if (!text) {
      reader.fault(word.at, "the template " + quote(word.text) + " is not understood: " + text.error());
      continue;
    }
    TemplateOptions::Record record{.text = std::move(*text), .constant = std::nullopt};
    if (record.text.is_constant()) {
      auto parsed = parse_template_record(record.text.source());
      if (!parsed) {
        reader.fault(word.at, quote(word.text) + " is no record: " + parsed.error() +
                                  "; write one as in a zone file, such as 'www.example.org. 60 IN A 192.0.2.1'");
        continue;
      }
      record.constant = std::move(*parsed);
    }
    records.push_back(std::move(record));
  }
}

std::string joined(std::span<const Word> words) {
  std::string text;
  for (const Word& word : words) text += (text.empty() ? "" : " ") + word.text;
  return text;
}

bool is_identifier(std::string_view name) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !name.empty() && is_letter(name.front()) &&
         std::ranges::all_of(name, [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

// What the expressions of a template know: the functions of a query, group(), and the variables so far.
void read_variable(const Statement& option, OptionReader& reader, TemplateOptions& options, ExpressionScope& scope) {
  const Word& name = option.argument(0);
  if (scope.variables.size() == template_variables_max) {
    return reader.fault(name.at, "more than " + std::to_string(template_variables_max) + " variables in 'template'");
  }
  if (!is_identifier(name.text)) {
    return reader.fault(name.at, quote(name.text) + " is no name of a variable; write letters, digits and '_'");
  }
  const bool is_known =
      std::ranges::find(scope.variables, name.text, &ExpressionScope::Variable::name) != scope.variables.end();
  if (is_known || is_reserved_in_expressions(name.text)) {
    return reader.fault(name.at, quote(name.text) + (is_known ? " is a variable already" : " means something else") +
                                     "; choose another name");
  }
  auto value = Expression::parse(joined(option.arguments().subspan(1)), scope);
  if (!value) {
    reader.fault(option.name().at, "bad expression: " + value.error());
    // What uses it is not wrong as well.
    return scope.variables.push_back({.name = name.text, .type = {.kind = ExpressionType::Kind::text}});
  }
  scope.variables.push_back({.name = name.text, .type = value->type()});
  options.variables.push_back({.name = name.text, .value = std::move(*value)});
}

void read_condition(const Statement& option, OptionReader& reader, TemplateOptions& options,
                    const ExpressionScope& scope) {
  auto condition = Expression::parse_condition(joined(option.arguments()), scope);
  if (condition) {
    options.conditions.push_back(std::move(*condition));
  } else {
    reader.fault(option.name().at, "bad expression: " + condition.error());
  }
}

// A record may stand in front of the variables that it uses.
void check_variables(const Statement& directive, OptionReader& reader, const TemplateOptions& options,
                     const ExpressionScope& scope) {
  for (const auto* records : {&options.answer, &options.additional, &options.authority}) {
    for (const TemplateOptions::Record& record : *records) {
      for (const std::string& name : record.text.variables()) {
        if (std::ranges::find(scope.variables, name, &ExpressionScope::Variable::name) != scope.variables.end())
          continue;
        reader.fault(directive.name().at, "the template " + quote(record.text.source()) +
                                              " has a variable that is not there: '.Var." + name + "'; write 'var " +
                                              name + " EXPRESSION'");
      }
    }
  }
}

}  // namespace

std::expected<dns::ResourceRecord, std::string> parse_template_record(std::string_view text) {
  std::string line;
  bool is_quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\' && i + 1 < text.size()) {
      line += c;
      line += text[++i];
      continue;
    }
    if (c == '"') is_quoted = !is_quoted;
    if (!is_quoted && c == ';') {
      const std::size_t end = text.find('\n', i);
      if (end == std::string_view::npos) break;
      i = end;
      line += ' ';
      continue;
    }
    line += !is_quoted && (c == '(' || c == ')' || c == '\n' || c == '\r') ? ' ' : c;
  }
  if (line.find_first_not_of(" \t") == std::string::npos) return std::unexpected("it is empty");
  // White space at its beginning would stand for the owner of a line before.
  return dns::parse_record(std::string_view(line).substr(line.find_first_not_of(" \t")));
}

void read_template(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  if (!reader.check_arguments(directive, 2, any_count, "template CLASS TYPE [ZONES...]")) return;
  TemplateOptions options;
  if (const auto qclass = parse_rr_class(directive.argument(0).text)) {
    options.qclass = *qclass;
  } else {
    reader.fault(directive.argument(0).at, quote(directive.argument(0).text) + " is no class; write IN, CH, HS or ANY");
  }
  if (const auto qtype = dns::parse_rr_type(directive.argument(1).text)) {
    options.qtype = *qtype;
  } else {
    reader.fault(directive.argument(1).at,
                 quote(directive.argument(1).text) + " is no record type; write one such as 'AAAA', or ANY");
  }
  options.zones = reader.zones_or_keys(directive.arguments().subspan(2), block);
  ExpressionScope scope{.has_groups = true};
  const auto records = [&](std::vector<TemplateOptions::Record>& of) {
    return [&reader, &of](const Statement& option) { read_records(option, reader, of); };
  };
  reader.read_options(
      directive, {{"match", 1, any_count, "match REGEXP...",
                   [&](const Statement& option) {
                     for (const Word& word : option.arguments()) {
                       auto pattern = reader.regular_expression(word, RegularExpression::Groups::captured);
                       if (pattern) options.match.push_back(std::move(*pattern));
                     }
                   }},
                  {"answer", 1, any_count, "answer RECORD...", records(options.answer)},
                  {"additional", 1, any_count, "additional RECORD...", records(options.additional)},
                  {"authority", 1, any_count, "authority RECORD...", records(options.authority)},
                  {"rcode", 1, 1, "rcode RCODE",
                   [&](const Statement& option) {
                     const Word& word = option.argument(0);
                     const auto rcode = parse_rcode(word.text);
                     if (!rcode)
                       reader.fault(word.at, quote(word.text) + " is not an RCODE; write one such as 'NXDOMAIN'");
                     options.rcode = rcode.value_or(dns::Rcode::noerror);
                   }},
                  {"ederror", 1, 2, "ederror CODE [REASON]",
                   [&](const Statement& option) {
                     const auto code = reader.number(option.argument(0), 0, 65535);
                     std::string reason = option.argument_count() > 1 ? option.argument(1).text : std::string();
                     if (reason.size() > reason_octets_max) {
                       reader.fault(option.argument(1).at, quote(reason) + " is longer than 255 octets; shorten it");
                     }
                     if (code)
                       options.extended_error = {.code = static_cast<std::uint16_t>(*code),
                                                 .reason = std::move(reason)};
                   }},
                  {"fallthrough", 0, any_count, "fallthrough [ZONES...]",
                   [&](const Statement& option) {
                     options.fallthrough = {.enabled = true, .zones = reader.zones(option.arguments())};
                   }},
                  {"upstream", 0, any_count, "upstream", [](const Statement&) {}},
                  {"var", 2, any_count, "var NAME EXPRESSION",
                   [&](const Statement& option) { read_variable(option, reader, options, scope); }},
                  {"expr", 1, any_count, "expr EXPRESSION",
                   [&](const Statement& option) { read_condition(option, reader, options, scope); }}});
  check_variables(directive, reader, options, scope);
  block.options.templates.push_back(std::move(options));
}

}  // namespace fairlead::server
