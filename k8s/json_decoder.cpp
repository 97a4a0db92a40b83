// The only <simdjson.h>. Its exceptions end in this file: they are raised for malformed text alone, which an API
// server does not send.
#include "k8s/json_decoder.hpp"

#include <simdjson.h>

#include <algorithm>

#include "k8s/object_draft.hpp"

namespace fairlead::k8s {

namespace ondemand = simdjson::ondemand;

namespace {

// A single huge object must not hold its parser's memory for the rest of the process.
constexpr std::size_t idle_parser_capacity_max = std::size_t{1} << 20;

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

void read_metadata(ondemand::value& value, MetadataDraft& metadata) {
  for_each_field(object_of(value, "metadata"), [&](ondemand::raw_json_string key, ondemand::value field) {
    if (key == "name") {
      metadata.key.name = text_of(field, "metadata.name");
    } else if (key == "namespace") {
      metadata.key.namespace_name = text_of(field, "metadata.namespace");
    } else if (key == "resourceVersion") {
      metadata.set_resource_version(text_of(field, "metadata.resourceVersion"));
    } else if (key == "labels") {
      for_each_field(object_of(field, "metadata.labels"), [&](ondemand::raw_json_string label, ondemand::value text) {
        if (label == service_name_label) {
          metadata.service_name = text_of(text, "metadata.labels[kubernetes.io/service-name]");
        } else if (label == multicluster_service_name_label) {
          metadata.multicluster_service_name =
              text_of(text, "metadata.labels[multicluster.kubernetes.io/service-name]");
        } else if (label == source_cluster_label) {
          metadata.source_cluster = text_of(text, "metadata.labels[multicluster.kubernetes.io/source-cluster]");
        }
      });
    } else if (key == "annotations") {
      for_each_field(
          object_of(field, "metadata.annotations"), [&](ondemand::raw_json_string name, ondemand::value text) {
            if (name == initial_events_end_annotation) {
              metadata.ends_initial_events = text_of(text, "metadata.annotations[k8s.io/initial-events-end]") == "true";
            } else if (name == last_change_annotation) {
              metadata.set_last_change(text_of(text, "metadata.annotations[last-change-trigger-time]"));
            }
          });
    }
  });
}

template <typename Port>
void read_ports(ondemand::value& value, const char* field, std::vector<Port>& ports, std::uint32_t& odd_parts) {
  for_each_element(value, field, [&](ondemand::value element) {
    PortDraft<Port> port(odd_parts);
    for_each_field(object_of(element, field), [&](ondemand::raw_json_string key, ondemand::value part) {
      if (key == "name") {
        port.set_name(text_of(part, "port name"));
      } else if (key == "protocol") {
        port.set_protocol(text_of(part, "port protocol"));
      } else if (key == "port") {
        std::int64_t number = 0;
        if (part.get_int64().get(number) != simdjson::SUCCESS) throw Refusal{std::string(field) + ".port is no number"};
        port.set_port(number);
      }
    });
    port.finish(ports);
  });
}

void read_addresses(ondemand::value& value, const char* field, ObjectDraft& draft,
                    std::vector<base::IpAddress>& addresses) {
  for_each_element(value, field,
                   [&](ondemand::value element) { draft.add_address(text_of(element, field), addresses); });
}

void read_service_spec(ondemand::value& value, ObjectDraft& draft) {
  // A field that stands twice means its last value (RFC 8259 §4), not a mixture.
  draft.service = {};
  draft.cluster_ip.clear();
  draft.cluster_ips.clear();
  for_each_field(object_of(value, "spec"), [&](ondemand::raw_json_string key, ondemand::value field) {
    if (key == "type") {
      const std::string_view type = text_of(field, "spec.type");
      if (!draft.set_service_type(type)) throw Refusal{"spec.type is unknown: " + std::string(type.substr(0, 40))};
    } else if (key == "clusterIP") {
      draft.add_cluster_ip(text_of(field, "spec.clusterIP"), draft.cluster_ip);
    } else if (key == "clusterIPs") {
      for_each_element(field, "spec.clusterIPs", [&](ondemand::value element) {
        draft.add_cluster_ip(text_of(element, "spec.clusterIPs"), draft.cluster_ips);
      });
    } else if (key == "ports") {
      read_ports(field, "spec.ports", draft.service.ports, draft.odd_parts);
    } else if (key == "externalName") {
      draft.set_external_name(text_of(field, "spec.externalName"));
    } else if (key == "externalIPs") {
      read_addresses(field, "spec.externalIPs", draft, draft.service.external_ips);
    }
  });
  draft.finish_service_spec();
}

void read_service_status(ondemand::value& value, ObjectDraft& draft) {
  draft.ingress_ips.clear();  // a field that stands twice means its last value
  draft.ingress_names.clear();
  for_each_field(object_of(value, "status"), [&](ondemand::raw_json_string key, ondemand::value balancer) {
    if (key != "loadBalancer") return;
    for_each_field(object_of(balancer, "loadBalancer"), [&](ondemand::raw_json_string name, ondemand::value points) {
      if (name != "ingress") return;
      for_each_element(points, "loadBalancer.ingress", [&](ondemand::value point) {
        std::string_view ip, host_name;
        for_each_field(object_of(point, "ingress"), [&](ondemand::raw_json_string part, ondemand::value text) {
          if (part == "ip") ip = text_of(text, "ingress.ip");
          if (part == "hostname") host_name = text_of(text, "ingress.hostname");
        });
        draft.add_ingress(ip, host_name);
      });
    });
  });
}

void read_import_spec(ondemand::value& value, ObjectDraft& draft) {
  draft.import = {};  // a field that stands twice means its last value
  for_each_field(object_of(value, "spec"), [&](ondemand::raw_json_string key, ondemand::value field) {
    if (key == "type") {
      const std::string_view type = text_of(field, "spec.type");
      if (!draft.set_import_type(type)) throw Refusal{"spec.type is unknown: " + std::string(type.substr(0, 40))};
    } else if (key == "ips") {
      read_addresses(field, "spec.ips", draft, draft.import.ips);
    } else if (key == "ports") {
      read_ports(field, "spec.ports", draft.import.ports, draft.odd_parts);
    }
  });
}

void read_endpoint(ondemand::value& value, ObjectDraft& draft) {
  Endpoint& endpoint = draft.begin_endpoint();
  for_each_field(object_of(value, "endpoints"), [&](ondemand::raw_json_string key, ondemand::value field) {
    if (key == "addresses") {
      for_each_element(field, "endpoints.addresses", [&](ondemand::value element) {
        draft.add_endpoint_address(text_of(element, "endpoints.addresses"), endpoint);
      });
    } else if (key == "conditions") {
      for_each_field(object_of(field, "conditions"), [&](ondemand::raw_json_string name, ondemand::value condition) {
        if (name == "ready" && condition.get_bool().get(endpoint.ready) != simdjson::SUCCESS)
          throw Refusal{"conditions.ready is no boolean"};
      });
    } else if (key == "hostname") {
      draft.set_endpoint_hostname(text_of(field, "hostname"), endpoint);
    } else if (draft.wanted.topology_zones && key == "zone") {
      draft.set_endpoint_zone(text_of(field, "zone"), endpoint);
    } else if (draft.wanted.pod_names && key == "targetRef") {
      std::string_view kind, name;
      for_each_field(object_of(field, "targetRef"), [&](ondemand::raw_json_string part, ondemand::value text) {
        if (part == "kind") kind = text_of(text, "targetRef.kind");
        if (part == "name") name = text_of(text, "targetRef.name");
      });
      ObjectDraft::set_endpoint_target(kind, name, endpoint);
    }
  });
  draft.finish_endpoint();
}

void read_slice_field(ondemand::raw_json_string key, ondemand::value& field, ObjectDraft& draft) {
  if (key == "addressType") {
    draft.set_address_type(text_of(field, "addressType"));
  } else if (key == "ports") {
    read_ports(field, "ports", draft.slice_ports, draft.odd_parts);
  } else if (key == "endpoints") {
    for_each_element(field, "endpoints", [&](ondemand::value element) { read_endpoint(element, draft); });
  }
}

void read_pod_status(ondemand::value& value, ObjectDraft& draft) {
  draft.pod.address.reset();  // a field that stands twice means its last value
  for_each_field(object_of(value, "status"), [&](ondemand::raw_json_string key, ondemand::value field) {
    if (key == "podIP") draft.set_pod_ip(text_of(field, "status.podIP"));
  });
}

DecodedObject read_object(Kind kind, WantedFields wanted, ondemand::object object) {
  ObjectDraft draft(kind, wanted);
  for_each_field(object, [&](ondemand::raw_json_string key, ondemand::value field) {
    if (key == "metadata") {
      read_metadata(field, draft.metadata);
      return;
    }
    switch (kind) {
      case Kind::kNamespace: break;
      case Kind::service:
        if (key == "spec") read_service_spec(field, draft);
        if (key == "status") read_service_status(field, draft);
        break;
      case Kind::endpoint_slice: read_slice_field(key, field, draft); break;
      case Kind::pod:
        if (key == "status") read_pod_status(field, draft);
        break;
      case Kind::service_import:
        if (key == "spec") read_import_spec(field, draft);
        break;
    }
  });
  DecodedObject decoded;
  if (const auto finished = draft.finish(decoded); !finished) throw Refusal{finished.error()};
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
    if (parser.capacity() > idle_parser_capacity_max) parser = ondemand::parser();
  }
};

JsonDecoder::JsonDecoder(Kind kind, WantedFields wanted)
    : kind_(kind), wanted_(wanted), parser_(std::make_unique<Parser>()) {}
JsonDecoder::~JsonDecoder() = default;

std::expected<DecodedObject, DecodeFault> JsonDecoder::object(std::string& json) {
  return parser_->run(
      json, [&](ondemand::document& document) { return read_object(kind_, wanted_, document.get_object().value()); });
}

std::expected<WatchEvent, DecodeFault> JsonDecoder::event(std::string& json) {
  return parser_->run(json, [&](ondemand::document& document) {
    WatchEvent event;
    std::string_view type;
    if (document["type"].get_string().get(type) != simdjson::SUCCESS) throw Refusal{"type is missing", true};
    const auto known = event_type_from(type);
    if (!known) throw Refusal{"type is unknown: " + std::string(type.substr(0, 40)), true};
    event.type = *known;
    ondemand::object object;
    if (document["object"].get_object().get(object) != simdjson::SUCCESS) throw Refusal{"object is missing", true};
    if (event.type == WatchEvent::Type::error) {
      event.status = read_status(object);
    } else if (event.type != WatchEvent::Type::added_or_modified) {
      MetadataDraft metadata;
      for_each_field(object, [&](ondemand::raw_json_string key, ondemand::value field) {
        if (key == "metadata") read_metadata(field, metadata);
      });
      metadata.name(event, kind_);
      if (event.type == WatchEvent::Type::deleted && event.object.key.name.empty())
        throw Refusal{"metadata.name is missing"};
    } else {
      event.object = read_object(kind_, wanted_, object);
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

std::optional<ApiStatus> decode_json_status(std::string_view json) {
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

}  // namespace fairlead::k8s
