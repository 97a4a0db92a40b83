// What the octets of the Kubernetes API mean: objects, watch events, list metadata and error answers, in whichever
// format they come; only what DNS needs.
//
// The API server has validated what it stores, but nothing odd may reach the names: an object without a usable name
// or with a needed field of the wrong type is refused as a whole; a port or address that makes no sense is left out
// and counted, and the rest of the object is kept. Both formats give the same objects.
//
// Threads: one at a time for a decoder.
// Limits: the caller bounds the octets (object_stream.hpp).
// Errors: DecodeFault says which field is wrong, and whether the octets were of this shape at all.
// Standards: Kubernetes API v1 and discovery.k8s.io/v1; RFC 1123 §2.1 for labels.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
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

/// Fields that only some options ask for. Without, a decoder passes over them.
struct WantedFields {
  bool pod_names = true;       // of endpoints: target_ref_name
  bool topology_zones = true;  // of endpoints: zone
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
  /// Not of this format, or no event at all: something was lost on the way. Otherwise one object makes no sense to DNS.
  bool is_malformed = false;
};

class ObjectDecoder {
 public:
  virtual ~ObjectDecoder() = default;

  // The octets are not changed, but room may be reserved behind them for a parser to read into.
  virtual std::expected<DecodedObject, DecodeFault> object(std::string& octets) = 0;
  virtual std::expected<WatchEvent, DecodeFault> event(std::string& octets) = 0;
  virtual std::expected<ListMetadata, DecodeFault> list_metadata(std::string& octets) = 0;
};

}  // namespace fairlead::k8s
