// Protobuf bodies of writes, turned into JSON.
//
// kubectl's generators (`kubectl create namespace`, `kubectl create service`) send their objects so, whatever the
// server prefers. Namespaces and Services are read.
//
// Threads: a function on values.
// Limits: the text bounds everything: each field is read once; messages nest as deep as the schema, no deeper.
// Errors: a message for what is not Kubernetes protobuf, or is cut short. Unknown fields are left out.
// Standards: Protocol Buffers encoding; Kubernetes' envelope: "k8s\0", then runtime.Unknown.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "tools/kubesim/json.hpp"
#include "tools/kubesim/kinds.hpp"

namespace fairlead::kubesim {

/// True for kinds whose protobuf can be read.
bool has_protobuf_schema(const Kind& kind);

std::expected<Json, std::string> read_protobuf(const Kind& kind, std::string_view body);

}  // namespace fairlead::kubesim
