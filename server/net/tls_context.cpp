#include "server/net/tls_context.hpp"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <vector>

namespace fairlead::server {
namespace {

using Failure = std::unexpected<std::string>;

constexpr long ticket_seconds = 3600;

struct BioDeleter {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
struct CertificateDeleter {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
struct KeyDeleter {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct ContextDeleter {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using Bio = std::unique_ptr<BIO, BioDeleter>;
using Certificate = std::unique_ptr<X509, CertificateDeleter>;
using Key = std::unique_ptr<EVP_PKEY, KeyDeleter>;

// Without it OpenSSL would ask the terminal.
int no_passphrase(char*, int, int, void*) { return -1; }

Bio open(const PemFile& file) { return Bio(BIO_new_mem_buf(file.text.data(), static_cast<int>(file.text.size()))); }

std::string openssl_reason() {
  const char* const reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return reason == nullptr ? "it cannot be used" : reason;
}

Failure fail(std::string_view what, const PemFile& file, std::string_view reason) {
  return Failure("cannot load " + std::string(what) + " from " + file.path + ": " + std::string(reason));
}

// All certificates of the file, the first one first; what else stands in it is passed over.
std::expected<std::vector<Certificate>, std::string> read_certificates(std::string_view what, const PemFile& file) {
  std::vector<Certificate> certificates;
  ERR_clear_error();
  const Bio bio = open(file);
  while (bio != nullptr) {
    Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr));
    if (certificate == nullptr) break;
    certificates.push_back(std::move(certificate));
    if (certificates.size() > tls_certificates_max) {
      return fail(what, file, "it has more than " + std::to_string(tls_certificates_max) + " certificates");
    }
  }
  // The end of the file looks so.
  const unsigned long error = ERR_peek_last_error();
  const bool is_end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  if (!is_end) return fail(what, file, openssl_reason());
  ERR_clear_error();
  if (certificates.empty()) return fail(what, file, "there is no 'BEGIN CERTIFICATE' in it");
  return certificates;
}

std::expected<std::time_t, std::string> use_certificate(SSL_CTX* context, const PemFile& file) {
  const auto chain = read_certificates("a certificate", file);
  if (!chain) return Failure(chain.error());
  if (SSL_CTX_use_certificate(context, chain->front().get()) != 1) return fail("a certificate", file, openssl_reason());
  for (std::size_t i = 1; i < chain->size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context, (*chain)[i].get()) != 1) {
      return fail("a certificate", file, openssl_reason());
    }
  }
  std::tm end{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(chain->front().get()), &end) != 1) {
    return fail("a certificate", file, "its end of time cannot be read");
  }
  return timegm(&end);
}

std::expected<void, std::string> use_key(SSL_CTX* context, const TlsContextOptions& options) {
  const Bio bio = open(options.key);
  ERR_clear_error();
  const Key key(bio == nullptr ? nullptr : PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  if (key == nullptr) {
    const bool is_sealed = options.key.text.contains("ENCRYPTED");
    ERR_clear_error();
    return fail("the certificate's key", options.key,
                is_sealed ? "it is sealed with a passphrase; write it without one" : "it holds none that can be used");
  }
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    ERR_clear_error();
    return fail("the certificate's key", options.key,
                "it does not belong to the certificate in " + options.certificate.path);
  }
  return {};
}

std::expected<void, std::string> trust(SSL_CTX* context, const PemFile& file) {
  if (file.path.empty()) {
    if (SSL_CTX_set_default_verify_paths(context) == 1) return {};
    return Failure("cannot load the system's CA certificates: " + openssl_reason());
  }
  const auto authorities = read_certificates("CA certificates", file);
  if (!authorities) return Failure(authorities.error());
  X509_STORE* const store = SSL_CTX_get_cert_store(context);
  // As in Go, whatever the file has is trusted, an intermediate CA too.
  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  for (const auto& authority : *authorities) {
    if (X509_STORE_add_cert(store, authority.get()) != 1 || SSL_CTX_add_client_CA(context, authority.get()) != 1) {
      return fail("CA certificates", file, openssl_reason());
    }
  }
  return {};
}

std::expected<void, std::string> ask_for_certificates(SSL_CTX* context, const TlsContextOptions& options) {
  // Any will do.
  constexpr auto accept = [](int, X509_STORE_CTX*) { return 1; };
  switch (options.client_certificate) {
    case ClientCertificate::none: SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr); return {};
    case ClientCertificate::request: SSL_CTX_set_verify(context, SSL_VERIFY_PEER, accept); return {};
    case ClientCertificate::require:
      SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, accept);
      return {};
    case ClientCertificate::verify_if_given: SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr); break;
    case ClientCertificate::require_and_verify:
      SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
      break;
  }
  return trust(context, options.client_ca);
}

}  // namespace

