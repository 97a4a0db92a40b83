// The formats in which the API server may answer, and what reads each.
//
// We prefer protobuf and take JSON; the Content-Type of an answer says which it is. Custom resources have JSON alone.
//
// Threads: any.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "k8s/object_decoder.hpp"
#include "k8s/object_stream.hpp"

namespace fairlead::k8s {

enum class WireFormat : std::uint8_t { json, protobuf };

inline constexpr const char* accept_json = "application/json";
inline constexpr const char* accept_protobuf_list = "application/vnd.kubernetes.protobuf,application/json";
inline constexpr const char* accept_protobuf_watch =
    "application/vnd.kubernetes.protobuf;stream=watch,application/vnd.kubernetes.protobuf,application/json";

/// Everything that does not say that it is protobuf is read as JSON, and refused there if it is not.
WireFormat format_of(std::string_view content_type);

std::unique_ptr<ObjectDecoder> make_decoder(WireFormat format, Kind kind, WantedFields wanted);
std::unique_ptr<ListStream> make_list_stream(WireFormat format, ListStream::Handler& handler);
std::unique_ptr<WatchStream> make_watch_stream(WireFormat format, WatchStream::Handler& handler);

/// The body of an error, in either format; nothing if it is no Status object.
std::optional<ApiStatus> decode_status(std::string_view body);

}  // namespace fairlead::k8s
