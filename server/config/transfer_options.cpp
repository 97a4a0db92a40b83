#include <algorithm>

#include "server/config/corefile.hpp"
#include "server/config/directive_readers.hpp"
#include "server/config/limits.hpp"
#include "server/config/option_reader.hpp"

namespace fairlead::server {
namespace {

constexpr std::uint16_t dns_port = 53;

void read_to(const Statement& option, OptionReader& reader, TransferOptions& options) {
  for (const Word& word : option.arguments()) {
    if (word.text == "*") {
      options.to_all = true;
    } else if (auto endpoint = parse_endpoint(word.text, dns_port);
               !endpoint || endpoint->port == 0 || endpoint->address.contains('%')) {
      reader.fault(word.at, quote(word.text) +
                                " is not an address to transfer to; write one such as '10.0.0.7', '10.0.0.7:5353' or "
                                "'[2001:db8::7]:53', or '*' for every client");
    } else if (options.to.size() == transfer_targets_max) {
      reader.fault(word.at, "'to' of 'transfer' has more than " + std::to_string(transfer_targets_max) +
                                " addresses; write '*' and restrict the clients elsewhere");
      return;
    } else if (std::ranges::find(options.to, *endpoint) == options.to.end()) {
      options.to.push_back(std::move(*endpoint));
    }
  }
}

}  // namespace

void read_transfer(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  TransferOptions options;
  options.zones = reader.zones_or_keys(directive.arguments(), block);
  reader.read_options(
      directive,
      {{"to", 1, any_count, "to ADDRESS...|*", [&](const Statement& option) { read_to(option, reader, options); }},
       {"source", 1, 1, "source ADDRESS", [&](const Statement& option) {
          const Word& word = option.argument(0);
          if (!options.source.empty()) {
            reader.fault(option.name().at, "'source' is written twice; remove one of them");
          }
          options.source = canonical_address(word.text);
          if (options.source.empty() || options.source.contains('%')) {
            reader.fault(word.at,
                         quote(word.text) + " is not an address to send NOTIFY from; write one of this machine's");
          }
        }}});
  if (!options.to_all && options.to.empty()) {
    reader.fault(directive.name().at,
                 "'transfer' without 'to' lets nobody transfer; write 'to ADDRESS' or 'to *' in its block");
  }
  block.options.transfer.push_back(std::move(options));
}

}  // namespace fairlead::server
