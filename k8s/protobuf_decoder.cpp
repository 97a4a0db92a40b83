// The only <protozero/...>. Its exceptions end in this file: they are raised for malformed octets alone.
#include "k8s/protobuf_decoder.hpp"

#include <algorithm>
#include <protozero/exception.hpp>
#include <protozero/types.hpp>
#include <protozero/varint.hpp>

#include "k8s/object_draft.hpp"

namespace fairlead::k8s {

namespace {

/// A field without a usable value: the whole object is refused.
struct Refusal {
  std::string text;
  bool is_malformed = false;
};

/// Reads one message; next() gives one field after the other, with its value.
class Message {
 public:
  explicit Message(std::string_view octets) : at_(octets.data()), end_(at_ + octets.size()) {}

  // An event has hundreds of fields: what is called for each of them costs more than what it does.
  [[gnu::always_inline]] bool next() {
    if (at_ == end_) return false;
    tag_ = varint();
    if (tag_ < first_tag) throw protozero::invalid_tag_exception();
    switch (static_cast<protozero::pbf_wire_type>(tag_ & 7)) {
      case protozero::pbf_wire_type::length_delimited: octets_ = take(varint()); break;
      case protozero::pbf_wire_type::varint: number_ = static_cast<std::int64_t>(varint()); break;
      case protozero::pbf_wire_type::fixed64: take(8); break;
      case protozero::pbf_wire_type::fixed32: take(4); break;
      default: throw protozero::unknown_pbf_wire_type_exception();
    }
    return true;
  }
  /// The field is this one, and octets: a string or a message.
  bool is_octets(std::uint32_t number) const {
    return tag_ == (std::uint64_t{number} << 3 | static_cast<unsigned>(protozero::pbf_wire_type::length_delimited));
  }
  /// The field is this one, and a number or boolean.
  bool is_number(std::uint32_t number) const {
    return tag_ == (std::uint64_t{number} << 3 | static_cast<unsigned>(protozero::pbf_wire_type::varint));
  }
  std::string_view octets() const { return octets_; }
  /// An int32 is sent with its sign extended.
  std::int64_t number() const { return number_; }

 private:
  static constexpr std::uint64_t first_tag = 1 << 3;  // of field 1

  [[gnu::always_inline]] std::uint64_t varint() {
    // Nearly all: numbers of fields up to 15, and what is shorter than 128 octets.
    if (at_ != end_ && static_cast<unsigned char>(*at_) < 0x80) return static_cast<unsigned char>(*at_++);
    return protozero::decode_varint(&at_, end_);
  }
  [[gnu::always_inline]] std::string_view take(std::uint64_t octets) {
    if (octets > static_cast<std::size_t>(end_ - at_)) throw protozero::end_of_buffer_exception();
    const std::string_view taken(at_, octets);
    at_ += octets;
    return taken;
  }

