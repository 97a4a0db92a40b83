// The forms in which a client may ask for objects: as they are (JSON or protobuf), as a Table for people, or their
// metadata alone.
//
// Threads: functions on values.
// Standards: Kubernetes API concepts, "Receiving resources as Tables" and PartialObjectMetadata.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tools/kubesim/object_registry.hpp"
#include "tools/kubesim/protobuf_schema.hpp"

namespace fairlead::kubesim {

enum class Form { object, table, metadata };

struct Representation {
  Form form = Form::object;
  std::string version = "v1";               // of meta.k8s.io
  std::string include_object = "Metadata";  // of a Table's rows: None, Metadata, Object
  std::string content_type = "application/json";
  bool is_protobuf = false;  // Form::object alone
};

/// One media range of an Accept header: "application/json;as=Table;v=v1;g=meta.k8s.io".
struct MediaRange {
  std::string type;
  std::string as, group, version, stream;
};
std::vector<MediaRange> parse_accept(std::string_view accept);

/// `protobuf_of`: the kind, if it may be sent as protobuf. Nothing if the client takes nothing that kubesim speaks
/// (406).
std::optional<Representation> negotiate(std::string_view accept, std::string_view include_object,
                                        const Kind* protobuf_of = nullptr);

/// The object as it stands alone: in the answer to a GET and in a watch event.
std::string render(const Object& object, const Representation& representation);
/// What comes before the items of a list, between them and after them. `metadata` is the list's.
std::string render_list_head(const Kind& kind, const Json& metadata, const std::vector<ObjectPtr>& objects,
                             const Representation& representation);
std::string render_list_item(const Object& object, const Representation& representation);
std::string_view list_separator(const Representation& representation);
std::string_view list_end(const Representation& representation);

/// An event of a watch. `object` is rendered.
std::string render_event(std::string_view type, std::string_view object, const Representation& representation);
/// What is no object of the registry: a bookmark or a Status, with apiVersion and kind.
std::string render_json(const Json& object, std::span<const ProtobufField> fields,
                        const Representation& representation);

}  // namespace fairlead::kubesim
