#include "server/config/option_reader.hpp"

#include <algorithm>
#include <utility>

#include "server/config/corefile.hpp"
#include "server/config/directive_table.hpp"
#include "server/config/limits.hpp"
#include "server/config/nearest_name.hpp"
#include "server/config/not_yet.hpp"

namespace fairlead::server {
namespace {

std::string list(std::span<const std::string_view> names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? " or " : ", ";
    text += names[i];
  }
  return text;
}

std::string describe_unknown_option(const Word& word, const Statement& directive,
                                    std::span<const std::string_view> names) {
  std::string message = "unknown option " + quote(word.text) + " of " + quote(directive.name().text);
  if (const std::string_view nearest = nearest_name(word.text, names); !nearest.empty()) {
    return message + "; did you mean " + quote(nearest) + '?';
  }
  if (find_directive(word.text) != nullptr) return message + "; it is a directive: is a '}' missing before it?";
  return message + "; write " + list(names);
}

}  // namespace

bool OptionReader::check_arguments(const Statement& statement, std::size_t min, std::size_t max,
                                   std::string_view syntax) {
  if (statement.argument_count() >= min && statement.argument_count() <= max) return true;
  const std::string_view problem = statement.argument_count() < min ? "too few" : "too many";
  fault(statement.name().at,
        std::string(problem) + " arguments for " + quote(statement.name().text) + "; write " + quote(syntax));
  return false;
}

void OptionReader::check_no_block(const Statement& directive) {
  if (!directive.block.empty()) {
    fault(directive.block.front().name().at, quote(directive.name().text) + " has no options; remove its block");
  }
}

void OptionReader::read_options(const Statement& directive, std::initializer_list<OptionRow> rows) {
  for (const Statement& option : directive.block) {
    const auto row = std::ranges::find(rows, option.name().text, &OptionRow::name);
    if (row == rows.end()) {
      std::vector<std::string_view> names;
      for (const OptionRow& known : rows) names.push_back(known.name);
      fault(option.name().at, describe_unknown_option(option.name(), directive, names));
      continue;
    }
    if (option.has_block) {
      fault(option.block_at, quote(option.name().text) + " takes no block; is a '}' missing before it?");
    }
    if (!check_arguments(option, row->arguments_min, row->arguments_max, row->syntax)) continue;
    bool not_yet = is_not_yet(option.name().at, directive.name().text, row->name, "");
    for (std::size_t i = 0; i < option.argument_count() && !not_yet; ++i) {
      not_yet = is_not_yet(option.name().at, directive.name().text, row->name, option.argument(i).text);
    }
    if (auto reason = describe_no_effect(directive.name().text, row->name)) {
      warn(option.name().at, std::move(*reason));
    }
    row->read(option);
  }
}

bool OptionReader::is_not_yet(SourcePosition at, std::string_view directive, std::string_view option,
                              std::string_view value) {
  auto reason = describe_not_yet(directive, option, value);
  if (!reason) return false;
  fault(at, std::move(*reason));
  return true;
}

template <typename Value>
std::optional<Value> OptionReader::take(const Word& word, Parsed<Value> parsed) {
  if (parsed) return std::move(*parsed);
  fault(word.at, std::move(parsed.error()));
  return std::nullopt;
}

std::optional<Duration> OptionReader::duration(const Word& word, Duration min) {
  const auto duration = take(word, parse_duration(word.text));
  if (!duration || *duration >= min) return duration;
  const auto whole_seconds = std::chrono::duration_cast<std::chrono::seconds>(min);
  fault(word.at, "the duration " + quote(word.text) + " is too short; write '" +
                     (min == whole_seconds ? std::to_string(whole_seconds.count()) + "s' or more" : "1ns' or more"));
  return std::nullopt;
}

std::optional<std::uint64_t> OptionReader::number(const Word& word, std::uint64_t min, std::uint64_t max) {
  return take(word, parse_number(word.text, min, max));
}

std::optional<HttpAddress> OptionReader::http_address(const Word& word) {
  return take(word, parse_http_address(word.text));
}

std::optional<dns::DomainName> OptionReader::name(const Word& word) {
  const auto parsed = dns::DomainName::parse(word.text);
  if (parsed && !word.text.empty()) return parsed->to_lower();
  fault(word.at, quote(word.text) + " is not a domain name: " +
                     (parsed ? "it is empty" : std::string(dns::to_string(parsed.error()))) +
                     "; write one such as 'example.org'");
  return std::nullopt;
}

std::vector<dns::DomainName> OptionReader::zones(std::span<const Word> words) {
  std::vector<dns::DomainName> zones;
  for (const Word& word : words) {
    auto parsed = take(word, parse_zone(word.text));
    if (!parsed || !take_zones(word.at, parsed->zones.size())) continue;
    for (dns::DomainName& zone : parsed->zones) zones.push_back(std::move(zone));
  }
  return zones;
}

std::vector<dns::DomainName> OptionReader::zones_or_keys(std::span<const Word> words, const ServerBlock& block) {
  return words.empty() ? block.zones() : zones(words);
}

std::optional<RegularExpression> OptionReader::regular_expression(const Word& word, RegularExpression::Groups groups) {
  if (++regular_expression_count_ > regular_expressions_max) {
    fault(word.at, "more than " + std::to_string(regular_expressions_max) +
                       " regular expressions in the Corefile; join some of them with '|'");
    return std::nullopt;
  }
  auto parsed = RegularExpression::parse(word.text, groups);
  if (parsed) return std::move(*parsed);
  fault(word.at, "bad regular expression " + quote(word.text) + ": " + parsed.error() + "; write one as Go and RE2 do");
  return std::nullopt;
}

std::optional<std::size_t> OptionReader::choice(const Word& word, std::span<const std::string_view> choices) {
  const auto chosen = std::ranges::find(choices, word.text);
  if (chosen != choices.end()) return static_cast<std::size_t>(chosen - choices.begin());
  fault(word.at, "unknown value " + quote(word.text) + "; write " + list(choices));
  return std::nullopt;
}

bool OptionReader::take_zones(SourcePosition at, std::size_t count) {
  if (zone_count_ > zones_max) return false;
  zone_count_ += count;
  if (zone_count_ <= zones_max) return true;
  fault(at,
        "the Corefile names more than " + std::to_string(zones_max) + " zones; use a larger zone, or shorter networks");
  return false;
}

}  // namespace fairlead::server
