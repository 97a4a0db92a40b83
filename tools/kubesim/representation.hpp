// The forms in which a client may ask for objects: as they are, as a Table for people, or their metadata alone.
//
// Threads: functions on values.
// Standards: Kubernetes API concepts, "Receiving resources as Tables" and PartialObjectMetadata.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/kubesim/object_registry.hpp"

namespace fairlead::kubesim {

enum class Form { object, table, metadata };

struct Representation {
  Form form = Form::object;
  std::string version = "v1";               // of meta.k8s.io
  std::string include_object = "Metadata";  // of a Table's rows: None, Metadata, Object
  std::string content_type = "application/json";
};

/// One media range of an Accept header: "application/json;as=Table;v=v1;g=meta.k8s.io".
struct MediaRange {
  std::string type;
  std::string as, group, version;
};
std::vector<MediaRange> parse_accept(std::string_view accept);

/// Nothing if the client takes nothing that kubesim speaks (406).
std::optional<Representation> negotiate(std::string_view accept, std::string_view include_object);

/// The object as it stands alone: in the answer to a GET and in a watch event.
std::string render(const Object& object, const Representation& representation);
/// What comes before the items of a list. `metadata` is the list's.
std::string render_list_head(const Kind& kind, const Json& metadata, const Representation& representation);
std::string render_list_item(const Object& object, const Representation& representation);

}  // namespace fairlead::kubesim
