// The only <simdjson.h>. Its exceptions end in this file: they are raised for malformed text alone, which an API
// server does not send.
#include "k8s/json_decoder.hpp"

#include <simdjson.h>

#include <algorithm>

namespace fairlead::k8s {

namespace ondemand = simdjson::ondemand;

namespace {

constexpr std::size_t object_name_octets_max = 253;  // RFC 1123 subdomain
constexpr std::size_t label_value_octets_max = 63;
constexpr std::size_t external_name_octets_max = 254;  // the same with a dot at its end
constexpr std::size_t resource_version_octets_max = 128;
constexpr std::size_t continue_token_octets_max = 8192;
constexpr std::size_t port_name_octets_max = 62;  // an underscore stands in front of it in the label
// A single huge object must not hold its parser's memory for the rest of the process.
constexpr std::size_t idle_capacity_max = std::size_t{1} << 20;

/// A field of the wrong type or without a usable value: the whole object is refused.
struct Refusal {
  std::string text;
  bool is_malformed = false;
};

bool is_null(ondemand::value value) { return value.type() == ondemand::json_type::null; }

std::string_view text_of(ondemand::value& value, const char* field) {
  std::string_view text;
  if (value.get_string().get(text) != simdjson::SUCCESS) throw Refusal{std::string(field) + " is no string"};
  return text;
}

/// Calls `use(key, value)` for every field that is not null. Keys are compared unescaped: nobody escapes them.
template <typename Use>
void for_each_field(ondemand::object object, Use&& use) {
  for (auto field : object) {
    const ondemand::raw_json_string key = field.key();
    ondemand::value value = field.value();
    if (!is_null(value)) use(key, value);
  }
}

ondemand::object object_of(ondemand::value& value, const char* field) {
  ondemand::object object;
  if (value.get_object().get(object) != simdjson::SUCCESS) throw Refusal{std::string(field) + " is no object"};
  return object;
}

template <typename Use>
void for_each_element(ondemand::value& value, const char* field, Use&& use) {
  ondemand::array array;
  if (value.get_array().get(array) != simdjson::SUCCESS) throw Refusal{std::string(field) + " is no array"};
  for (auto element : array) {
    ondemand::value item = element.value();
    if (!is_null(item)) use(item);
  }
}

/// Lower-case letters, digits, '-' and '.', as object names are.
bool is_dns_subdomain(std::string_view text) {
  if (text.empty() || text.size() > object_name_octets_max) return false;
  while (true) {
    const std::size_t dot = text.find('.');
    const std::string_view label = text.substr(0, dot);
    // A label of an object's name may be longer than DNS allows; such a name never becomes part of one.
    if (label.empty() || label.front() == '-' || label.back() == '-') return false;
    if (!std::ranges::all_of(label,
                             [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; }))
      return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

std::optional<Protocol> protocol_from(std::string_view text) {
  if (text == "TCP") return Protocol::tcp;
  if (text == "UDP") return Protocol::udp;
  if (text == "SCTP") return Protocol::sctp;
  return std::nullopt;
}

struct Metadata {
  ObjectKey key;
  std::string resource_version;
  // Labels of a slice.
  std::string service_name;
  std::string multicluster_service_name;
  std::string source_cluster;
  bool ends_initial_events = false;
};

void read_metadata(ondemand::value& value, Metadata& metadata) {
  for_each_field(object_of(value, "metadata"), [&](ondemand::raw_json_string key, ondemand::value field) {
    if (key == "name") {
      metadata.key.name = text_of(field, "metadata.name");
    } else if (key == "namespace") {
      metadata.key.namespace_name = text_of(field, "metadata.namespace");
    } else if (key == "resourceVersion") {
      const std::string_view text = text_of(field, "metadata.resourceVersion");
      if (text.size() <= resource_version_octets_max) metadata.resource_version = text;
    } else if (key == "labels") {
      for_each_field(object_of(field, "metadata.labels"), [&](ondemand::raw_json_string label, ondemand::value text) {
        if (label == "kubernetes.io/service-name") {
          metadata.service_name = text_of(text, "metadata.labels[kubernetes.io/service-name]");
        } else if (label == "multicluster.kubernetes.io/service-name") {
          metadata.multicluster_service_name =
              text_of(text, "metadata.labels[multicluster.kubernetes.io/service-name]");
        } else if (label == "multicluster.kubernetes.io/source-cluster") {
          metadata.source_cluster = text_of(text, "metadata.labels[multicluster.kubernetes.io/source-cluster]");
        }
      });
    } else if (key == "annotations") {
      for_each_field(
          object_of(field, "metadata.annotations"), [&](ondemand::raw_json_string name, ondemand::value text) {
            if (name == "k8s.io/initial-events-end")
              metadata.ends_initial_events = text_of(text, "metadata.annotations[k8s.io/initial-events-end]") == "true";
          });
    }
  });
}

/// Ports of a Service and of a slice have the same three fields.
template <typename Port>
void read_ports(ondemand::value& value, const char* field, std::vector<Port>& ports, std::uint32_t& odd_parts) {
  for_each_element(value, field, [&](ondemand::value element) {
    Port port;
    bool has_number = false;
    bool usable = true;
    for_each_field(object_of(element, field), [&](ondemand::raw_json_string key, ondemand::value part) {
      if (key == "name") {
        const std::string_view name = text_of(part, "port name");
        // A name that cannot be a label leaves the port nameless: it still counts at the bare Service name.
        if (is_dns_label(name) && name.size() <= port_name_octets_max) {
          port.name = name;
        } else if (!name.empty()) {
          ++odd_parts;
        }
      } else if (key == "protocol") {
        const auto protocol = protocol_from(text_of(part, "port protocol"));
        if (protocol) port.protocol = *protocol;
        usable = usable && protocol.has_value();
      } else if (key == "port") {
        std::int64_t number = 0;
        if (part.get_int64().get(number) != simdjson::SUCCESS) throw Refusal{std::string(field) + ".port is no number"};
        has_number = true;
        usable = usable && number > 0 && number <= 65535;
        if (usable) port.port = static_cast<std::uint16_t>(number);
      }
    });
    // A slice's port without a number means "every port": nothing that an SRV record could say.
    if (has_number && usable) {
      ports.push_back(std::move(port));
    } else if (!usable) {
      ++odd_parts;
    }
  });
}

void read_address(std::string_view text, std::optional<bool> v4, std::vector<base::IpAddress>& addresses,
                  std::uint32_t& odd_parts) {
  const auto address = base::IpAddress::parse(text);
  if (!address || (v4 && address->is_v4() != *v4)) {
    ++odd_parts;
  } else {
    addresses.push_back(*address);
  }
}

void read_addresses(ondemand::value& value, const char* field, std::vector<base::IpAddress>& addresses,
                    std::uint32_t& odd_parts) {
  for_each_element(value, field, [&](ondemand::value element) {
    read_address(text_of(element, field), std::nullopt, addresses, odd_parts);
  });
}

void read_service_spec(ondemand::value& value, Service& service, std::uint32_t& odd_parts) {
  service = {};  // a field that stands twice means its last value (RFC 8259 §4), not a mixture
  std::vector<base::IpAddress> cluster_ip, cluster_ips;
  const auto read_ip = [&](std::string_view text, std::vector<base::IpAddress>& into) {
    if (text == "None") {
      service.headless = true;
    } else if (!text.empty()) {
      read_address(text, std::nullopt, into, odd_parts);
    }
  };
  for_each_field(object_of(value, "spec"), [&](ondemand::raw_json_string key, ondemand::value field) {
    if (key == "type") {
      const std::string_view type = text_of(field, "spec.type");
      if (type == "ClusterIP" || type.empty()) {
        service.type = Service::Type::cluster_ip;
      } else if (type == "NodePort") {
        service.type = Service::Type::node_port;
      } else if (type == "LoadBalancer") {
        service.type = Service::Type::load_balancer;
      } else if (type == "ExternalName") {
        service.type = Service::Type::external_name;
      } else {
        throw Refusal{"spec.type is unknown: " + std::string(type.substr(0, 40))};
      }
    } else if (key == "clusterIP") {
      read_ip(text_of(field, "spec.clusterIP"), cluster_ip);
    } else if (key == "clusterIPs") {
      for_each_element(field, "spec.clusterIPs",
                       [&](ondemand::value element) { read_ip(text_of(element, "spec.clusterIPs"), cluster_ips); });
    } else if (key == "ports") {
      read_ports(field, "spec.ports", service.ports, odd_parts);
    } else if (key == "externalName") {
      const std::string_view name = text_of(field, "spec.externalName");
      if (name.size() <= external_name_octets_max) {
        service.external_name = name;
      } else {
        ++odd_parts;
      }
    } else if (key == "externalIPs") {
      read_addresses(field, "spec.externalIPs", service.external_ips, odd_parts);
    }
  });
  if (service.type == Service::Type::external_name) {
    service.headless = false;
    return;
  }
  service.external_name.clear();
  // API servers before 1.20 know clusterIP alone.
  if (!service.headless) service.cluster_ips = cluster_ips.empty() ? std::move(cluster_ip) : std::move(cluster_ips);
}

struct Ingress {
  std::vector<base::IpAddress> ips;
  std::vector<std::string> names;
};

void read_service_status(ondemand::value& value, Ingress& ingress, std::uint32_t& odd_parts) {
  ingress = {};  // a field that stands twice means its last value
  for_each_field(object_of(value, "status"), [&](ondemand::raw_json_string key, ondemand::value balancer) {
    if (key != "loadBalancer") return;
    for_each_field(object_of(balancer, "loadBalancer"), [&](ondemand::raw_json_string name, ondemand::value points) {
      if (name != "ingress") return;
      for_each_element(points, "loadBalancer.ingress", [&](ondemand::value point) {
        std::string ip, host;
        for_each_field(object_of(point, "ingress"), [&](ondemand::raw_json_string part, ondemand::value text) {
          if (part == "ip") ip = text_of(text, "ingress.ip");
          if (part == "hostname") host = text_of(text, "ingress.hostname");
        });
        if (!ip.empty()) {
          read_address(ip, std::nullopt, ingress.ips, odd_parts);
        } else if (host.size() > external_name_octets_max) {
          ++odd_parts;
        } else if (!host.empty()) {
          ingress.names.push_back(std::move(host));
        }
      });
    });
  });
}

void read_import_spec(ondemand::value& value, ServiceImport& import, std::uint32_t& odd_parts) {
  import = {};  // a field that stands twice means its last value
  for_each_field(object_of(value, "spec"), [&](ondemand::raw_json_string key, ondemand::value field) {
    if (key == "type") {
      const std::string_view type = text_of(field, "spec.type");
      if (type != "ClusterSetIP" && type != "Headless" && !type.empty())
        throw Refusal{"spec.type is unknown: " + std::string(type.substr(0, 40))};
      import.headless = type == "Headless";
    } else if (key == "ips") {
      read_addresses(field, "spec.ips", import.ips, odd_parts);
    } else if (key == "ports") {
      read_ports(field, "spec.ports", import.ports, odd_parts);
    }
  });
  if (import.headless) import.ips.clear();
}

struct SliceBody {
  std::optional<bool> v4;  // nothing: host names, or a type that we do not know
  bool has_type = false;
  std::vector<EndpointPort> ports;
  // Addresses are read before their type may be known; the family is checked at the end.
  std::vector<Endpoint> endpoints;
};

void read_endpoint(ondemand::value& value, SliceBody& slice, std::uint32_t& odd_parts) {
  Endpoint endpoint;
  // Slices of host names hold no addresses: if the type came first, nothing is parsed in vain.
  const bool host_names = slice.has_type && !slice.v4;
  for_each_field(object_of(value, "endpoints"), [&](ondemand::raw_json_string key, ondemand::value field) {
    if (key == "addresses") {
      for_each_element(field, "endpoints.addresses", [&](ondemand::value element) {
        const std::string_view text = text_of(element, "endpoints.addresses");
        if (!host_names) read_address(text, std::nullopt, endpoint.addresses, odd_parts);
      });
    } else if (key == "conditions") {
      for_each_field(object_of(field, "conditions"), [&](ondemand::raw_json_string name, ondemand::value condition) {
        if (name == "ready" && condition.get_bool().get(endpoint.ready) != simdjson::SUCCESS)
          throw Refusal{"conditions.ready is no boolean"};
      });
    } else if (key == "hostname") {
      const std::string_view name = text_of(field, "hostname");
      if (is_dns_label(name)) {
        endpoint.hostname = name;
      } else if (!name.empty()) {
        ++odd_parts;
      }
    } else if (key == "zone") {
      const std::string_view zone = text_of(field, "zone");
      if (zone.size() <= label_value_octets_max) {
        endpoint.zone = zone;
      } else {
        ++odd_parts;
      }
    } else if (key == "targetRef") {
      std::string kind, name;
      for_each_field(object_of(field, "targetRef"), [&](ondemand::raw_json_string part, ondemand::value text) {
        if (part == "kind") kind = text_of(text, "targetRef.kind");
        if (part == "name") name = text_of(text, "targetRef.name");
      });
      // A Pod's name may hold dots or be too long for a label: the address stands in for it then.
      if (kind == "Pod" && is_dns_label(name)) endpoint.target_ref_name = std::move(name);
    }
  });
  if (!endpoint.addresses.empty()) slice.endpoints.push_back(std::move(endpoint));
}

void read_pod_status(ondemand::value& value, Pod& pod, std::uint32_t& odd_parts) {
  pod.address.reset();  // a field that stands twice means its last value
  for_each_field(object_of(value, "status"), [&](ondemand::raw_json_string key, ondemand::value field) {
    if (key != "podIP") return;
    const std::string_view text = text_of(field, "status.podIP");
    pod.address = base::IpAddress::parse(text);
    if (!pod.address && !text.empty()) ++odd_parts;
  });
}

DecodedObject read_object(Kind kind, ondemand::object object) {
  DecodedObject decoded;
  Metadata metadata;
  Service service;
  Ingress ingress;
  SliceBody slice;
  Pod pod;
  ServiceImport import;
  for_each_field(object, [&](ondemand::raw_json_string key, ondemand::value field) {
    if (key == "metadata") {
      read_metadata(field, metadata);
    } else if (kind == Kind::service && key == "spec") {
      read_service_spec(field, service, decoded.odd_parts);
    } else if (kind == Kind::service && key == "status") {
      read_service_status(field, ingress, decoded.odd_parts);
    } else if (kind == Kind::service_import && key == "spec") {
      read_import_spec(field, import, decoded.odd_parts);
    } else if (kind == Kind::pod) {
      if (key == "status") read_pod_status(field, pod, decoded.odd_parts);
    } else if (kind == Kind::endpoint_slice) {
      if (key == "addressType") {
        const std::string_view type = text_of(field, "addressType");
        slice.has_type = true;
        if (type == "IPv4") slice.v4 = true;
        if (type == "IPv6") slice.v4 = false;
      } else if (key == "ports") {
        read_ports(field, "ports", slice.ports, decoded.odd_parts);
      } else if (key == "endpoints") {
        for_each_element(field, "endpoints",
                         [&](ondemand::value element) { read_endpoint(element, slice, decoded.odd_parts); });
      }
    }
  });

  decoded.key = std::move(metadata.key);
  decoded.resource_version = std::move(metadata.resource_version);
  if (kind == Kind::kNamespace) {
    decoded.key.namespace_name.clear();
    if (!is_dns_label(decoded.key.name)) throw Refusal{"metadata.name is no DNS label"};
    decoded.content = Namespace{decoded.key.name};
    return decoded;
  }
  if (!is_dns_label(decoded.key.namespace_name)) throw Refusal{"metadata.namespace is no DNS label"};
  if (kind == Kind::service) {
    if (!is_dns_label(decoded.key.name)) throw Refusal{"metadata.name is no DNS label"};
    service.key = decoded.key;
    service.ingress_ips = std::move(ingress.ips);
    service.ingress_names = std::move(ingress.names);
    decoded.content = std::move(service);
    return decoded;
  }
  if (kind == Kind::service_import) {
    if (!is_dns_label(decoded.key.name)) throw Refusal{"metadata.name is no DNS label"};
    import.key = decoded.key;
    decoded.content = std::move(import);
    return decoded;
  }
  if (!is_dns_subdomain(decoded.key.name)) throw Refusal{"metadata.name is no DNS subdomain"};
  if (kind == Kind::pod) {
    pod.key = decoded.key;
    decoded.content = std::move(pod);
    return decoded;
  }
  if (!slice.has_type) throw Refusal{"addressType is missing"};
  for (std::string* const name : {&metadata.service_name, &metadata.multicluster_service_name}) {
    if (!slice.v4 || is_dns_label(*name)) continue;
    if (!name->empty()) ++decoded.odd_parts;
    name->clear();
  }
  if (!slice.v4 || (metadata.service_name.empty() && metadata.multicluster_service_name.empty())) {
    return decoded;  // host names, or of no Service
  }
  if (!is_cluster_id(metadata.source_cluster)) {
    if (!metadata.source_cluster.empty()) ++decoded.odd_parts;
    metadata.source_cluster.clear();
  }
  for (Endpoint& endpoint : slice.endpoints) {
    decoded.odd_parts += static_cast<std::uint32_t>(std::erase_if(
        endpoint.addresses, [&](const base::IpAddress& address) { return address.is_v4() != *slice.v4; }));
  }
  std::erase_if(slice.endpoints, [](const Endpoint& endpoint) { return endpoint.addresses.empty(); });
  decoded.content = EndpointSlice{.key = decoded.key,
                                  .service_name = std::move(metadata.service_name),
                                  .multicluster_service_name = std::move(metadata.multicluster_service_name),
                                  .source_cluster = std::move(metadata.source_cluster),
                                  .ports = std::move(slice.ports),
                                  .endpoints = std::move(slice.endpoints)};
  return decoded;
}

ApiStatus read_status(ondemand::object object) {
  ApiStatus status;
  for_each_field(object, [&](ondemand::raw_json_string key, ondemand::value field) {
    if (key == "message") {
      status.message = text_of(field, "message").substr(0, 1024);
    } else if (key == "reason") {
      status.reason = text_of(field, "reason").substr(0, 128);
    } else if (key == "code") {
      std::int64_t code = 0;
      if (field.get_int64().get(code) == simdjson::SUCCESS && code > 0 && code < 1000)
        status.code = static_cast<int>(code);
    } else if (key == "details") {
      for_each_field(object_of(field, "details"), [&](ondemand::raw_json_string name, ondemand::value detail) {
        std::int64_t seconds = 0;
        if (name == "retryAfterSeconds" && detail.get_int64().get(seconds) == simdjson::SUCCESS && seconds > 0)
          status.retry_after = std::chrono::seconds(std::min<std::int64_t>(seconds, 3600));
      });
    }
  });
  return status;
}

simdjson::padded_string_view padded(std::string& text) {
  text.reserve(text.size() + simdjson::SIMDJSON_PADDING);
  return simdjson::padded_string_view(text.data(), text.size(), text.capacity());
}

}  // namespace

struct JsonDecoder::Parser {
  ondemand::parser parser;

  /// Runs `read(document)` and turns what it raises into text.
  template <typename Read>
  auto run(std::string& json, Read&& read)
      -> std::expected<decltype(read(std::declval<ondemand::document&>())), DecodeFault> {
    DecodeFault fault;
    try {
      ondemand::document document = parser.iterate(padded(json));
      auto result = read(document);
      shrink();
      return result;
    } catch (const Refusal& refusal) {
      fault = {refusal.text, refusal.is_malformed};
    } catch (const simdjson::simdjson_error& error) {
      fault = {error.what(), true};
    }
    shrink();
    return std::unexpected(std::move(fault));
  }

  void shrink() {
    if (parser.capacity() > idle_capacity_max) parser = ondemand::parser();
  }
};

JsonDecoder::JsonDecoder(Kind kind) : kind_(kind), parser_(std::make_unique<Parser>()) {}
JsonDecoder::~JsonDecoder() = default;

std::expected<DecodedObject, DecodeFault> JsonDecoder::object(std::string& json) {
  return parser_->run(json,
                      [&](ondemand::document& document) { return read_object(kind_, document.get_object().value()); });
}

std::expected<WatchEvent, DecodeFault> JsonDecoder::event(std::string& json) {
  return parser_->run(json, [&](ondemand::document& document) {
    WatchEvent event;
    std::string_view type;
    if (document["type"].get_string().get(type) != simdjson::SUCCESS) throw Refusal{"type is missing", true};
    bool names_object_only = false;
    if (type == "ADDED" || type == "MODIFIED") {
      event.type = WatchEvent::Type::added_or_modified;
    } else if (type == "DELETED") {
      event.type = WatchEvent::Type::deleted;
      names_object_only = true;
    } else if (type == "BOOKMARK") {
      event.type = WatchEvent::Type::bookmark;
      names_object_only = true;
    } else if (type == "ERROR") {
      event.type = WatchEvent::Type::error;
    } else {
      throw Refusal{"type is unknown: " + std::string(type.substr(0, 40)), true};
    }
    ondemand::object object;
    if (document["object"].get_object().get(object) != simdjson::SUCCESS) throw Refusal{"object is missing", true};
    if (event.type == WatchEvent::Type::error) {
      event.status = read_status(object);
    } else if (names_object_only) {
      Metadata metadata;
      for_each_field(object, [&](ondemand::raw_json_string key, ondemand::value field) {
        if (key == "metadata") read_metadata(field, metadata);
      });
      event.resource_version = std::move(metadata.resource_version);
      event.object.key = std::move(metadata.key);
      event.ends_initial_events = event.type == WatchEvent::Type::bookmark && metadata.ends_initial_events;
      if (kind_ == Kind::kNamespace) event.object.key.namespace_name.clear();
      if (event.type == WatchEvent::Type::deleted && event.object.key.name.empty())
        throw Refusal{"metadata.name is missing"};
    } else {
      event.object = read_object(kind_, object);
      event.resource_version = event.object.resource_version;
    }
    return event;
  });
}

std::expected<ListMetadata, DecodeFault> JsonDecoder::list_metadata(std::string& json) {
  return parser_->run(json, [&](ondemand::document& document) {
    ListMetadata metadata;
    for_each_field(document.get_object().value(), [&](ondemand::raw_json_string key, ondemand::value field) {
      if (key == "resourceVersion") {
        const std::string_view text = text_of(field, "resourceVersion");
        if (text.size() > resource_version_octets_max) throw Refusal{"resourceVersion is too long"};
        metadata.resource_version = text;
      } else if (key == "continue") {
        const std::string_view text = text_of(field, "continue");
        if (text.size() > continue_token_octets_max) throw Refusal{"continue is too long"};
        metadata.continue_token = text;
      }
    });
    return metadata;
  });
}

std::optional<ApiStatus> decode_status(std::string_view json) {
  ondemand::parser parser;
  std::string text(json);
  try {
    ondemand::document document = parser.iterate(padded(text));
    std::string_view kind;
    if (document["kind"].get_string().get(kind) != simdjson::SUCCESS || kind != "Status") return std::nullopt;
    document.rewind();
    return read_status(document.get_object().value());
  } catch (const Refusal&) {
  } catch (const simdjson::simdjson_error&) {
  }
  return std::nullopt;
}

bool is_cluster_id(std::string_view text) {
  return !text.empty() && text.front() != '_' && text.size() <= label_value_octets_max &&
         std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
         });
}

bool is_dns_label(std::string_view text) {
  return text.size() <= 63 && text.find('.') == std::string_view::npos && is_dns_subdomain(text);
}

}  // namespace fairlead::k8s
