#include "server/config/hosts_options.hpp"

#include "server/config/corefile.hpp"
#include "server/config/directive_readers.hpp"
#include "server/config/option_reader.hpp"
#include "zones/hosts_table.hpp"

namespace fairlead::server {
namespace {

constexpr std::uint64_t ttl_max = 65535;  // CoreDNS's

// "10.0.0.1 example.org www.example.org"
void read_inline(const Statement& line, OptionReader& reader, HostsOptions& options) {
  if (line.has_block) {
    reader.fault(line.block_at, quote(line.name().text) + " takes no block; is a '}' missing before it?");
  }
  if (line.argument_count() == 0) {
    reader.fault(line.name().at, quote(line.name().text) + " has no name; write 'ADDRESS NAME...'");
  }
  options.inline_lines += line.name().text;
  for (const Word& word : line.arguments()) {
    const auto name = dns::DomainName::parse(word.text);
    const bool is_plain = word.text.find_first_of(" \t\r\n#") == std::string::npos && !word.text.empty();
    if (!name || !is_plain) {
      reader.fault(word.at, quote(word.text) + " is not a domain name" +
                                (name ? "" : ": " + std::string(dns::to_string(name.error()))) +
                                "; write one such as 'example.org'");
    }
    options.inline_lines += ' ' + word.text;
  }
  options.inline_lines += '\n';
}

}  // namespace

void read_hosts(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  HostsOptions options;
  options.at = reader.line_of(directive.name().at);
  auto words = directive.arguments();
  if (!words.empty()) {
    options.file = words.front().text;
    if (options.file.empty()) {
      reader.fault(words.front().at, "the file of 'hosts' is empty; write its path, or leave it out for /etc/hosts");
    }
    words = words.subspan(1);
  }
  options.zones = reader.zones_or_keys(words, block);
  // What begins with an address is a line of the file; everything else is an option.
  Statement named = directive;
  std::erase_if(named.block, [&](const Statement& line) {
    if (!zones::parse_hosts_address(line.name().text)) return false;
    read_inline(line, reader, options);
    return true;
  });
  const Word* unsupported = nullptr;
  reader.read_options(
      named, {{"ttl", 1, 1, "ttl SECONDS",
               [&](const Statement& option) {
                 options.ttl =
                     static_cast<std::uint32_t>(reader.number(option.argument(0), 1, ttl_max).value_or(options.ttl));
               }},
              {"no_reverse", 0, 0, "no_reverse", [&](const Statement&) { options.reverse = false; }},
              {"reload", 1, 1, "reload DURATION",
               [&](const Statement& option) {
                 options.reload = reader.duration(option.argument(0)).value_or(options.reload);
               }},
              {"fallthrough", 0, any_count, "fallthrough [ZONES...]",
               [&](const Statement& option) { options.fallthrough = {true, reader.zones(option.arguments())}; }},
              {"fallthrough_unsupported", 0, 0, "fallthrough_unsupported", [&](const Statement& option) {
                 options.fallthrough_unsupported = true;
                 unsupported = &option.name();
               }}});
  if (unsupported != nullptr && !options.fallthrough.enabled) {
    reader.fault(unsupported->at, "'fallthrough_unsupported' needs 'fallthrough'; write that too");
  }
  block.options.hosts = std::move(options);
}

}  // namespace fairlead::server
