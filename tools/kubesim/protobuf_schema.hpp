// Which fields of which message stand under which number, for the kinds that cluster DNS reads.
//
// Threads: constant data.
// Standards: the generated.proto files of k8s.io/api and k8s.io/apimachinery, whose numbers never change.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "tools/kubesim/kinds.hpp"

namespace fairlead::kubesim {

enum class ProtobufType {
  text,
  integer,
  boolean,
  message,
  map,            // of strings: messages with key = 1 and value = 2
  time,           // seconds = 1; RFC 3339 in JSON
  int_or_string,  // type = 1, intVal = 2, strVal = 3
};

struct ProtobufField {
  std::uint32_t number;
  std::string_view name;
  ProtobufType type;
  bool is_list;
  std::span<const ProtobufField> fields;  // of a message
};

/// The fields of an object, by rising number; none for kinds without protobuf.
std::span<const ProtobufField> protobuf_schema_of(const Kind& kind);
std::span<const ProtobufField> protobuf_schema_of_status();
std::span<const ProtobufField> protobuf_schema_of_list_metadata();

}  // namespace fairlead::kubesim
