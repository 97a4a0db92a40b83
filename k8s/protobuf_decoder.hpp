// Objects, watch events and list metadata of the Kubernetes API, from protobuf.
//
// Messages are walked by field number and everything that is not needed is skipped, without copies; the numbers are
// those of generated.proto in k8s.io/api and k8s.io/apimachinery, which never change. A field of another wire type than
// ours is skipped as unknown (protobuf's rule). Custom resources (ServiceImport) do not exist in this format.
//
// Threads: one at a time for a decoder; decode_protobuf_status() from any.
// Limits: the caller bounds the octets (protobuf_stream.hpp).
// Errors: as of every ObjectDecoder.
// Standards: Protocol Buffers encoding; Kubernetes API concepts, "Protobuf encoding".
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "k8s/object_decoder.hpp"

namespace fairlead::k8s {

/// What a Kubernetes object in protobuf begins with, before the message Unknown that wraps it.
inline constexpr std::string_view protobuf_magic("k8s\0", 4);

class ProtobufDecoder final : public ObjectDecoder {
 public:
  explicit ProtobufDecoder(Kind kind, WantedFields wanted = {}) : kind_(kind), wanted_(wanted) {}

  /// The message of the kind itself, as lists hold it.
  std::expected<DecodedObject, DecodeFault> object(std::string& octets) override;
  /// A WatchEvent, whose object is wrapped.
  std::expected<WatchEvent, DecodeFault> event(std::string& octets) override;
  /// A ListMeta.
  std::expected<ListMetadata, DecodeFault> list_metadata(std::string& octets) override;

 private:
  Kind kind_;
  WantedFields wanted_;
};

/// Nothing if the octets are no wrapped Status.
std::optional<ApiStatus> decode_protobuf_status(std::string_view octets);

}  // namespace fairlead::k8s
