#include "server/handlers/cluster_metadata.hpp"

#include <vector>

#include "zones/dns/domain_name.hpp"

namespace fairlead::server {
namespace {

// A label in presentation form, without a dot behind it.
std::string text_of(std::string_view label) {
  std::vector<std::uint8_t> wire{static_cast<std::uint8_t>(label.size())};
  wire.insert(wire.end(), label.begin(), label.end());
  wire.push_back(0);
  std::string text = dns::NameView(wire).to_string();
  text.pop_back();
  return text;
}

std::string without_underscore(std::string_view label) {
  return text_of(label.starts_with('_') ? label.substr(1) : label);
}

}  // namespace

ClusterNameParts cluster_name_parts(std::string_view prefix, bool is_clusterset, bool zonal) {
  std::vector<std::string_view> labels;  // from the left
  while (!prefix.empty()) {
    const auto size = static_cast<std::uint8_t>(prefix.front());
    labels.push_back(prefix.substr(1, size));
    prefix.remove_prefix(1 + size);
  }
  ClusterNameParts parts;
  if (labels.empty()) return parts;
  const auto take = [&] {
    const std::string_view label = labels.back();
    labels.pop_back();
    return label;
  };
  const std::string_view kind = take();
  if (kind != "svc" && kind != "pod") {
    parts.is_invalid = true;
    return parts;
  }
  if (labels.empty()) return parts;  // "svc" and "pod" themselves are no resources
  parts.kind = kind;
  parts.namespace_name = text_of(take());
  if (labels.empty()) return parts;
  parts.service = text_of(take());
  if (labels.size() == 1) {
    parts.endpoint = text_of(take());
  } else if (labels.size() == 2) {
    const std::string_view right = take();
    const std::string_view left = take();
    if (!is_clusterset || left.starts_with('_') || right.starts_with('_')) {
      parts.protocol = without_underscore(right);
      parts.port = without_underscore(left);
    } else {
      parts.cluster = text_of(right);
      parts.endpoint = text_of(left);
    }
  } else if (labels.size() > 2) {
    const bool is_zonal = zonal && !is_clusterset && kind == "svc" && take() == "_zone";
    const std::string_view directive = is_zonal ? take() : std::string_view{};
    if (directive != "pin" && directive != "prefer") {
      parts = {};
      parts.is_invalid = true;
      return parts;
    }
    for (const auto label : labels) parts.topology_zone += (parts.topology_zone.empty() ? "" : ".") + text_of(label);
  }
  return parts;
}

}  // namespace fairlead::server
