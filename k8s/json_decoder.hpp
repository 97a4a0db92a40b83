// Objects, watch events, list metadata and error answers of the Kubernetes API, from JSON; only what DNS needs.
//
// The API server has validated what it stores, but nothing odd may reach the names: an object without a usable name
// or with a needed field of the wrong type is refused as a whole; a port or address that makes no sense is left out
// and counted, and the rest of the object is kept.
//
// Threads: one at a time for a decoder; decode_status() from any.
// Limits: the caller bounds the text (list_stream.hpp, watch_stream.hpp).
// Errors: DecodeFault says which field is wrong, and whether the text was JSON of this shape at all.
// Standards: Kubernetes API v1 and discovery.k8s.io/v1, multicluster.x-k8s.io/v1alpha1 (KEP-1645); RFC 1123 §2.1 for
// labels.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "k8s/objects.hpp"

namespace fairlead::k8s {

struct DecodedObject {
  ObjectKey key;
  std::string resource_version;
  /// Empty: the object is of no interest (a slice without a Service, or of host names); an older version of it goes.
  std::variant<std::monostate, Namespace, Service, EndpointSlice, Pod, ServiceImport> content;
  std::uint32_t odd_parts = 0;  // ports and addresses left out
};

/// The Status object that comes with an error.
struct ApiStatus {
  int code = 0;
  std::string reason;   // "Expired", "Forbidden"
  std::string message;  // for people
  std::optional<std::chrono::seconds> retry_after;
};

struct WatchEvent {
  enum class Type : std::uint8_t { added_or_modified, deleted, bookmark, error };
  Type type = Type::bookmark;
  std::string resource_version;
  DecodedObject object;  // for deleted only its key
  /// A bookmark behind the last of the objects that a streaming list begins with.
  bool ends_initial_events = false;
  ApiStatus status;  // for error
};

struct ListMetadata {
  std::string resource_version;
  std::string continue_token;
};

struct DecodeFault {
  std::string text;
  /// Not JSON, or no event at all: something was lost on the way. Otherwise one object makes no sense to DNS.
  bool is_malformed = false;
};

class JsonDecoder {
 public:
  explicit JsonDecoder(Kind kind);
  ~JsonDecoder();
  JsonDecoder(const JsonDecoder&) = delete;
  JsonDecoder& operator=(const JsonDecoder&) = delete;

  // The texts are not changed, but room is reserved behind them for the parser to read into.
  std::expected<DecodedObject, DecodeFault> object(std::string& json);
  std::expected<WatchEvent, DecodeFault> event(std::string& json);
  std::expected<ListMetadata, DecodeFault> list_metadata(std::string& json);

 private:
  struct Parser;
  Kind kind_;
  std::unique_ptr<Parser> parser_;
};

/// Nothing if the text is no Status object.
std::optional<ApiStatus> decode_status(std::string_view json);

/// A label of lower-case letters, digits and inner hyphens, as Kubernetes names things that become labels.
bool is_dns_label(std::string_view text);

/// The value of the label multicluster.kubernetes.io/source-cluster, if it can be one label of a name.
bool is_cluster_id(std::string_view text);

}  // namespace fairlead::k8s
