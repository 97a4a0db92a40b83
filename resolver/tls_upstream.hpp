// A DNS over TLS upstream: queries share one connection, replies come in any order.
//
// The .cpp is the only file of this folder that includes OpenSSL.
//
// Threads: as Upstream. A TlsClientContext is made once and may be used by every worker.
// Limits: tls_outstanding_max queries of one upstream; retired_channels_max connections that are being replaced.
// Errors: as Upstream; make_tls_client_context() says which file it could not use. A connection that the upstream
// closed while it was in use is opened again once per query, unseen.
// Security: TLS 1.2 or newer; the certificate must be valid for the configured name, or for the address without one.
// Standards: RFC 7858, RFC 7766 §6.2.1.1 (pipelining) and §7 (out of order replies).
#pragma once

#include <expected>
#include <memory>
#include <string>

#include "resolver/upstream.hpp"

namespace fairlead::resolver {

/// `tls [CERT KEY] [CA]` of the Corefile; empty: no client certificate, the system's CAs.
struct TlsClientFiles {
  std::string certificate_file;
  std::string key_file;
  std::string ca_file;
};

std::expected<std::shared_ptr<TlsClientContext>, std::string> make_tls_client_context(const TlsClientFiles& files);

/// Null without a context in `config`.
std::unique_ptr<Upstream> make_tls_upstream(asio::io_context& io, const UpstreamConfig& config);

}  // namespace fairlead::resolver
