// An object in the making: what the decoders do with a value once they have read it, whatever the format. Which values
// are left out, which refuse the whole object, and what is checked once everything is there.
//
// Threads: values.
// Limits: names as long as DNS lets them be; longer ones are left out.
// Errors: finish() says why there is no object; everything that is left out is counted in odd_parts.
// Standards: Kubernetes API v1 and discovery.k8s.io/v1; RFC 1123 §2.1 for labels.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "k8s/object_decoder.hpp"

namespace fairlead::k8s {

inline constexpr std::string_view service_name_label = "kubernetes.io/service-name";
inline constexpr std::string_view multicluster_service_name_label = "multicluster.kubernetes.io/service-name";
inline constexpr std::string_view source_cluster_label = "multicluster.kubernetes.io/source-cluster";
inline constexpr std::string_view initial_events_end_annotation = "k8s.io/initial-events-end";
inline constexpr std::string_view last_change_annotation = "endpoints.kubernetes.io/last-change-trigger-time";

inline constexpr std::size_t resource_version_octets_max = 128;
inline constexpr std::size_t continue_token_octets_max = 8192;

/// A label of lower-case letters, digits and inner hyphens, as Kubernetes names things that become labels.
bool is_dns_label(std::string_view text);
/// Lower-case letters, digits, '-' and '.', as object names are.
bool is_dns_subdomain(std::string_view text);
/// The value of the label multicluster.kubernetes.io/source-cluster, if it can be one label of a name.
bool is_cluster_id(std::string_view text);

std::optional<WatchEvent::Type> event_type_from(std::string_view text);

struct MetadataDraft {
  ObjectKey key;
  std::string resource_version;
  // Labels of a slice.
  std::string service_name;
  std::string multicluster_service_name;
  std::string source_cluster;
  std::optional<std::chrono::system_clock::time_point> last_change;
  bool ends_initial_events = false;

  void set_resource_version(std::string_view text);
  void set_last_change(std::string_view text);
  /// Of an event that only names its object, such as a bookmark.
  void name(WatchEvent& event, Kind kind);
};

/// Ports of Services, of slices and of ServiceImports have the same three fields.
template <typename Port>
class PortDraft {
 public:
  explicit PortDraft(std::uint32_t& odd_parts) : odd_parts_(odd_parts) {}
  void set_name(std::string_view name);
  void set_protocol(std::string_view name);
  void set_port(std::int64_t number);
  /// A slice's port without a number means "every port": nothing that an SRV record could say.
  void finish(std::vector<Port>& ports);

 private:
  std::uint32_t& odd_parts_;
  Port port_;
  bool has_number_ = false;
  bool is_usable_ = true;
};
extern template class PortDraft<ServicePort>;
extern template class PortDraft<EndpointPort>;

struct ObjectDraft {
  explicit ObjectDraft(Kind of, WantedFields fields) : kind(of), wanted(fields) {}

  const Kind kind;
  const WantedFields wanted;
  MetadataDraft metadata;
  std::uint32_t odd_parts = 0;

  // Addresses that are no addresses are counted and left out.
  std::optional<base::IpAddress> address_of(std::string_view text);
  template <typename Addresses>
  void add_address(std::string_view text, Addresses& addresses) {
    if (const auto address = address_of(text)) addresses.push_back(*address);
  }

  // Services. A type that is not known is no Service that we could name.
  Service service;
  std::vector<base::IpAddress> cluster_ip, cluster_ips;
  std::vector<base::IpAddress> ingress_ips;
  std::vector<std::string> ingress_names;
  [[nodiscard]] bool set_service_type(std::string_view type);
  void add_cluster_ip(std::string_view text, std::vector<base::IpAddress>& into);
  void set_external_name(std::string_view name);
  void finish_service_spec();
  void add_ingress(std::string_view ip, std::string_view host_name);

  // EndpointSlices. Addresses may be read before their type is known; the family is checked at the end.
  std::optional<bool> slice_is_v4;  // nothing: host names, or a type that we do not know
  bool slice_has_type = false;
  std::vector<EndpointPort> slice_ports;
  std::vector<Endpoint> slice_endpoints;
  void set_address_type(std::string_view type);
  /// Slices of host names hold no addresses: nothing is parsed in vain where the type came first.
  bool slice_is_of_host_names() const { return slice_has_type && !slice_is_v4; }
  void set_endpoint_hostname(std::string_view name, Endpoint& endpoint);
  void set_endpoint_zone(std::string_view zone, Endpoint& endpoint);
  void add_endpoint_address(std::string_view text, Endpoint& endpoint);
  static void set_endpoint_target(std::string_view kind, std::string_view name, Endpoint& endpoint);
  /// The next endpoint of the slice, to be filled; finish_endpoint() drops it again if it has no address.
  Endpoint& begin_endpoint();
  void finish_endpoint();

  Pod pod;
  void set_pod_ip(std::string_view text);

  ServiceImport import;
  [[nodiscard]] bool set_import_type(std::string_view type);

  /// Once, at the end; `decoded` is as new.
  std::expected<void, std::string> finish(DecodedObject& decoded);

 private:
  std::expected<void, std::string> finish_slice(DecodedObject& decoded);
  void drop_foreign_addresses(DecodedObject& decoded);

  bool slice_has_v4_ = false;
  bool slice_has_v6_ = false;
};

}  // namespace fairlead::k8s
