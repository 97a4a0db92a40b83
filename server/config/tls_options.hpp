// The typed options of `tls`. As directive_options.hpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "server/config/fault.hpp"
#include "server/config/query_options.hpp"

namespace fairlead::server {

/// What is asked of a client for a certificate, in the words of CoreDNS's `client_auth`.
enum class ClientCertificate : std::uint8_t {
  none,                // nocert
  request,             // any, or none
  require,             // any
  verify_if_given,     // none, or one of a trusted CA
  require_and_verify,  // one of a trusted CA
};

/// `tls CERT KEY [CA] { client_auth MODE; keylog FILE }`
struct TlsOptions {
  SourceLine at;
  std::string certificate_file;
  std::string key_file;
  std::string ca_file;  // of clients; empty: the system's
  ClientCertificate client_certificate = ClientCertificate::none;
  std::string keylog_file;  // empty: none
};

/// The same with paths that begin at `root`.
TlsOptions below_root(const std::optional<RootOptions>& root, TlsOptions options);

/// Whether both make one listener of it, wherever they are written.
bool is_same_tls(const TlsOptions& a, const TlsOptions& b);

}  // namespace fairlead::server
