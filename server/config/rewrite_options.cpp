// The reader of `rewrite`. A rule is a line of words; those in a block are the same line, written over several.
#include "server/config/rewrite_options.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <span>
#include <utility>

#include "server/config/corefile.hpp"
#include "server/config/directive_readers.hpp"
#include "server/config/limits.hpp"
#include "server/config/option_reader.hpp"
#include "server/config/value_names.hpp"

namespace fairlead::server {
namespace {

using Kind = NamePattern::Kind;
using Words = std::span<const Word>;

constexpr std::uint16_t nsid_code = 3;    // RFC 5001
constexpr std::uint16_t subnet_code = 8;  // RFC 7871
constexpr std::size_t option_octets_max = 512;

constexpr std::array<std::string_view, 7> edns_variables{"qname",    "qtype",     "client_ip",  "client_port",
                                                         "protocol", "server_ip", "server_port"};

class RuleReader {
 public:
  RuleReader(const Statement& directive, OptionReader& reader) : directive_(directive), reader_(reader) {}

  void read(Words words, RewriteRule& rule);

 private:
  void read_name(const Word& field, Words words, RewriteRule::Name& rule);
  void read_answers(Words words, RewriteRule::Name& rule);
  void read_type(const Word& field, Words words, RewriteRule::Type& rule);
  void read_class(const Word& field, Words words, RewriteRule::Class& rule);
  void read_edns(const Word& field, Words words, RewriteRule::Edns& rule);
  void read_edns_local(Words words, RewriteRule::Edns& rule);
  void read_ttl(const Word& field, Words words, RewriteRule::Ttl& rule);
  void read_rcode(const Word& field, Words words, RewriteRule::Rcode& rule);
  void read_cname(const Word& field, Words words, RewriteRule::Cname& rule);

  /// The kind of match, if the words begin with one although `count` others are all that is needed.
  std::optional<Kind> read_kind(Words& words, std::size_t count);
  /// In lower case; `absolute` adds the final dot that names have.
  std::optional<NamePattern> read_pattern(const Word& word, Kind kind, bool absolute = true);
  std::optional<NameReplacement> read_replacement(const Word& from, const Word& to, Kind kind, bool absolute = true);
  std::optional<dns::Rcode> read_rcode_value(const Word& word);
  void wrong(const Word& word, std::string_view syntax) {
    reader_.fault(word.at, quote(word.text) + " does not fit there; write '" + std::string(syntax) + "'");
  }
  void incomplete(const Word& field, std::string_view syntax) {
    reader_.fault(field.at, "too few or too many words for " + quote(field.text) + " of 'rewrite'; write '" +
                                std::string(syntax) + "'");
  }

  const Statement& directive_;
  OptionReader& reader_;
};

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return static_cast<char>(dns::to_lower(static_cast<std::uint8_t>(c))); });
  return text;
}

std::string absolute_name(std::string text) {
  text = lower(std::move(text));
  if (!text.ends_with('.')) text += '.';
  return text;
}

void RuleReader::read(Words words, RewriteRule& rule) {
  const std::string mode = words.empty() ? std::string() : lower(words.front().text);
  if (mode == "continue" || mode == "stop") {
    rule.stops = mode == "stop";
    words = words.subspan(1);
  }
  if (words.empty()) {
    return reader_.fault(directive_.name().at,
                         "'rewrite' has no rule; write 'rewrite [continue|stop] FIELD FROM TO' or remove it");
  }
  const Word& field = words.front();
  const std::string name = lower(field.text);
  words = words.subspan(1);
  if (name == "name") return read_name(field, words, rule.field.emplace<RewriteRule::Name>());
  if (name == "type") return read_type(field, words, rule.field.emplace<RewriteRule::Type>());
  if (name == "class") return read_class(field, words, rule.field.emplace<RewriteRule::Class>());
  if (name == "edns0") return read_edns(field, words, rule.field.emplace<RewriteRule::Edns>());
  if (name == "ttl") return read_ttl(field, words, rule.field.emplace<RewriteRule::Ttl>());
  if (name == "rcode") return read_rcode(field, words, rule.field.emplace<RewriteRule::Rcode>());
  if (name == "cname") return read_cname(field, words, rule.field.emplace<RewriteRule::Cname>());
  if (name == "answer") {
    return reader_.fault(field.at, "'answer' belongs to a rule of 'name'; write 'name FROM TO' before it");
  }
  reader_.fault(field.at,
                quote(field.text) + " is no field of 'rewrite'; write name, type, class, edns0, ttl, rcode or cname");
}

