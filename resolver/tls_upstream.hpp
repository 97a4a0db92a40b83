// A DNS over TLS upstream: queries share one connection, which is opened anew when it ends, and resumed with the
// session that the upstream gave last.
//
// Threads: as Upstream. A TlsClientContext is made once and may be used by every worker.
// Limits: tls_outstanding_max queries of one upstream; retired_channels_max connections that are being replaced; ten
// attempts a second at a connection that does not come about.
// Errors: as Upstream; make_tls_client_context() says which file it could not use. A connection that the upstream
// closed while it was in use is opened again once per query, unseen.
// Security and standards: tls_connection.hpp.
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