std::expected<std::shared_ptr<KeyLog>, std::string> KeyLog::open(const std::string& path) {
  // A pipe that nobody reads must not hold up the server.
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0600);
  if (file < 0) return std::unexpected("cannot write the key log " + path + ": " + std::strerror(errno));
  return std::shared_ptr<KeyLog>(new KeyLog(file));
}

KeyLog::~KeyLog() { ::close(file_); }

void KeyLog::write(const char* line) const {
  const std::string text = std::string(line) + '\n';
  [[maybe_unused]] const auto written = ::write(file_, text.data(), text.size());
}

TlsContext::TlsContext(ssl_ctx_st* handle, TlsContextOptions options)
    : handle_(handle), protocol_(std::move(options.protocol)), keylog_(std::move(options.keylog)) {}

TlsContext::~TlsContext() { SSL_CTX_free(handle_); }

int TlsContext::context_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

void TlsContext::log_key(const ssl_st* connection, const char* line) {
  const auto* const self = static_cast<const TlsContext*>(
      SSL_CTX_get_ex_data(SSL_get_SSL_CTX(const_cast<ssl_st*>(connection)), context_index()));
  if (self != nullptr && self->keylog_ != nullptr) self->keylog_->write(line);
}

int TlsContext::choose_protocol(ssl_st*, const unsigned char** chosen, unsigned char* chosen_octets,
                                const unsigned char* offered, unsigned offered_octets, void* context) {
  const std::string& protocol = static_cast<const TlsContext*>(context)->protocol_;
  // OpenSSL has checked the lengths.
  for (unsigned at = 0; at < offered_octets; at += 1u + offered[at]) {
    const std::string_view name(reinterpret_cast<const char*>(offered) + at + 1, offered[at]);
    if (name != protocol) continue;
    *chosen = offered + at + 1;
    *chosen_octets = offered[at];
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_NOACK;
}

std::expected<std::shared_ptr<const TlsContext>, std::string> TlsContext::make(const TlsContextOptions& options) {
  std::unique_ptr<SSL_CTX, ContextDeleter> context(SSL_CTX_new(TLS_server_method()));
  if (context == nullptr) return Failure("cannot set up TLS: " + openssl_reason());
  SSL_CTX* const raw = context.get();
  SSL_CTX_set_min_proto_version(raw, options.requires_tls13 ? TLS1_3_VERSION : TLS1_2_VERSION);
  // A stream that ends without goodbye is no fault: messages carry their length.
  SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  // An idle connection holds no buffers.
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(raw, 1);
  // Sessions are kept by the clients, in tickets; one is enough for a resolver that comes back.
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(raw, 1);
  SSL_CTX_set_timeout(raw, ticket_seconds);
  constexpr std::string_view session_context = "fairlead";
  SSL_CTX_set_session_id_context(raw, reinterpret_cast<const unsigned char*>(session_context.data()),
                                 static_cast<unsigned>(session_context.size()));
  SSL_CTX_set_verify_depth(raw, tls_chain_depth_max);
  SSL_CTX_set_max_cert_list(raw, tls_client_chain_octets_max);

  const auto not_after = use_certificate(raw, options.certificate);
  if (!not_after) return Failure(not_after.error());
  if (auto done = use_key(raw, options); !done) return Failure(done.error());
  if (auto done = ask_for_certificates(raw, options); !done) return Failure(done.error());

  std::shared_ptr<TlsContext> made(new TlsContext(context.release(), options));
  made->not_after_ = *not_after;
  SSL_CTX_set_ex_data(raw, context_index(), made.get());
  if (made->keylog_ != nullptr) SSL_CTX_set_keylog_callback(raw, &TlsContext::log_key);
  if (!made->protocol_.empty()) SSL_CTX_set_alpn_select_cb(raw, &TlsContext::choose_protocol, made.get());
  return made;
}

}  // namespace fairlead::server
