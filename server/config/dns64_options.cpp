#include "server/config/dns64_options.hpp"

#include <array>

#include "server/config/corefile.hpp"
#include "server/config/directive_readers.hpp"
#include "server/config/option_reader.hpp"

namespace fairlead::server {
namespace {

// RFC 6052 §2.2.
constexpr std::array<unsigned, 6> prefix_lengths{32, 40, 48, 56, 64, 96};

void read_prefix(const Word& word, OptionReader& reader, Dns64Options& options) {
  const auto network = base::IpNetwork::parse(word.text);
  const bool is_prefix = network && network->first.is_v6() && word.text.find('/') != std::string::npos;
  // CoreDNS takes 72, 80 and 88 as well.
  bool is_length = false;
  for (const unsigned length : prefix_lengths) is_length |= is_prefix && network->prefix_length == length;
  is_length |=
      is_prefix && network->prefix_length % 8 == 0 && network->prefix_length >= 32 && network->prefix_length <= 96;
  if (!is_length) {
    reader.fault(word.at, quote(word.text) +
                              " is not a prefix for IPv4 addresses; write an IPv6 network of 32, 40, 48, 56, 64 or 96 "
                              "bits, such as '64:ff9b::/96'");
    return;
  }
  options.prefix = *network;
}

}  // namespace

void read_dns64(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  Dns64Options options;
  if (reader.check_arguments(directive, 0, 1, "dns64 [PREFIX]") && directive.argument_count() == 1) {
    read_prefix(directive.argument(0), reader, options);
  }
  reader.read_options(
      directive, {{"prefix", 1, 1, "prefix PREFIX",
                   [&](const Statement& option) { read_prefix(option.argument(0), reader, options); }},
                  {"translate_all", 0, 0, "translate_all", [&](const Statement&) { options.translate_all = true; }},
                  {"allow_ipv4", 0, 0, "allow_ipv4", [&](const Statement&) { options.allow_ipv4 = true; }}});
  block.options.dns64 = options;
}

}  // namespace fairlead::server
