#include "k8s/wire_format.hpp"

#include "k8s/json_decoder.hpp"
#include "k8s/list_stream.hpp"
#include "k8s/protobuf_decoder.hpp"
#include "k8s/protobuf_stream.hpp"
#include "k8s/watch_stream.hpp"

namespace fairlead::k8s {

WireFormat format_of(std::string_view content_type) {
  return content_type.starts_with("application/vnd.kubernetes.protobuf") ? WireFormat::protobuf : WireFormat::json;
}

std::unique_ptr<ObjectDecoder> make_decoder(WireFormat format, Kind kind, WantedFields wanted) {
  if (format == WireFormat::protobuf) return std::make_unique<ProtobufDecoder>(kind, wanted);
  return std::make_unique<JsonDecoder>(kind, wanted);
}

std::unique_ptr<ListStream> make_list_stream(WireFormat format, ListStream::Handler& handler) {
  if (format == WireFormat::protobuf) return std::make_unique<ProtobufListStream>(handler);
  return std::make_unique<JsonListStream>(handler);
}

std::unique_ptr<WatchStream> make_watch_stream(WireFormat format, WatchStream::Handler& handler) {
  if (format == WireFormat::protobuf) return std::make_unique<ProtobufWatchStream>(handler);
  return std::make_unique<JsonWatchStream>(handler);
}

std::optional<ApiStatus> decode_status(std::string_view body) {
  return body.starts_with(protobuf_magic) ? decode_protobuf_status(body) : decode_json_status(body);
}

}  // namespace fairlead::k8s
