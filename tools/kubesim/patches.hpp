// The four kinds of PATCH.
//
// Strategic merge patches know, for the lists that our kinds have, which are merged by a key and which are replaced;
// the table stands in patches.cpp. Server-side apply is a strategic merge without field ownership: what an earlier
// apply set and a later one leaves out stays.
//
// Threads: functions on values.
// Limits: documents are at most json_depth_max deep (parse_json), so recursion is bounded.
// Errors: a message for a patch that does not fit the object.
// Standards: RFC 7386 (merge patch), RFC 6902 (JSON patch), Kubernetes strategic merge patch.
#pragma once

#include <expected>
#include <string>

#include "tools/kubesim/json.hpp"

namespace fairlead::kubesim {

enum class PatchType { merge, json, strategic, apply };

std::expected<Json, std::string> apply_patch(PatchType type, const Json& object, const Json& patch);

}  // namespace fairlead::kubesim
