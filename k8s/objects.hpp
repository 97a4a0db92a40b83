// The Kubernetes objects that DNS is made of, with only the fields that it needs.
//
// Decoders fill them, the object store keeps them, the *_records functions turn them into names. Field names are those
// of the API (v1 Service, Namespace and Pod, discovery.k8s.io/v1 EndpointSlice).
//
// Threads: values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "zones/base/ip_address.hpp"

namespace fairlead::k8s {

enum class Kind : std::uint8_t { kNamespace, service, endpoint_slice, pod };
inline constexpr int kind_count = 4;

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
};

struct EndpointPort {
  std::string name;
  Protocol protocol = Protocol::tcp;
  std::uint16_t port = 0;
  friend bool operator==(const EndpointPort&, const EndpointPort&) = default;
};

struct Endpoint {
  std::vector<base::IpAddress> addresses;
  bool ready = true;  // absent means ready
  std::string hostname;
  std::string target_ref_name;  // the Pod's name, for endpoint_pod_names
};

struct EndpointSlice {
  ObjectKey key;
  std::string service_name;  // label kubernetes.io/service-name; the slice is of no interest without it
  std::vector<EndpointPort> ports;
  std::vector<Endpoint> endpoints;
};

struct Pod {
  ObjectKey key;
  std::optional<base::IpAddress> address;  // status.podIP, the primary one; nothing before the Pod has a network
};

}  // namespace fairlead::k8s
