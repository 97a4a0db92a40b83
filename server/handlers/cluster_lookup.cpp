#include "server/handlers/cluster_lookup.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

namespace fairlead::server {
namespace {

// Wire labels read from the left.
class Labels {
 public:
  explicit Labels(std::string_view wire) : rest_(wire) {}
  bool at_end() const { return rest_.empty(); }
  std::string_view take() {
    const auto size = static_cast<std::uint8_t>(rest_.front());
    const auto label = rest_.substr(1, size);
    rest_.remove_prefix(1 + size);
    return label;
  }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

std::size_t count_labels(std::string_view wire) {
  std::size_t count = 0;
  for (Labels labels(wire); !labels.at_end(); labels.take()) ++count;
  return count;
}

std::string_view last_label(std::string_view wire) {
  Labels labels(wire);
  std::string_view last;
  while (!labels.at_end()) last = labels.take();
  return last;
}

std::string_view skip_labels(std::string_view wire, std::size_t count) {
  Labels labels(wire);
  for (std::size_t i = 0; i < count; ++i) labels.take();
  return labels.rest();
}

// Labels of names in the branch of Services, "svc" included.
constexpr std::size_t namespace_labels = 2;
constexpr std::size_t service_labels = 3;
constexpr std::size_t endpoint_labels = 4;
constexpr std::size_t zonal_labels = 4;  // "_zone" in front of the Service
constexpr std::size_t port_labels = 5;

bool is_protocol(std::string_view label) { return label == "tcp" || label == "udp" || label == "sctp"; }

// A key under construction on the stack.
class KeyBuffer {
 public:
  // The label with an underscore in front, whether it came with one or not.
  void append_underscored(std::string_view label) {
    const bool has = label.starts_with('_');
    octets_[size_++] = static_cast<char>(label.size() + (has ? 0 : 1));
    if (!has) octets_[size_++] = '_';
    size_ = static_cast<std::size_t>(std::ranges::copy(label, octets_.begin() + size_).out - octets_.begin());
  }
  void append(std::string_view wire) {
    size_ = static_cast<std::size_t>(std::ranges::copy(wire, octets_.begin() + size_).out - octets_.begin());
  }
  std::string_view view() const { return {octets_.data(), size_}; }