std::optional<Kind> RuleReader::read_kind(Words& words, std::size_t count) {
  if (words.size() <= count) return Kind::exact;
  constexpr std::array<std::string_view, 5> kinds{"exact", "prefix", "suffix", "substring", "regex"};
  const auto found = std::ranges::find(kinds, lower(words.front().text));
  if (found == kinds.end()) {
    reader_.fault(words.front().at,
                  quote(words.front().text) + " is no kind of match; write exact, prefix, suffix, substring or regex");
    return std::nullopt;
  }
  words = words.subspan(1);
  return static_cast<Kind>(found - kinds.begin());
}

std::optional<NamePattern> RuleReader::read_pattern(const Word& word, Kind kind, bool absolute) {
  if (kind == Kind::regex) {
    auto pattern = reader_.regular_expression(word, RegularExpression::Groups::captured);
    if (!pattern) return std::nullopt;
    return NamePattern(std::move(*pattern));
  }
  if (word.text.empty() || word.text.size() > name_template_octets_max) {
    reader_.fault(word.at, quote(word.text) + " is no part of a domain name: it is " +
                               (word.text.empty() ? "empty" : "too long"));
    return std::nullopt;
  }
  if (kind == Kind::exact && !reader_.name(word)) return std::nullopt;
  // A rule is compared with names as they are written, so it must be written alike: "\065" is "a".
  if (kind == Kind::exact) return NamePattern(kind, dns::DomainName::parse(word.text)->to_lower().to_string());
  return NamePattern(kind, absolute ? absolute_name(word.text) : lower(word.text));
}

std::optional<NameReplacement> RuleReader::read_replacement(const Word& from, const Word& to, Kind kind,
                                                            bool absolute) {
  auto pattern = read_pattern(from, kind, absolute);
  if (!pattern) return std::nullopt;
  if (kind == Kind::exact && !reader_.name(to)) return std::nullopt;
  auto replacement = NameReplacement::make(std::move(*pattern), absolute ? absolute_name(to.text) : lower(to.text));
  if (!replacement) {
    reader_.fault(to.at, quote(to.text) + " cannot be filled in: " + replacement.error());
    return std::nullopt;
  }
  return std::move(*replacement);
}

void RuleReader::read_name(const Word& field, Words words, RewriteRule::Name& rule) {
  constexpr std::string_view syntax = "name [exact|prefix|suffix|substring|regex] FROM TO [answer ...]";
  if (words.size() < 2) return incomplete(field, syntax);
  const auto kind = read_kind(words, 2);
  if (!kind) return;
  if (words.size() < 2) return incomplete(field, syntax);
  if (auto replacement = read_replacement(words[0], words[1], *kind)) {
    rule.replacement = std::move(*replacement);
    if (*kind == Kind::exact) {
      rule.from = dns::DomainName::parse(words[0].text)->to_lower();
      rule.to = dns::DomainName::parse(words[1].text)->to_lower();
    }
  }
  rule.answer_auto = *kind == Kind::exact;
  read_answers(words.subspan(2), rule);
}

void RuleReader::read_answers(Words words, RewriteRule::Name& rule) {
  constexpr std::string_view syntax = "answer auto|name FROM TO|value FROM TO";
  bool is_first = true;
  const Word* auto_word = nullptr;
  bool has_name = false;
  while (!words.empty()) {
    const Word& first = words.front();
    if (first.text == "answer") words = words.subspan(1);
    if (is_first && first.text != "answer") return wrong(first, syntax);
    is_first = false;
    if (words.empty()) return wrong(first, syntax);
    const Word what = words.front();
    words = words.subspan(1);
    // "answer name auto" is what an example of CoreDNS's own page has.
    if (what.text == "auto" || (what.text == "name" && words.size() >= 1 && words[0].text == "auto")) {
      auto_word = &first;
      if (what.text == "name") words = words.subspan(1);
      rule.answer_auto = true;
      continue;
    }
    if (what.text != "name" && what.text != "value") return wrong(what, syntax);
    if (words.size() < 2) return wrong(what, syntax);
    has_name |= what.text == "name";
    if (auto replacement = read_replacement(words[0], words[1], Kind::regex)) {
      rule.answers.push_back({.of_value = what.text == "value", .replacement = std::move(*replacement)});
    }
    words = words.subspan(2);
  }
  if (auto_word != nullptr && has_name) {
    reader_.fault(auto_word->at, "'answer auto' cannot stand beside 'answer name'; remove one of them");
  }
}

