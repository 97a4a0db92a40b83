// Objects, watch events and list metadata of the Kubernetes API, from JSON.
//
// Threads: one at a time for a decoder; decode_json_status() from any.
// Limits: the caller bounds the text (list_stream.hpp, watch_stream.hpp).
// Errors: as of every ObjectDecoder.
// Standards: RFC 8259.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "k8s/object_decoder.hpp"

namespace fairlead::k8s {

class JsonDecoder final : public ObjectDecoder {
 public:
  explicit JsonDecoder(Kind kind, WantedFields wanted = {});
  ~JsonDecoder() override;
  JsonDecoder(const JsonDecoder&) = delete;
  JsonDecoder& operator=(const JsonDecoder&) = delete;

  std::expected<DecodedObject, DecodeFault> object(std::string& json) override;
  std::expected<WatchEvent, DecodeFault> event(std::string& json) override;
  std::expected<ListMetadata, DecodeFault> list_metadata(std::string& json) override;

 private:
  struct Parser;
  Kind kind_;
  WantedFields wanted_;
  std::unique_ptr<Parser> parser_;
};

/// Nothing if the text is no Status object.
std::optional<ApiStatus> decode_json_status(std::string_view json);

}  // namespace fairlead::k8s
