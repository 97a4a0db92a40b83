// What an encrypted listener shows its clients and asks of them: certificate, key, trusted CAs, and the rules.
//
// A context never changes: a new certificate makes a new one, which connections get from then on (TlsIdentity). The
// only other files that include OpenSSL here are tls_session.cpp and, for /metrics, server/control/https_stream.cpp.
//
// Threads: made on the control thread, used by every worker.
// Limits: tls_certificates_max certificates of one file; chains of clients have tls_chain_depth_max and
//   tls_client_chain_octets_max.
// Errors: a sentence that names the file.
// Security: TLS 1.2 or newer; no renegotiation, compression or early data. Tickets for resumption are sealed with keys
//   that end with the context, so they never outlive a change of certificate or CA. A key with a passphrase is refused.
// Standards: RFC 8446, RFC 5246, RFC 9325, RFC 7301.
#pragma once

#include <cstdint>
#include <ctime>
#include <expected>
#include <memory>
#include <string>

#include "server/config/tls_options.hpp"

struct ssl_ctx_st;
struct ssl_st;

namespace fairlead::server {

inline constexpr std::size_t tls_certificates_max = 1000;  // a bundle of all public CAs has about 150
inline constexpr int tls_chain_depth_max = 8;
inline constexpr int tls_client_chain_octets_max = 32 * 1024;

/// A file's name, for messages, and what it holds.
struct PemFile {
  std::string path;  // empty: there is none
  std::string text;
};

/// Where the secrets of connections go: `keylog`. A file that does not take a line at once loses it.
class KeyLog {
 public:
  static std::expected<std::shared_ptr<KeyLog>, std::string> open(const std::string& path);
  ~KeyLog();
  KeyLog(const KeyLog&) = delete;
  KeyLog& operator=(const KeyLog&) = delete;
  void write(const char* line) const;

 private:
  explicit KeyLog(int file) : file_(file) {}
  const int file_;
};

struct TlsContextOptions {
  PemFile certificate;  // the server's, and behind it those that lead to the CA
  PemFile key;
  PemFile client_ca;  // without one, the system's
  ClientCertificate client_certificate = ClientCertificate::none;
  std::string protocol;  // for ALPN, "dot"; a client that offers others alone is served all the same
  bool requires_tls13 = false;
  std::shared_ptr<KeyLog> keylog;
};

class TlsContext {
 public:
  static std::expected<std::shared_ptr<const TlsContext>, std::string> make(const TlsContextOptions& options);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  ssl_ctx_st* handle() const { return handle_; }
  /// The end of the certificate's time, in seconds since 1970.
  std::time_t not_after() const { return not_after_; }

 private:
  TlsContext(ssl_ctx_st* handle, TlsContextOptions options);
  static void log_key(const ssl_st* connection, const char* line);
  static int choose_protocol(ssl_st* connection, const unsigned char** chosen, unsigned char* chosen_octets,
                             const unsigned char* offered, unsigned offered_octets, void* context);
  static int context_index();

  ssl_ctx_st* const handle_;
  const std::string protocol_;
  const std::shared_ptr<KeyLog> keylog_;
  std::time_t not_after_ = 0;
};

}  // namespace fairlead::server
