#include "resolver/upstream.hpp"

#include "resolver/ares_upstream.hpp"
#include "resolver/tls_upstream.hpp"

namespace fairlead::resolver {

std::string UpstreamAddress::to_string() const {
  const std::string host = address.to_string();
  return (address.is_v6() ? "[" + host + "]:" : host + ":") + std::to_string(port);
}

std::string_view to_string(UpstreamError error) {
  switch (error) {
    case UpstreamError::timed_out: return "timed out";
    case UpstreamError::unreachable: return "unreachable";
    case UpstreamError::tls_failed: return "no TLS";
    case UpstreamError::bad_reply: return "bad reply";
    case UpstreamError::busy: return "too many outstanding queries";
    case UpstreamError::cancelled: return "cancelled";
  }
  return "unknown";
}

std::unique_ptr<Upstream> make_upstream(asio::io_context& io, const UpstreamConfig& config) {
  switch (config.address.protocol) {
    case UpstreamProtocol::dns: return make_ares_upstream(io, config);
    case UpstreamProtocol::tls: return make_tls_upstream(io, config);
  }
  return nullptr;
}

}  // namespace fairlead::resolver