void RuleReader::read_type(const Word& field, Words words, RewriteRule::Type& rule) {
  if (words.size() != 2) return incomplete(field, "type FROM TO");
  for (const auto& [word, value] : {std::pair{&words[0], &rule.from}, std::pair{&words[1], &rule.to}}) {
    const auto type = dns::parse_rr_type(word->text);
    if (!type) reader_.fault(word->at, quote(word->text) + " is no record type; write one such as 'AAAA' or 'TYPE65'");
    *value = type.value_or(dns::RRType{});
  }
}

void RuleReader::read_class(const Word& field, Words words, RewriteRule::Class& rule) {
  if (words.size() != 2) return incomplete(field, "class FROM TO");
  for (const auto& [word, value] : {std::pair{&words[0], &rule.from}, std::pair{&words[1], &rule.to}}) {
    const auto rrclass = parse_rr_class(word->text);
    if (!rrclass) reader_.fault(word->at, quote(word->text) + " is no class; write IN, CH, HS or ANY");
    *value = rrclass.value_or(dns::RRClass::in);
  }
}

void RuleReader::read_edns(const Word& field, Words words, RewriteRule::Edns& rule) {
  using Edns = RewriteRule::Edns;
  constexpr std::string_view syntax = "edns0 local|nsid|subnet set|append|replace|unset ... [revert]";
  if (words.size() < 2) return incomplete(field, syntax);
  constexpr std::array<std::string_view, 3> kinds{"local", "nsid", "subnet"};
  constexpr std::array<std::string_view, 4> actions{"set", "append", "replace", "unset"};
  const auto kind = std::ranges::find(kinds, lower(words[0].text));
  const auto action = std::ranges::find(actions, lower(words[1].text));
  if (kind == kinds.end()) return wrong(words[0], syntax);
  if (action == actions.end()) return wrong(words[1], syntax);
  rule.kind = static_cast<Edns::Kind>(kind - kinds.begin());
  rule.action = static_cast<Edns::Action>(action - actions.begin());
  const bool unsets = rule.action == Edns::Action::unset;
  words = words.subspan(2);
  if (!unsets && !words.empty() && words.back().text == "revert") {
    rule.revert = true;
    words = words.first(words.size() - 1);
  }
  switch (rule.kind) {
    case Edns::Kind::nsid:
      rule.code = nsid_code;
      if (!words.empty()) incomplete(field, "edns0 nsid set|append|replace|unset [revert]");
      return;
    case Edns::Kind::subnet: {
      rule.code = subnet_code;
      if (words.size() != (unsets ? 0 : 2)) {
        return incomplete(field, unsets ? "edns0 subnet unset" : "edns0 subnet set|append|replace IPV4BITS IPV6BITS");
      }
      if (unsets) return;
      if (const auto bits = reader_.number(words[0], 0, 32)) rule.ipv4_prefix = static_cast<std::uint8_t>(*bits);
      if (const auto bits = reader_.number(words[1], 0, 128)) rule.ipv6_prefix = static_cast<std::uint8_t>(*bits);
      return;
    }
    case Edns::Kind::local: break;
  }
  if (words.size() != (unsets ? 1 : 2)) {
    return incomplete(field, unsets ? "edns0 local unset CODE" : "edns0 local set|append|replace CODE DATA [revert]");
  }
  read_edns_local(words, rule);
}

void RuleReader::read_edns_local(Words words, RewriteRule::Edns& rule) {
  const std::string& code = words[0].text;
  const bool is_hex = code.starts_with("0x") || code.starts_with("0X");
  const char* const end = code.data() + code.size();
  const auto parsed = std::from_chars(code.data() + (is_hex ? 2 : 0), end, rule.code, is_hex ? 16 : 10);
  if (parsed.ec != std::errc() || parsed.ptr != end) {
    reader_.fault(words[0].at, quote(code) + " is no code of an option; write a number up to 65535, such as '0xffee'");
  }
  if (words.size() < 2) return;
  const Word& word = words[1];
  const std::string& data = word.text;
  if (data.size() > 2 && data.starts_with('{') && data.ends_with('}')) {
    rule.variable = data.substr(1, data.size() - 2);
    const std::size_t slash = rule.variable.find('/');
    const bool is_label = slash != std::string::npos && slash > 0 && slash + 1 < rule.variable.size();
    if (!is_label && std::ranges::find(edns_variables, rule.variable) == edns_variables.end()) {
      reader_.fault(word.at, quote(data) +
                                 " is no variable; write {qname}, {qtype}, {client_ip}, {client_port}, {protocol}, "
                                 "{server_ip}, {server_port} or a label of 'metadata' such as {kubernetes/service}");
    }
    return;
  }
  if (!data.starts_with("0x")) {
    rule.data.assign(data.begin(), data.end());
  } else {
    for (std::size_t i = 2; i < data.size(); i += 2) {
      std::uint8_t octet = 0;
      const char* const two = data.data() + i;
      const bool is_whole = i + 2 <= data.size();
      if (!is_whole || std::from_chars(two, two + 2, octet, 16).ptr != two + 2) {
        return reader_.fault(word.at, quote(data) + " is no hexadecimal data; write two digits an octet");
      }
      rule.data.push_back(octet);
    }
  }
  if (rule.data.size() > option_octets_max) {
    reader_.fault(word.at, "the data of an option has at most " + std::to_string(option_octets_max) + " octets");
  }
}

