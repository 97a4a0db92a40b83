// The errors of the API, as the Status objects that clients know how to read.
//
// Threads: values.
// Standards: Kubernetes API conventions, "Response Status Kind": code, reason, message, details.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tools/kubesim/json.hpp"
#include "tools/kubesim/kinds.hpp"

namespace fairlead::kubesim {

struct ApiError {
  unsigned code = 500;
  std::string reason = {};
  std::string message = {};
  Json details = nullptr;        // an object, or null
  std::string continue_at = {};  // for an expired list: where an inconsistent continuation may start
  unsigned retry_after_s = 0;
};

/// A Status object of kind Failure.
Json to_status(const ApiError& error);
/// The reason that the real server gives for a bare status code, such as 429 -> TooManyRequests.
std::string_view reason_of(unsigned code);

ApiError bad_request(std::string message);
ApiError unauthorized();
ApiError path_not_found();
ApiError not_found(const Kind& kind, const std::string& name);
ApiError already_exists(const Kind& kind, const std::string& name);
ApiError conflict(const Kind& kind, const std::string& name, const std::string& why);
ApiError method_not_allowed();
ApiError unsupported_media(const std::string& type, const std::string& supported);

struct FieldFault {
  std::string field;    // "spec.ports[0].port"
  std::string message;  // "Invalid value: ..."
};
ApiError invalid(const Kind& kind, const std::string& name, const std::vector<FieldFault>& faults);

/// 410 for a watch or list at a version that the history no longer reaches.
ApiError expired(const std::string& message);
/// 504 for a list at a version that is not there yet.
ApiError version_too_large(std::uint64_t wanted, std::uint64_t current);

}  // namespace fairlead::kubesim
