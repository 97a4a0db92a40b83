#include "server/net/tls_session.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "server/net/limits.hpp"

namespace fairlead::server {

// OpenSSL's way to the socket and to output().
struct TlsSession::SocketBio {
  static TlsSession& session_of(bio_st* bio) { return *static_cast<TlsSession*>(BIO_get_data(bio)); }

  static int read(bio_st* bio, char* to, int octets) {
    TlsSession& session = session_of(bio);
    BIO_clear_retry_flags(bio);
    const auto wanted = std::min(session.octets_left_, static_cast<std::size_t>(std::max(octets, 0)));
    if (wanted == 0) {
      BIO_set_retry_read(bio);
      return -1;
    }
    const auto got = ::recv(session.socket_, to, wanted, MSG_DONTWAIT);
    if (got > 0) {
      session.octets_left_ -= static_cast<std::size_t>(got);
      return static_cast<int>(got);
    }
    if (got == 0) {
      session.is_at_end_ = true;
      return 0;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) BIO_set_retry_read(bio);
    return -1;
  }

  static int write(bio_st* bio, const char* from, int octets) {
    BIO_clear_retry_flags(bio);
    const auto* const begin = reinterpret_cast<const std::uint8_t*>(from);
    auto& output = session_of(bio).output_;
    output.insert(output.end(), begin, begin + octets);
    return octets;
  }

  static long control(bio_st* bio, int command, long, void*) {
    // Without a word about the end OpenSSL takes it for a broken connection, which cannot be written to.
    if (command == BIO_CTRL_EOF) return session_of(bio).is_at_end_ ? 1 : 0;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
  }

  static bio_st* make(TlsSession& session) {
    static BIO_METHOD* const method = [] {
      BIO_METHOD* const made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "fairlead connection");
      if (made == nullptr) return made;
      BIO_meth_set_read(made, &read);
      BIO_meth_set_write(made, &write);
      BIO_meth_set_ctrl(made, &control);
      return made;
    }();
    bio_st* const bio = method == nullptr ? nullptr : BIO_new(method);
    if (bio == nullptr) return nullptr;
    BIO_set_data(bio, &session);
    BIO_set_init(bio, 1);
    return bio;
  }
};

void TlsSession::SslDeleter::operator()(ssl_st* connection) const { SSL_free(connection); }

TlsSession::TlsSession(std::shared_ptr<const TlsContext> context, int socket)
    : context_(std::move(context)), socket_(socket), connection_(SSL_new(context_->handle())) {
  bio_st* const bio = connection_ == nullptr ? nullptr : SocketBio::make(*this);
  if (bio == nullptr) {
    connection_.reset();
    has_failed_ = true;
    reason_ = "out of memory";
    return;
  }
  SSL_set_bio(connection_.get(), bio, bio);
  SSL_set_accept_state(connection_.get());
}

TlsSession::~TlsSession() = default;

void TlsSession::begin_turn() {
  octets_left_ = tls_turn_octets_max;
  // What another session of this thread left would be read as ours.
  ERR_clear_error();
}

TlsSession::Progress TlsSession::shake_hands() {
  if (has_failed_) return Progress::failed;
  begin_turn();
  const int result = SSL_do_handshake(connection_.get());
  return result == 1 ? Progress::done : explain(result);
}

TlsSession::Progress TlsSession::read(std::span<std::uint8_t> room, std::size_t& octets) {
  octets = 0;
  if (has_failed_) return Progress::failed;
  begin_turn();
  while (octets < room.size()) {
    std::size_t got = 0;
    const int result = SSL_read_ex(connection_.get(), room.data() + octets, room.size() - octets, &got);
    if (result != 1) return explain(result);
    octets += got;
  }
  return Progress::done;
}

bool TlsSession::write(std::span<const std::uint8_t> plain) {
  if (has_failed_) return false;
  if (plain.empty()) return true;
  ERR_clear_error();
  std::size_t written = 0;
  // output() takes everything, so it is all or nothing.
  if (SSL_write_ex(connection_.get(), plain.data(), plain.size(), &written) == 1) return true;
  has_failed_ = true;
  return false;
}

void TlsSession::say_goodbye() {
  if (has_failed_ || SSL_in_init(connection_.get()) != 0) return;
  ERR_clear_error();
  SSL_shutdown(connection_.get());
  ERR_clear_error();
}

bool TlsSession::is_resumed() const { return connection_ != nullptr && SSL_session_reused(connection_.get()) == 1; }

TlsSession::Progress TlsSession::explain(int result) {
  switch (SSL_get_error(connection_.get(), result)) {
    case SSL_ERROR_WANT_READ: return octets_left_ == 0 ? Progress::paused : Progress::waits;
    case SSL_ERROR_ZERO_RETURN: return Progress::ended;
    case SSL_ERROR_SYSCALL:
      has_failed_ = true;
      if (!is_at_end_) reason_ = "the connection broke";
      return is_at_end_ ? Progress::ended : Progress::failed;
    default: break;
  }
  has_failed_ = true;
  const unsigned long error = ERR_peek_error();
  const char* const reason = ERR_reason_error_string(error);
  if (ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    reason_ = std::string("the client's certificate: ") +
              X509_verify_cert_error_string(SSL_get_verify_result(connection_.get()));
  } else {
    reason_ = reason == nullptr ? "no TLS" : reason;
  }
  ERR_clear_error();
  return Progress::failed;
}

}  // namespace fairlead::server
