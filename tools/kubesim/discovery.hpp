// The documents by which clients find out what the server has: versions, groups, resources, OpenAPI.
//
// All of it follows from the table of kinds. OpenAPI is only as much as kubectl needs to send its writes (that the
// server validates fields itself); there are no schemas.
//
// Threads: functions on constant data.
// Standards: Kubernetes discovery v1 and aggregated discovery (apidiscovery.k8s.io/v2), OpenAPI 3.0.
#pragma once

#include <optional>
#include <string_view>

#include "tools/kubesim/http_message.hpp"

namespace fairlead::kubesim {

/// The answer to a GET of a discovery path; nothing if `path` is not one.
std::optional<Reply> answer_discovery(std::string_view path, std::string_view accept);

}  // namespace fairlead::kubesim
