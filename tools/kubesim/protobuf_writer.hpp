// JSON, written as the protobuf that the real API server sends.
//
// Fields that the schema does not have are left out; so are empty lists and null.
//
// Threads: functions on values.
// Standards: Protocol Buffers encoding; Kubernetes API concepts, "Protobuf encoding".
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "tools/kubesim/json.hpp"
#include "tools/kubesim/protobuf_schema.hpp"

namespace fairlead::kubesim {

/// The message alone, as it stands in a list.
std::string write_protobuf(const Json& object, std::span<const ProtobufField> fields);
/// The magic and the message Unknown around it, as it stands by itself.
std::string wrap_protobuf(std::string_view api_version, std::string_view kind, std::string_view message);
/// What comes before the items of a list; `items_octets` counts them with their tags and lengths.
std::string protobuf_list_head(const Kind& kind, const Json& metadata, std::size_t items_octets);
/// One item of a list, with its tag and length.
std::string protobuf_list_item(std::string_view message);
/// One event of a watch, its length in front.
std::string protobuf_event(std::string_view type, std::string_view wrapped_object);

}  // namespace fairlead::kubesim
