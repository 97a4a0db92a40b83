// The four kinds of PATCH.
//
// Strategic merge patches know, for the lists that our kinds have, which are merged by a key and which are replaced;
// the table stands in patches.cpp. Server-side apply is a strategic merge without field ownership: what an earlier
// apply set and a later one leaves out stays.
//
// Threads: functions on values.
// Limits: documents are at most json_depth_max deep (parse_json), so recursion is bounded; a JSON patch has at most
//   `json_patch_operations_max` operations and may not grow the object past `patched_nodes_max` values.
// Errors: a message for a patch that does not fit the object.
// Standards: RFC 7386 (merge patch), RFC 6902 (JSON patch), Kubernetes strategic merge patch.
#pragma once

#include <cstddef>
#include <expected>
#include <string>

#include "tools/kubesim/json.hpp"

namespace fairlead::kubesim {

inline constexpr std::size_t json_patch_operations_max = 1000;
inline constexpr std::size_t patched_nodes_max = 100'000;

enum class PatchType { merge, json, strategic, apply };

std::expected<Json, std::string> apply_patch(PatchType type, const Json& object, const Json& patch);

}  // namespace fairlead::kubesim
