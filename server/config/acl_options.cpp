#include "server/config/acl_options.hpp"

#include <algorithm>

#include "server/config/corefile.hpp"
#include "server/config/directive_readers.hpp"
#include "server/config/option_reader.hpp"

namespace fairlead::server {
namespace {

constexpr std::string_view rule_syntax = "allow|block|filter|drop [type TYPE...] [net NETWORK...]";

// CoreDNS reads the words of a rule in any case.
std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

bool is_section(const Word& word) {
  const std::string text = lower(word.text);
  return text == "type" || text == "net";
}

void read_type(const Word& word, OptionReader& reader, AclOptions::Rule& rule) {
  if (word.text == "*") {
    rule.any_type = true;
  } else if (const auto type = dns::parse_rr_type(word.text)) {
    rule.types.push_back(*type);
  } else {
    reader.fault(word.at, quote(word.text) + " is no record type; write one such as 'AAAA', 'TYPE65' or '*'");
  }
}

AclOptions::Rule read_rule(const Statement& line, AclOptions::Action action, OptionReader& reader) {
  AclOptions::Rule rule{.action = action, .types = {}, .networks = {}};
  std::vector<base::IpNetwork> networks;
  const auto words = line.arguments();
  for (std::size_t i = 0; i < words.size();) {
    const Word& section = words[i++];
    if (!is_section(section)) {
      reader.fault(section.at, "unexpected " + quote(section.text) + "; write '" + std::string(rule_syntax) + "'");
      continue;
    }
    const bool is_type = lower(section.text) == "type";
    (is_type ? rule.any_type : rule.any_network) = false;
    if (i == words.size() || is_section(words[i])) {
      reader.fault(section.at, "nothing stands behind " + quote(section.text) + "; write " +
                                   (is_type ? "record types such as 'A'" : "networks such as '10.0.0.0/8'") +
                                   ", or leave it out for all");
    }
    for (; i < words.size() && !is_section(words[i]); ++i) {
      if (is_type) {
        read_type(words[i], reader, rule);
      } else if (words[i].text == "*") {
        rule.any_network = true;
      } else if (const auto network = base::IpNetwork::parse(words[i].text)) {
        networks.push_back(*network);
      } else {
        reader.fault(words[i].at,
                     quote(words[i].text) + " is not a network; write one such as '10.0.0.0/8' or '2001:db8::1'");
      }
    }
  }
  rule.networks = base::IpNetworkSet(networks);
  return rule;
}

}  // namespace

void read_acl(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  using Action = AclOptions::Action;
  AclOptions options;
  options.zones = reader.zones_or_keys(directive.arguments(), block);
  Statement lowered = directive;
  for (Statement& line : lowered.block) line.words.front().text = lower(line.words.front().text);
  const auto rule = [&](Action action) {
    return [&reader, &options, action](const Statement& line) {
      options.rules.push_back(read_rule(line, action, reader));
    };
  };
  reader.read_options(lowered, {{"allow", 0, any_count, rule_syntax, rule(Action::allow)},
                                {"block", 0, any_count, rule_syntax, rule(Action::block)},
                                {"filter", 0, any_count, rule_syntax, rule(Action::filter)},
                                {"drop", 0, any_count, rule_syntax, rule(Action::drop)}});
  if (directive.block.empty()) {
    reader.warn(directive.name().at, "'acl' without rules allows everything; write '" + std::string(rule_syntax) +
                                         "' lines in its block, or remove it");
  }
  block.options.acl.push_back(std::move(options));
}

}  // namespace fairlead::server