  const char* at_;
  const char* end_;
  std::uint64_t tag_ = 0;  // the field's number and its wire type
  std::string_view octets_;
  std::int64_t number_ = 0;
};

/// An entry of a map of strings.
struct Entry {
  explicit Entry(std::string_view octets) {
    for (Message entry(octets); entry.next();) {
      if (entry.is_octets(1))
        key = entry.octets();
      else if (entry.is_octets(2))
        value = entry.octets();
    }
  }
  std::string_view key, value;
};

void read_metadata(std::string_view octets, MetadataDraft& draft) {  // ObjectMeta
  for (Message metadata(octets); metadata.next();) {
    if (metadata.is_octets(1)) {
      draft.key.name = metadata.octets();
    } else if (metadata.is_octets(3)) {
      draft.key.namespace_name = metadata.octets();
    } else if (metadata.is_octets(6)) {
      draft.set_resource_version(metadata.octets());
    } else if (metadata.is_octets(11)) {
      const Entry label(metadata.octets());
      if (label.key == service_name_label) draft.service_name = label.value;
      if (label.key == multicluster_service_name_label) draft.multicluster_service_name = label.value;
      if (label.key == source_cluster_label) draft.source_cluster = label.value;
    } else if (metadata.is_octets(12)) {
      const Entry annotation(metadata.octets());
      if (annotation.key == initial_events_end_annotation) draft.ends_initial_events = annotation.value == "true";
      if (annotation.key == last_change_annotation) draft.set_last_change(annotation.value);
    }
  }
}

/// ServicePort and EndpointPort agree in what we need.
template <typename Port>
void read_port(std::string_view octets, std::vector<Port>& ports, std::uint32_t& odd_parts) {
  PortDraft<Port> draft(odd_parts);
  for (Message port(octets); port.next();) {
    if (port.is_octets(1)) {
      draft.set_name(port.octets());
    } else if (port.is_octets(2)) {
      draft.set_protocol(port.octets());
    } else if (port.is_number(3)) {
      draft.set_port(port.number());
    }
  }
  draft.finish(ports);
}

void read_service_spec(std::string_view octets, ObjectDraft& draft) {
  for (Message spec(octets); spec.next();) {
    if (spec.is_octets(1)) {
      read_port(spec.octets(), draft.service.ports, draft.odd_parts);
    } else if (spec.is_octets(3)) {
      draft.add_cluster_ip(spec.octets(), draft.cluster_ip);
    } else if (spec.is_octets(4)) {
      const std::string_view type = spec.octets();
      if (!draft.set_service_type(type)) throw Refusal{"spec.type is unknown: " + std::string(type.substr(0, 40))};
    } else if (spec.is_octets(5)) {
      draft.add_address(spec.octets(), draft.service.external_ips);
    } else if (spec.is_octets(10)) {
      draft.set_external_name(spec.octets());
    } else if (spec.is_octets(18)) {
      draft.add_cluster_ip(spec.octets(), draft.cluster_ips);
    }
  }
  draft.finish_service_spec();
}

void read_load_balancer(std::string_view octets, ObjectDraft& draft) {
  for (Message balancer(octets); balancer.next();) {
    if (!balancer.is_octets(1)) continue;
    std::string_view ip, host_name;
    for (Message ingress(balancer.octets()); ingress.next();) {
      if (ingress.is_octets(1)) {
        ip = ingress.octets();
      } else if (ingress.is_octets(2)) {
        host_name = ingress.octets();
      }
    }
    draft.add_ingress(ip, host_name);
  }
}

void read_service(std::string_view octets, ObjectDraft& draft) {
  for (Message service(octets); service.next();) {
    if (service.is_octets(1)) {
      read_metadata(service.octets(), draft.metadata);
    } else if (service.is_octets(2)) {
      read_service_spec(service.octets(), draft);
    } else if (service.is_octets(3)) {
      for (Message status(service.octets()); status.next();) {
        if (status.is_octets(1)) read_load_balancer(status.octets(), draft);
      }
    }
  }
}

void read_endpoint(std::string_view octets, ObjectDraft& draft) {
  Endpoint& made = draft.begin_endpoint();
  for (Message endpoint(octets); endpoint.next();) {
    if (endpoint.is_octets(1)) {
      draft.add_endpoint_address(endpoint.octets(), made);
    } else if (endpoint.is_octets(2)) {
      for (Message conditions(endpoint.octets()); conditions.next();) {
        if (conditions.is_number(1)) made.ready = conditions.number() != 0;
      }
    } else if (endpoint.is_octets(3)) {
      draft.set_endpoint_hostname(endpoint.octets(), made);
    } else if (draft.wanted.pod_names && endpoint.is_octets(4)) {
      std::string_view kind, name;
      for (Message reference(endpoint.octets()); reference.next();) {
        if (reference.is_octets(1)) {
          kind = reference.octets();
        } else if (reference.is_octets(3)) {
          name = reference.octets();
        }
      }
      ObjectDraft::set_endpoint_target(kind, name, made);
    } else if (draft.wanted.topology_zones && endpoint.is_octets(7)) {
      draft.set_endpoint_zone(endpoint.octets(), made);
    }
  }
  draft.finish_endpoint();
}

// The API server admits no more; empty ones of a malformed message take no room.
constexpr std::size_t slice_endpoints_max = 1000;

void read_slice(std::string_view octets, ObjectDraft& draft) {
  // The type stands behind the endpoints that it is about.
  std::size_t endpoints = 0;
  for (Message slice(octets); slice.next();) {
    if (slice.is_octets(2)) ++endpoints;
    if (slice.is_octets(4)) draft.set_address_type(slice.octets());
  }
  draft.slice_endpoints.reserve(std::min(endpoints, slice_endpoints_max));
  for (Message slice(octets); slice.next();) {
    if (slice.is_octets(1)) {
      read_metadata(slice.octets(), draft.metadata);
    } else if (slice.is_octets(2)) {
      read_endpoint(slice.octets(), draft);
    } else if (slice.is_octets(3)) {
      read_port(slice.octets(), draft.slice_ports, draft.odd_parts);
    }
  }
}

void read_pod(std::string_view octets, ObjectDraft& draft) {
  for (Message pod(octets); pod.next();) {
    if (pod.is_octets(1)) {
      read_metadata(pod.octets(), draft.metadata);
    } else if (pod.is_octets(3)) {
      for (Message status(pod.octets()); status.next();) {
        if (status.is_octets(6)) draft.set_pod_ip(status.octets());
      }
    }
  }
}

/// The metadata of any object.
void read_metadata_of(std::string_view octets, MetadataDraft& draft) {
  for (Message object(octets); object.next();) {
    if (object.is_octets(1)) read_metadata(object.octets(), draft);
  }
}

void read_object(Kind kind, WantedFields wanted, std::string_view octets, DecodedObject& decoded) {
  ObjectDraft draft(kind, wanted);
  switch (kind) {
    case Kind::kNamespace: read_metadata_of(octets, draft.metadata); break;
    case Kind::service: read_service(octets, draft); break;
    case Kind::endpoint_slice: read_slice(octets, draft); break;
    case Kind::pod: read_pod(octets, draft); break;
    case Kind::service_import: throw Refusal{"a custom resource in protobuf", true};
  }
  if (const auto finished = draft.finish(decoded); !finished) throw Refusal{finished.error()};
}

ApiStatus read_status(std::string_view octets) {  // Status
  ApiStatus made;
  for (Message status(octets); status.next();) {
    if (status.is_octets(3)) {
      made.message = status.octets().substr(0, 1024);
    } else if (status.is_octets(4)) {
      made.reason = status.octets().substr(0, 128);
    } else if (status.is_number(6)) {
      const std::int64_t code = status.number();
      if (code > 0 && code < 1000) made.code = static_cast<int>(code);
    } else if (status.is_octets(5)) {
      for (Message details(status.octets()); details.next();) {
        if (!details.is_number(5)) continue;
        const std::int64_t seconds = details.number();
        if (seconds > 0) made.retry_after = std::chrono::seconds(std::min<std::int64_t>(seconds, 3600));
      }
    }
  }
  return made;
}

/// The message Unknown around every object that stands by itself.
struct Wrapped {
  explicit Wrapped(std::string_view octets) {
    if (!octets.starts_with(protobuf_magic)) throw Refusal{"the object does not begin as Kubernetes protobuf", true};
    for (Message unknown(octets.substr(protobuf_magic.size())); unknown.next();) {
      if (unknown.is_octets(1)) {
        for (Message type(unknown.octets()); type.next();) {
          if (type.is_octets(2)) kind = type.octets();
        }
      } else if (unknown.is_octets(2)) {
        raw = unknown.octets();
      } else if (unknown.is_octets(3)) {
        if (!unknown.octets().empty()) throw Refusal{"the object is encoded once more", true};
      }
    }
  }
  std::string_view kind, raw;
};

/// Has `read(made)` fill a new one, and turns what it raises into text.
template <typename Made, typename Read>
std::expected<Made, DecodeFault> run(Read&& read) {
  std::expected<Made, DecodeFault> made;
  try {
    read(*made);
  } catch (const Refusal& refusal) {
    made = std::unexpected(DecodeFault{refusal.text, refusal.is_malformed});
  } catch (const protozero::exception& error) {
    made = std::unexpected(DecodeFault{std::string("protobuf: ") + error.what(), true});
  }
  return made;
}

}  // namespace

std::expected<DecodedObject, DecodeFault> ProtobufDecoder::object(std::string& octets) {
  return run<DecodedObject>([&](DecodedObject& decoded) { read_object(kind_, wanted_, octets, decoded); });
}

std::expected<WatchEvent, DecodeFault> ProtobufDecoder::event(std::string& octets) {
  return run<WatchEvent>([&](WatchEvent& event) {
    std::string_view type, extension;
    for (Message message(octets); message.next();) {
      if (message.is_octets(1)) {
        type = message.octets();
      } else if (message.is_octets(2)) {
        for (Message raw(message.octets()); raw.next();) {
          if (raw.is_octets(1)) extension = raw.octets();
        }
      }
    }
    const auto known = event_type_from(type);
    if (!known) throw Refusal{"type is unknown: " + std::string(type.substr(0, 40)), true};
    event.type = *known;
    const Wrapped object(extension);
    if (event.type == WatchEvent::Type::error) {
      event.status = read_status(object.raw);
    } else if (event.type == WatchEvent::Type::added_or_modified) {
      read_object(kind_, wanted_, object.raw, event.object);
      event.resource_version = event.object.resource_version;
    } else {
      MetadataDraft metadata;
      read_metadata_of(object.raw, metadata);
      metadata.name(event, kind_);
      if (event.type == WatchEvent::Type::deleted && event.object.key.name.empty())
        throw Refusal{"metadata.name is missing"};
    }
  });
}

std::expected<ListMetadata, DecodeFault> ProtobufDecoder::list_metadata(std::string& octets) {
  return run<ListMetadata>([&](ListMetadata& made) {
    for (Message metadata(octets); metadata.next();) {
      if (metadata.is_octets(2)) {
        made.resource_version = metadata.octets();
        if (made.resource_version.size() > resource_version_octets_max) throw Refusal{"resourceVersion is too long"};
      } else if (metadata.is_octets(3)) {
        made.continue_token = metadata.octets();
        if (made.continue_token.size() > continue_token_octets_max) throw Refusal{"continue is too long"};
      }
    }
  });
}

std::optional<ApiStatus> decode_protobuf_status(std::string_view octets) {
  auto status = run<ApiStatus>([&](ApiStatus& made) {
    const Wrapped object(octets);
    if (object.kind != "Status") throw Refusal{"no Status"};
    made = read_status(object.raw);
  });
  if (!status) return std::nullopt;
  return std::move(*status);
}

}  // namespace fairlead::k8s
