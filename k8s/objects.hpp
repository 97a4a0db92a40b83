// The Kubernetes objects that DNS is made of, with only the fields that it needs.
//
// Decoders fill them, the object store keeps them, the *_records functions turn them into names. Field names are those
// of the API (v1 Service, Namespace and Pod, discovery.k8s.io/v1 EndpointSlice, multicluster.x-k8s.io/v1alpha1
// ServiceImport).
//
// Threads: values.
#pragma once

#include <boost/container/small_vector.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "zones/base/ip_address.hpp"

namespace fairlead::k8s {

enum class Kind : std::uint8_t { kNamespace, service, endpoint_slice, pod, service_import };
inline constexpr int kind_count = 5;

enum class Protocol : std::uint8_t { tcp, udp, sctp };

struct ObjectKey {
  std::string namespace_name;  // empty for a Namespace
  std::string name;
  friend auto operator<=>(const ObjectKey&, const ObjectKey&) = default;
};

struct Namespace {
  std::string name;
};

struct ServicePort {
  std::string name;
  Protocol protocol = Protocol::tcp;
  std::uint16_t port = 0;
  friend bool operator==(const ServicePort&, const ServicePort&) = default;
};

struct Service {
  enum class Type : std::uint8_t { cluster_ip, node_port, load_balancer, external_name };
  ObjectKey key;
  Type type = Type::cluster_ip;
  bool headless = false;                     // clusterIP "None"
  std::vector<base::IpAddress> cluster_ips;  // empty when headless, ExternalName, or not yet allocated
  std::vector<ServicePort> ports;
  std::string external_name;
  std::vector<base::IpAddress> external_ips = {};
  std::vector<base::IpAddress> ingress_ips = {};  // status.loadBalancer.ingress: ip, or else hostname
  std::vector<std::string> ingress_names = {};
};

struct EndpointPort {
  std::string name;
  Protocol protocol = Protocol::tcp;
  std::uint16_t port = 0;
  friend auto operator<=>(const EndpointPort&, const EndpointPort&) = default;
};

struct Endpoint {
  boost::container::small_vector<base::IpAddress, 1> addresses;  // the API allows more, and nobody writes more than one
  bool ready = true;                                             // absent means ready
  std::string hostname;
  std::string target_ref_name;  // the Pod's name, for endpoint_pod_names
  std::string zone = {};        // the topology zone as written, for zonal
};

struct EndpointSlice {
  ObjectKey key;
  // Labels; a slice with neither name is of no interest. Imported slices have the second and the third.
  std::string service_name;                    // kubernetes.io/service-name
  std::string multicluster_service_name = {};  // multicluster.kubernetes.io/service-name
  std::string source_cluster = {};             // multicluster.kubernetes.io/source-cluster
  std::vector<EndpointPort> ports;
  std::vector<Endpoint> endpoints;
  /// When what this version is about happened, as the EndpointSlice controller says
  /// (endpoints.kubernetes.io/last-change-trigger-time).
  std::optional<std::chrono::system_clock::time_point> last_change = {};
};

/// A Service of a set of clusters. There are no host names: the API has none.
struct ServiceImport {
  ObjectKey key;
  bool headless = false;             // else ClusterSetIP
  std::vector<base::IpAddress> ips;  // empty when headless or not yet allocated
  std::vector<ServicePort> ports;
};

struct Pod {
  ObjectKey key;
  std::optional<base::IpAddress> address;  // status.podIP, the primary one; nothing before the Pod has a network
};

}  // namespace fairlead::k8s