void RuleReader::read_ttl(const Word& field, Words words, RewriteRule::Ttl& rule) {
  constexpr std::string_view syntax = "ttl [exact|prefix|suffix|substring|regex] NAME SECONDS|MIN-MAX";
  if (words.size() < 2 || words.size() > 3) return incomplete(field, syntax);
  const auto kind = read_kind(words, 2);
  if (!kind) return;
  if (auto name = read_pattern(words[0], *kind)) rule.name = std::move(*name);
  const std::string_view text = words[1].text;
  const std::size_t dash = text.find('-');
  const auto number = [&](std::string_view part, std::uint32_t& value) {
    if (part.empty()) return true;
    const auto parsed = std::from_chars(part.data(), part.data() + part.size(), value);
    return parsed.ec == std::errc() && parsed.ptr == part.data() + part.size();
  };
  const std::string_view high = dash == std::string_view::npos ? text : text.substr(dash + 1);
  const bool is_range = text.size() > 1 || dash == std::string_view::npos;
  if (text.empty() || !is_range || !number(text.substr(0, dash), rule.min) || !number(high, rule.max) ||
      rule.min > rule.max) {
    reader_.fault(words[1].at, quote(text) + " is no TTL; write seconds, such as '30', '30-300', '-300' or '30-'");
  }
}

std::optional<dns::Rcode> RuleReader::read_rcode_value(const Word& word) {
  const auto rcode = parse_rcode(word.text);
  if (!rcode) {
    reader_.fault(word.at, quote(word.text) + " is no RCODE; write one such as 'SERVFAIL', or its number up to 23");
  }
  return rcode;
}

void RuleReader::read_rcode(const Word& field, Words words, RewriteRule::Rcode& rule) {
  constexpr std::string_view syntax = "rcode [exact|prefix|suffix|substring|regex] NAME FROM TO";
  if (words.size() < 3 || words.size() > 4) return incomplete(field, syntax);
  const auto kind = read_kind(words, 3);
  if (!kind) return;
  if (auto name = read_pattern(words[0], *kind)) rule.name = std::move(*name);
  rule.from = read_rcode_value(words[1]).value_or(dns::Rcode{});
  rule.to = read_rcode_value(words[2]).value_or(dns::Rcode{});
}

void RuleReader::read_cname(const Word& field, Words words, RewriteRule::Cname& rule) {
  constexpr std::string_view syntax = "cname [exact|prefix|suffix|substring|regex] FROM TO";
  if (words.size() < 2 || words.size() > 3) return incomplete(field, syntax);
  const auto kind = read_kind(words, 2);
  if (!kind) return;
  // Only whole names get their final dot: as in CoreDNS, "prefix cdn" is not "prefix cdn.".
  if (auto target = read_replacement(words[0], words[1], *kind, *kind == Kind::exact)) {
    rule.target = std::move(*target);
  }
}

}  // namespace

void read_rewrite(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  std::vector<Word> words(directive.arguments().begin(), directive.arguments().end());
  if (directive.has_block && words.size() > 1) {
    return reader.fault(directive.block_at,
                        "a rule of 'rewrite' stands on its line or in a block, not in both; move it");
  }
  for (const Statement& line : directive.block) {
    words.insert(words.end(), line.words.begin(), line.words.end());
    if (line.has_block) reader.fault(line.block_at, "a rule of 'rewrite' has no block inside of its block");
  }
  if (!block.options.rewrite) block.options.rewrite.emplace();
  auto& rules = block.options.rewrite->rules;
  if (rules.size() == rewrite_rules_max) {
    return reader.fault(directive.name().at, "more than " + std::to_string(rewrite_rules_max) +
                                                 " rules of 'rewrite' in a block; join some of them");
  }
  RuleReader(directive, reader).read(words, rules.emplace_back());
}

}  // namespace fairlead::server
