#include "server/query/metadata.hpp"

#include <algorithm>

#include "server/query/worker_plan.hpp"

namespace fairlead::server {
namespace {

bool is_covered(const QueryContext& context) {
  if (context.server == nullptr || !context.server->chain->metadata_zones) return false;
  return std::ranges::any_of(*context.server->chain->metadata_zones,
                             [&](const auto& zone) { return context.qname.view().is_at_or_below(zone); });
}

}  // namespace

std::optional<std::string> metadata_value(const QueryContext& context, std::string_view label) {
  if (!is_covered(context)) return std::nullopt;
  for (const auto& handler : context.server->chain->handlers) {
    if (std::ranges::find(handler->metadata_labels(), label) == handler->metadata_labels().end()) continue;
    std::string value = handler->metadata(context, label);
    if (!value.empty()) return value;
  }
  return std::nullopt;
}

std::string metadata_text(const QueryContext& context) {
  std::string text;
  if (!is_covered(context)) return text;
  for (const auto& handler : context.server->chain->handlers) {
    for (const std::string_view label : handler->metadata_labels()) {
      const std::string value = handler->metadata(context, label);
      if (value.empty()) continue;
      text += (text.empty() ? "" : " ") + std::string(label) + "=" + value;
    }
  }
  return text;
}

}  // namespace fairlead::server
