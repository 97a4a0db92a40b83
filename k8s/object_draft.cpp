#include "k8s/object_draft.hpp"

#include <algorithm>
#include <charconv>

namespace fairlead::k8s {

namespace {

constexpr int year_max = 2261;                       // the last whole one that 64 bits of nanoseconds hold
constexpr std::size_t object_name_octets_max = 253;  // RFC 1123 subdomain
constexpr std::size_t dns_label_octets_max = 63;
constexpr std::size_t label_value_octets_max = 63;
// What the EndpointSlice controller puts into a slice unless it is told otherwise.
constexpr std::size_t endpoints_usual_max = 100;
constexpr std::size_t external_name_octets_max = 254;  // a subdomain with a dot at its end
constexpr std::size_t port_name_octets_max = 62;       // an underscore stands in front of it in the label

// Of names in Kubernetes: no upper case.
bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

std::optional<Protocol> protocol_from(std::string_view text) {
  if (text == "TCP") return Protocol::tcp;
  if (text == "UDP") return Protocol::udp;
  if (text == "SCTP") return Protocol::sctp;
  return std::nullopt;
}

/// RFC 3339 in UTC, as Go writes it: "2026-01-02T15:04:05Z", with up to nine digits of a second.
std::optional<std::chrono::system_clock::time_point> time_from(std::string_view text) {
  const auto number = [&](std::size_t at, std::size_t digits) -> int {
    int value = -1;
    if (at + digits > text.size()) return -1;
    const auto [end, fault] = std::from_chars(text.data() + at, text.data() + at + digits, value);
    return fault == std::errc() && end == text.data() + at + digits ? value : -1;
  };
  if (text.size() < 20 || text.size() > 30 || text.back() != 'Z' || text[4] != '-' || text[7] != '-' ||
      text[10] != 'T' || text[13] != ':' || text[16] != ':') {
    return std::nullopt;
  }
  const std::chrono::year_month_day date(std::chrono::year(number(0, 4)),
                                         std::chrono::month(static_cast<unsigned>(number(5, 2))),
                                         std::chrono::day(static_cast<unsigned>(number(8, 2))));
  const int hour = number(11, 2), minute = number(14, 2), second = number(17, 2);
  if (!date.ok() || number(0, 4) < 1970 || number(0, 4) > year_max || hour < 0 || hour > 23 || minute < 0 ||
      minute > 59 || second < 0 || second > 60) {
    return std::nullopt;
  }
  std::int64_t nanoseconds = 0;
  if (text[19] == '.') {
    const std::size_t digits = text.size() - 21;
    const int fraction = digits == 0 ? -1 : number(20, digits);
    if (fraction < 0) return std::nullopt;
    nanoseconds = fraction;
    for (std::size_t i = digits; i < 9; ++i) nanoseconds *= 10;
  } else if (text.size() != 20) {
    return std::nullopt;
  }
  return std::chrono::time_point_cast<std::chrono::system_clock::duration>(
      std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
      std::chrono::seconds(second) + std::chrono::nanoseconds(nanoseconds));
}

}  // namespace

bool is_dns_subdomain(std::string_view text) {
  if (text.size() > object_name_octets_max) return false;
  // A label of an object's name may be longer than DNS allows; such a name never becomes part of one.
  char before = '.';
  for (const char c : text) {
    const bool is_inner = before != '.';
    if (c == '.' ? !is_inner || before == '-' : c == '-' ? !is_inner : !is_letter_or_digit(c)) return false;
    before = c;
  }
  return before != '.' && before != '-';
}

bool is_dns_label(std::string_view text) {
  return !text.empty() && text.size() <= dns_label_octets_max && text.front() != '-' && text.back() != '-' &&
         std::ranges::all_of(text, [](char c) { return is_letter_or_digit(c) || c == '-'; });
}

bool is_cluster_id(std::string_view text) {
  return !text.empty() && text.front() != '_' && text.size() <= label_value_octets_max &&
         std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
         });
}

std::optional<WatchEvent::Type> event_type_from(std::string_view text) {
  if (text == "ADDED" || text == "MODIFIED") return WatchEvent::Type::added_or_modified;
  if (text == "DELETED") return WatchEvent::Type::deleted;
  if (text == "BOOKMARK") return WatchEvent::Type::bookmark;
  if (text == "ERROR") return WatchEvent::Type::error;
  return std::nullopt;
}

void MetadataDraft::set_resource_version(std::string_view text) {
  if (text.size() <= resource_version_octets_max) resource_version = text;
}

