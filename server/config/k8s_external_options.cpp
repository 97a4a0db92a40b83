#include <algorithm>

#include "server/config/corefile.hpp"
#include "server/config/directive_readers.hpp"
#include "server/config/option_reader.hpp"

namespace fairlead::server {
namespace {

void read_apex(const Word& word, OptionReader& reader, K8sExternalOptions& options) {
  const auto name = reader.name(word);
  if (!name) return;
  if (name->view().label_count() != 1) {
    reader.fault(word.at, quote(word.text) + " is not one label; write one such as 'dns'");
    return;
  }
  const auto wire = name->view().wire();
  options.apex.assign(wire.begin() + 1, wire.end() - 1);
  std::ranges::transform(options.apex, options.apex.begin(),
                         [](char c) { return static_cast<char>(dns::to_lower(static_cast<std::uint8_t>(c))); });
}

}  // namespace

void read_k8s_external(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  K8sExternalOptions options;
  options.zones = reader.zones_or_keys(directive.arguments(), block);
  reader.read_options(
      directive,
      {{"apex", 1, 1, "apex LABEL", [&](const Statement& option) { read_apex(option.argument(0), reader, options); }},
       {"ttl", 1, 1, "ttl SECONDS",
        [&](const Statement& option) {
          if (const auto ttl = reader.number(option.argument(0), 0, 3600)) {
            options.ttl = static_cast<std::uint32_t>(*ttl);
          }
        }},
       {"headless", 0, 0, "headless", [&](const Statement&) { options.headless = true; }},
       {"fallthrough", 0, any_count, "fallthrough [ZONES...]",
        [&](const Statement& option) { options.fallthrough = {true, reader.zones(option.arguments())}; }}});
  const auto primary = std::ranges::find_if_not(options.zones, [](const auto& zone) { return is_reverse_zone(zone); });
  if (primary != options.zones.end()) {
    options.primary_zone = static_cast<std::size_t>(primary - options.zones.begin());
  } else if (!options.zones.empty()) {
    reader.fault(
        directive.name().at,
        "'k8s_external' needs a zone that is not a reverse zone; write 'k8s_external example.org' or the like");
  }
  block.options.k8s_external = std::move(options);
}

}  // namespace fairlead::server
