#include "tools/kubesim/api_error.hpp"

namespace fairlead::kubesim {
namespace {

Json name_details(const Kind& kind, const std::string& name) {
  Json details = {{"name", name}, {"kind", kind.plural}};
  if (!kind.group.empty()) details["group"] = kind.group;
  return details;
}

}  // namespace

Json to_status(const ApiError& error) {
  Json metadata = Json::object();
  if (!error.continue_at.empty()) metadata["continue"] = error.continue_at;
  Json status = {{"kind", "Status"},         {"apiVersion", "v1"},     {"metadata", metadata}, {"status", "Failure"},
                 {"message", error.message}, {"reason", error.reason}, {"code", error.code}};
  if (error.reason.empty()) status.erase("reason");
  Json details = error.details;
  if (error.retry_after_s != 0) details["retryAfterSeconds"] = error.retry_after_s;
  if (!details.is_null()) status["details"] = details;
  return status;
}

std::string_view reason_of(unsigned code) {
  switch (code) {
    case 400: return "BadRequest";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "NotFound";
    case 405: return "MethodNotAllowed";
    case 406: return "NotAcceptable";
    case 409: return "Conflict";
    case 410: return "Expired";
    case 413: return "RequestEntityTooLarge";
    case 415: return "UnsupportedMediaType";
    case 422: return "Invalid";
    case 429: return "TooManyRequests";
    case 500: return "InternalError";
    case 503: return "ServiceUnavailable";
    case 504: return "Timeout";
    default: return "";
  }
}

ApiError bad_request(std::string message) {
  return {.code = 400, .reason = "BadRequest", .message = std::move(message)};
}

ApiError unauthorized() { return {.code = 401, .reason = "Unauthorized", .message = "Unauthorized"}; }

ApiError path_not_found() {
  return {.code = 404,
          .reason = "NotFound",
          .message = "the server could not find the requested resource",
          .details = Json::object()};
}

ApiError not_found(const Kind& kind, const std::string& name) {
  return {.code = 404,
          .reason = "NotFound",
          .message = kind.qualified_resource() + " \"" + name + "\" not found",
          .details = name_details(kind, name)};
}

ApiError already_exists(const Kind& kind, const std::string& name) {
  return {.code = 409,
          .reason = "AlreadyExists",
          .message = kind.qualified_resource() + " \"" + name + "\" already exists",
          .details = name_details(kind, name)};
}

ApiError conflict(const Kind& kind, const std::string& name, const std::string& why) {
  return {.code = 409,
          .reason = "Conflict",
          .message = "Operation cannot be fulfilled on " + kind.qualified_resource() + " \"" + name + "\": " + why,
          .details = name_details(kind, name)};
}

ApiError method_not_allowed() {
  return {.code = 405,
          .reason = "MethodNotAllowed",
          .message = "the server does not allow this method on the requested resource",
          .details = Json::object()};
}

ApiError unsupported_media(const std::string& type, const std::string& supported) {
  return {.code = 415,
          .reason = "UnsupportedMediaType",
          .message = "the body of the request was in an unknown format (" + type +
                     ") - accepted media types include: " + supported};
}

ApiError invalid(const Kind& kind, const std::string& name, const std::vector<FieldFault>& faults) {
  std::string message = std::string(kind.name) + " \"" + name + "\" is invalid: ";
  Json causes = Json::array();
  for (const FieldFault& fault : faults) {
    if (!causes.empty()) message += ", ";
    message += fault.field + ": " + fault.message;
    causes.push_back({{"reason", "FieldValueInvalid"}, {"message", fault.message}, {"field", fault.field}});
  }
  Json details = {{"name", name}, {"kind", kind.name}, {"causes", causes}};
  if (!kind.group.empty()) details["group"] = kind.group;
  return {.code = 422, .reason = "Invalid", .message = message, .details = details};
}

ApiError expired(const std::string& message) { return {.code = 410, .reason = "Expired", .message = message}; }

ApiError version_too_large(std::uint64_t wanted, std::uint64_t current) {
  return {.code = 504,
          .reason = "Timeout",
          .message = "Timeout: Too large resource version: " + std::to_string(wanted) +
                     ", current: " + std::to_string(current),
          .details = {{"causes", {{{"reason", "ResourceVersionTooLarge"}, {"message", "Too large resource version"}}}}},
          .retry_after_s = 1};
}

}  // namespace fairlead::kubesim