void MetadataDraft::set_last_change(std::string_view text) { last_change = time_from(text); }

void MetadataDraft::name(WatchEvent& event, Kind kind) {
  event.resource_version = std::move(resource_version);
  event.object.key = std::move(key);
  event.ends_initial_events = event.type == WatchEvent::Type::bookmark && ends_initial_events;
  if (kind == Kind::kNamespace) event.object.key.namespace_name.clear();
}

template <typename Port>
void PortDraft<Port>::set_name(std::string_view name) {
  // A name that cannot be a label leaves the port nameless: it still counts at the bare Service name.
  if (is_dns_label(name) && name.size() <= port_name_octets_max) {
    port_.name = name;
  } else if (!name.empty()) {
    ++odd_parts_;
  }
}

template <typename Port>
void PortDraft<Port>::set_protocol(std::string_view name) {
  const auto protocol = protocol_from(name);
  if (protocol) port_.protocol = *protocol;
  is_usable_ = is_usable_ && protocol.has_value();
}

template <typename Port>
void PortDraft<Port>::set_port(std::int64_t number) {
  has_number_ = true;
  is_usable_ = is_usable_ && number > 0 && number <= 65535;
  if (is_usable_) port_.port = static_cast<std::uint16_t>(number);
}

template <typename Port>
void PortDraft<Port>::finish(std::vector<Port>& ports) {
  if (has_number_ && is_usable_) {
    ports.push_back(std::move(port_));
  } else if (!is_usable_) {
    ++odd_parts_;
  }
}

template class PortDraft<ServicePort>;
template class PortDraft<EndpointPort>;

std::optional<base::IpAddress> ObjectDraft::address_of(std::string_view text) {
  const auto address = base::IpAddress::parse(text);
  if (!address) ++odd_parts;
  return address;
}

bool ObjectDraft::set_service_type(std::string_view type) {
  if (type == "ClusterIP" || type.empty()) {
    service.type = Service::Type::cluster_ip;
  } else if (type == "NodePort") {
    service.type = Service::Type::node_port;
  } else if (type == "LoadBalancer") {
    service.type = Service::Type::load_balancer;
  } else if (type == "ExternalName") {
    service.type = Service::Type::external_name;
  } else {
    return false;
  }
  return true;
}

void ObjectDraft::add_cluster_ip(std::string_view text, std::vector<base::IpAddress>& into) {
  if (text == "None") {
    service.headless = true;
  } else if (!text.empty()) {
    add_address(text, into);
  }
}

void ObjectDraft::set_external_name(std::string_view name) {
  if (name.size() <= external_name_octets_max) {
    service.external_name = name;
  } else {
    ++odd_parts;
  }
}

void ObjectDraft::finish_service_spec() {
  if (service.type == Service::Type::external_name) {
    service.headless = false;
    return;
  }
  service.external_name.clear();
  // API servers before 1.20 know clusterIP alone.
  if (!service.headless) service.cluster_ips = cluster_ips.empty() ? std::move(cluster_ip) : std::move(cluster_ips);
}

void ObjectDraft::add_ingress(std::string_view ip, std::string_view host_name) {
  if (!ip.empty()) {
    add_address(ip, ingress_ips);
  } else if (host_name.size() > external_name_octets_max) {
    ++odd_parts;
  } else if (!host_name.empty()) {
    ingress_names.emplace_back(host_name);
  }
}

void ObjectDraft::set_address_type(std::string_view type) {
  slice_has_type = true;
  if (type == "IPv4") slice_is_v4 = true;
  if (type == "IPv6") slice_is_v4 = false;
}

void ObjectDraft::add_endpoint_address(std::string_view text, Endpoint& endpoint) {
  if (slice_is_of_host_names()) return;
  const auto address = address_of(text);
  if (!address) return;
  (address->is_v4() ? slice_has_v4_ : slice_has_v6_) = true;
  endpoint.addresses.push_back(*address);
}

void ObjectDraft::set_endpoint_hostname(std::string_view name, Endpoint& endpoint) {
  if (is_dns_label(name)) {
    endpoint.hostname = name;
  } else if (!name.empty()) {
    ++odd_parts;
  }
}

void ObjectDraft::set_endpoint_zone(std::string_view zone, Endpoint& endpoint) {
  if (zone.size() <= label_value_octets_max) {
    endpoint.zone = zone;
  } else {
    ++odd_parts;
  }
}

