#include "server/config/proxyproto_options.hpp"

#include <algorithm>
#include <array>

#include "server/config/corefile.hpp"
#include "server/config/directive_readers.hpp"
#include "server/config/option_reader.hpp"

namespace fairlead::server {
namespace {

// In the order of Action.
constexpr std::array<std::string_view, 4> actions{"use", "ignore", "reject", "skip"};

constexpr std::chrono::hours session_time_max{24};
// A session takes some 300 octets in each worker.
constexpr std::size_t sessions_limit = 1'000'000;

}  // namespace

void read_proxyproto(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  using Action = ProxyprotoOptions::Action;
  ProxyprotoOptions options;
  reader.check_arguments(directive, 0, 0, "proxyproto { allow NETWORK... }");
  reader.read_options(
      directive, {{"allow", 1, any_count, "allow NETWORK...",
                   [&](const Statement& option) {
                     for (const Word& word : option.arguments()) {
                       if (const auto network = base::IpNetwork::parse(word.text)) {
                         options.allow.push_back(*network);
                       } else {
                         reader.fault(word.at, quote(word.text) + " is not a network; write one such as '10.0.0.0/8'");
                       }
                     }
                   }},
                  {"default", 1, 1, "default use|ignore|reject|skip",
                   [&](const Statement& option) {
                     Word word = option.argument(0);
                     // As CoreDNS, in any case.
                     std::ranges::transform(word.text, word.text.begin(), [](char c) {
                       return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
                     });
                     if (const auto chosen = reader.choice(word, actions))
                       options.otherwise = static_cast<Action>(*chosen);
                   }},
                  {"udp_session_tracking", 1, 2, "udp_session_tracking DURATION [MAX]", [&](const Statement& option) {
                     options.session_time = reader.duration(option.argument(0)).value_or(options.session_time);
                     if (options.session_time > session_time_max) {
                       reader.fault(option.argument(0).at,
                                    quote(option.argument(0).text) + " is more than a day; write '24h' or less");
                     }
                     if (option.argument_count() < 2) return;
                     const auto count = reader.number(option.argument(1), 1, sessions_limit);
                     if (count) options.sessions_max = static_cast<std::size_t>(*count);
                   }}});
  const bool uses_all = options.otherwise == Action::use || (!options.otherwise && options.allow.empty());
  if (uses_all) {
    reader.warn(directive.name().at,
                "'proxyproto' believes headers of everybody, so a client chooses the address that 'acl', 'view' and "
                "'log' see; name the balancers with 'allow NETWORK...' and leave out 'default use'");
  }
  block.options.proxyproto = std::move(options);
}

}  // namespace fairlead::server