 private:
  // A name with two underscores more than fit on the wire.
  std::array<char, dns::name_octets_max + 2> octets_;
  std::size_t size_ = 0;
};

NameLookup found(const zones::NameEntry& entry) {
  if (entry.presence() == zones::Presence::no_ready_endpoints)
    return {.kind = NameKind::no_ready_endpoints, .entry = {}, .pod_address = {}};
  return {.kind = NameKind::entry, .entry = &entry, .pod_address = {}};
}

// "<port>.<protocol>...": the underscores are optional in CoreDNS; the table has them.
const zones::NameEntry* find_port(const zones::NameTable& table, std::string_view prefix) {
  Labels parts(prefix);
  const auto port = parts.take();
  const auto protocol = parts.take();
  if (port.size() >= dns::label_octets_max || protocol.size() >= dns::label_octets_max) return nullptr;
  KeyBuffer key;
  key.append_underscored(port);
  key.append_underscored(protocol);
  key.append(parts.rest());
  return table.find(key.view());
}

// "tcp.<service>" is above "http.tcp.<service>", which exists.
const zones::NameEntry* find_protocol(const zones::NameTable& table, std::string_view prefix) {
  Labels parts(prefix);
  const auto protocol = parts.take();
  if (!is_protocol(protocol)) return nullptr;
  KeyBuffer key;
  key.append_underscored(protocol);
  key.append(parts.rest());
  return table.find(key.view());
}

// One of the first two labels.
bool begins_with_underscore(std::string_view prefix) {
  Labels parts(prefix);
  return parts.take().starts_with('_') || parts.take().starts_with('_');
}

NameLookup of_kind(NameKind kind) { return {.kind = kind, .entry = nullptr, .pod_address = {}}; }

}  // namespace

NameLookup ClusterLookup::find(std::string_view prefix) const {
  const std::size_t labels = count_labels(prefix);
  const std::string_view branch = last_label(prefix);
  if (branch == "svc") return find_in_services(prefix, labels);
  if (branch == "pod") return find_in_pods(prefix, labels);
  if (branch == "dns-version" && labels == 1) return of_kind(NameKind::dns_version);
  if (branch == "dns") {
    if (labels == 1) return of_kind(NameKind::empty);
    if (labels == 2 && prefix.starts_with("\2ns")) return of_kind(NameKind::nameserver);
  }
  return of_kind(NameKind::absent);
}

NameLookup ClusterLookup::find_in_services(std::string_view prefix, std::size_t labels) const {
  if (labels == 1) return of_kind(NameKind::empty);
  if (options_.zonal && labels >= zonal_labels) {
    if (const auto zonal = find_zonal(prefix, labels)) return *zonal;
  }
  if (labels > port_labels) return of_kind(NameKind::absent);

  if (labels == port_labels) {
    const bool is_endpoint = options_.clusterset && !begins_with_underscore(prefix);
    const auto* const entry = is_endpoint ? table_.forward.find(prefix) : find_port(table_.forward, prefix);
    return entry != nullptr ? found(*entry) : of_kind(NameKind::absent);
  }

  if (const auto* const entry = table_.forward.find(prefix)) return found(*entry);
  if (labels == endpoint_labels) {
    if (const auto* const entry = find_protocol(table_.forward, prefix)) return found(*entry);
  }
  if (labels > namespace_labels || labels == service_labels) {
    // For the reason that is shown to people: is it the Namespace that is missing?
    if (table_.forward.find(skip_labels(prefix, labels - namespace_labels)) == nullptr) {
      return of_kind(NameKind::namespace_absent);
    }
    return of_kind(NameKind::absent);
  }
  return of_kind(NameKind::namespace_absent);
}

// "<topology zone>.pin|prefer._zone.<service>": with `pin` a zone without endpoints has no records, with `prefer` it
// has those of the whole Service. Any zone can be asked for, so every name below a directive exists.
std::optional<NameLookup> ClusterLookup::find_zonal(std::string_view prefix, std::size_t labels) const {
  const std::string_view branch = skip_labels(prefix, labels - zonal_labels);
  if (!branch.starts_with("\5_zone") || table_.forward.find(branch) == nullptr) return std::nullopt;
  if (labels == zonal_labels) return of_kind(NameKind::empty);
  const std::string_view directive = skip_labels(prefix, labels - zonal_labels - 1);
  const bool prefers = directive.starts_with("\6prefer");
  if (!prefers && !directive.starts_with("\3pin")) return of_kind(NameKind::absent);
  const std::string_view topology_zone = prefix.substr(0, prefix.size() - directive.size());
  if (topology_zone.empty()) return of_kind(NameKind::empty);

  KeyBuffer key;
  key.append(topology_zone);
  key.append("\3pin");
  key.append(branch);
  const auto* entry = table_.forward.find(key.view());
  if (entry == nullptr && prefers) entry = table_.forward.find(skip_labels(branch, 1));
  if (entry == nullptr || entry->presence() == zones::Presence::no_ready_endpoints) return of_kind(NameKind::empty);
  return found(*entry);
}

NameLookup ClusterLookup::find_in_pods(std::string_view prefix, std::size_t labels) const {
  if (labels == 1) return of_kind(NameKind::empty);
  if (!options_.pod_names || labels > 3) return of_kind(NameKind::absent);
  const bool is_namespace = labels == 2;
  if (table_.forward.find(is_namespace ? prefix : skip_labels(prefix, 1)) == nullptr) {
    return of_kind(NameKind::namespace_absent);
  }
  if (is_namespace) return of_kind(NameKind::empty);
  Labels parts(prefix);
  const auto address = parse_pod_label(parts.take());
  if (!address) return of_kind(NameKind::absent);
  if (table_.pods != nullptr && !table_.pods->contains(parts.take(), *address)) return of_kind(NameKind::pod_absent);
  return {.kind = NameKind::pod_address, .entry = nullptr, .pod_address = *address};
}

NameLookup find_external(const k8s::ExternalTable& table, std::string_view prefix) {
  // "svc" is left out there.
  const std::size_t labels = count_labels(prefix) + 1;
  if (labels > port_labels) return of_kind(NameKind::absent);
  const auto* entry = labels == port_labels ? find_port(table.forward, prefix) : table.forward.find(prefix);
  if (entry == nullptr && labels == endpoint_labels) entry = find_protocol(table.forward, prefix);
  if (entry != nullptr) return found(*entry);
  const bool has_namespace = table.forward.find(skip_labels(prefix, labels - namespace_labels)) != nullptr;
  return of_kind(has_namespace ? NameKind::absent : NameKind::namespace_absent);
}

std::optional<base::IpAddress> parse_pod_label(std::string_view label) {
  // As CoreDNS: exactly three dashes and no pair of them is IPv4, everything else is tried as IPv6.
  const auto dashes = std::ranges::count(label, '-');
  const bool v4 = dashes == 3 && !label.contains("--");
  std::string text(label);
  std::ranges::replace(text, '-', v4 ? '.' : ':');
  const auto address = base::IpAddress::parse(text);
  if (!address || address->is_v4() != v4) return std::nullopt;
  // RFC 4291 §2.5.5.2: an IPv4-mapped address is of an IPv4 node. An A record leads there, as CoreDNS has it.
  constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (!v4 && std::ranges::equal(address->octets().first(12), mapped)) {
    return base::IpAddress::v4(address->octets().subspan(12).first<4>());
  }
  return address;
}

}  // namespace fairlead::server
