#include "server/config/corefile.hpp"
#include "server/config/directive_readers.hpp"
#include "server/config/option_reader.hpp"

namespace fairlead::server {

void read_autopath(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  reader.check_no_block(directive);
  if (!reader.check_arguments(directive, 1, any_count, "autopath [ZONES...] RESOLV-CONF|@kubernetes")) return;
  AutopathOptions options;
  options.at = reader.line_of(directive.name().at);
  const auto zones = std::span(directive.words).subspan(1, directive.argument_count() - 1);
  options.zones = reader.zones_or_keys(zones, block);
  const Word& source = directive.words.back();
  options.from_kubernetes = source.text == "@kubernetes";
  options.resolv_conf = options.from_kubernetes ? "/etc/resolv.conf" : source.text;
  if (source.text.empty() || (source.text.front() == '@' && !options.from_kubernetes)) {
    reader.fault(source.at, quote(source.text) +
                                " gives no search list; write '@kubernetes', or a file such as '/etc/resolv.conf'");
  }
  block.options.autopath = std::move(options);
}

}  // namespace fairlead::server