void ObjectDraft::set_endpoint_target(std::string_view kind, std::string_view name, Endpoint& endpoint) {
  // A Pod's name may hold dots or be too long for a label: the address stands in for it then.
  if (kind == "Pod" && is_dns_label(name)) endpoint.target_ref_name = name;
}

Endpoint& ObjectDraft::begin_endpoint() {
  if (slice_endpoints.capacity() == 0) slice_endpoints.reserve(endpoints_usual_max);
  return slice_endpoints.emplace_back();
}

void ObjectDraft::finish_endpoint() {
  if (slice_endpoints.back().addresses.empty()) slice_endpoints.pop_back();
}

void ObjectDraft::set_pod_ip(std::string_view text) {
  pod.address = base::IpAddress::parse(text);
  if (!pod.address && !text.empty()) ++odd_parts;
}

bool ObjectDraft::set_import_type(std::string_view type) {
  import.headless = type == "Headless";
  return import.headless || type == "ClusterSetIP" || type.empty();
}

std::expected<void, std::string> ObjectDraft::finish(DecodedObject& decoded) {
  decoded.odd_parts = odd_parts;
  decoded.key = std::move(metadata.key);
  decoded.resource_version = std::move(metadata.resource_version);
  if (kind == Kind::kNamespace) {
    decoded.key.namespace_name.clear();
    if (!is_dns_label(decoded.key.name)) return std::unexpected("metadata.name is no DNS label");
    decoded.content = Namespace{decoded.key.name};
    return {};
  }
  if (!is_dns_label(decoded.key.namespace_name)) return std::unexpected("metadata.namespace is no DNS label");
  if (kind == Kind::service || kind == Kind::service_import) {
    if (!is_dns_label(decoded.key.name)) return std::unexpected("metadata.name is no DNS label");
  } else if (!is_dns_subdomain(decoded.key.name)) {
    return std::unexpected("metadata.name is no DNS subdomain");
  }
  switch (kind) {
    case Kind::service:
      service.key = decoded.key;
      service.ingress_ips = std::move(ingress_ips);
      service.ingress_names = std::move(ingress_names);
      decoded.content = std::move(service);
      return {};
    case Kind::service_import:
      import.key = decoded.key;
      if (import.headless) import.ips.clear();
      decoded.content = std::move(import);
      return {};
    case Kind::pod:
      pod.key = decoded.key;
      decoded.content = std::move(pod);
      return {};
    case Kind::kNamespace:
    case Kind::endpoint_slice: break;
  }
  return finish_slice(decoded);
}

std::expected<void, std::string> ObjectDraft::finish_slice(DecodedObject& decoded) {
  if (!slice_has_type) return std::unexpected("addressType is missing");
  for (std::string* const name : {&metadata.service_name, &metadata.multicluster_service_name}) {
    if (!slice_is_v4 || is_dns_label(*name)) continue;
    if (!name->empty()) ++decoded.odd_parts;
    name->clear();
  }
  if (!slice_is_v4 || (metadata.service_name.empty() && metadata.multicluster_service_name.empty())) {
    return {};  // host names, or of no Service
  }
  if (!is_cluster_id(metadata.source_cluster)) {
    if (!metadata.source_cluster.empty()) ++decoded.odd_parts;
    metadata.source_cluster.clear();
  }
  if (*slice_is_v4 ? slice_has_v6_ : slice_has_v4_) drop_foreign_addresses(decoded);
  auto& slice = decoded.content.emplace<EndpointSlice>();
  slice.key = decoded.key;
  slice.service_name = std::move(metadata.service_name);
  slice.multicluster_service_name = std::move(metadata.multicluster_service_name);
  slice.source_cluster = std::move(metadata.source_cluster);
  slice.ports = std::move(slice_ports);
  slice.endpoints = std::move(slice_endpoints);
  slice.last_change = metadata.last_change;
  return {};
}

void ObjectDraft::drop_foreign_addresses(DecodedObject& decoded) {
  for (Endpoint& endpoint : slice_endpoints) {
    const auto foreign = std::remove_if(endpoint.addresses.begin(), endpoint.addresses.end(),
                                        [&](const auto& address) { return address.is_v4() != *slice_is_v4; });
    decoded.odd_parts += static_cast<std::uint32_t>(endpoint.addresses.end() - foreign);
    endpoint.addresses.erase(foreign, endpoint.addresses.end());
  }
  std::erase_if(slice_endpoints, [](const Endpoint& endpoint) { return endpoint.addresses.empty(); });
}

}  // namespace fairlead::k8s
