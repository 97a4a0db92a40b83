#include "resolver/upstream.hpp"

namespace fairlead::resolver {

std::string UpstreamAddress::to_string() const {
  const std::string host = address.to_string();
  return (address.is_v6() ? "[" + host + "]:" : host + ":") + std::to_string(port);
}

std::string_view to_string(UpstreamError error) {
  switch (error) {
    case UpstreamError::timed_out: return "timed out";
    case UpstreamError::unreachable: return "unreachable";
    case UpstreamError::bad_reply: return "bad reply";
    case UpstreamError::busy: return "too many outstanding queries";
    case UpstreamError::cancelled: return "cancelled";
  }
  return "unknown";
}

}  // namespace fairlead::resolver
