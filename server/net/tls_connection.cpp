#include "server/net/tls_connection.hpp"

#include <sys/socket.h>

#include <string>

#include "server/control/logging.hpp"
#include "server/net/client_text.hpp"
#include "server/net/limits.hpp"
#include "server/net/tcp_listener.hpp"

namespace fairlead::server {

using Progress = TlsSession::Progress;

TlsConnection::TlsConnection(asio::ip::tcp::socket socket, const sockaddr_storage& client,
                             std::shared_ptr<TcpListener> listener, std::shared_ptr<const TlsContext> context)
    : TcpConnection(std::move(socket), client, std::move(listener)), context_(std::move(context)) {}

void TlsConnection::begin() {
  set_deadline(times().read);
  wait_for_client();
}

void TlsConnection::wait_for_client() {
  waits_since_ = std::chrono::steady_clock::now();
  socket().async_wait(asio::ip::tcp::socket::wait_read, [self = self()](const Error& error) {
    if (self->is_closed()) return;
    if (error) return self->close();
    self->waits_since_.reset();
    self->listener().queue_handshake(self);
  });
}

void TlsConnection::shake_hands() {
  if (is_closed()) return;
  if (!session_) session_.emplace(context_, socket().native_handle());
  const Progress progress = session_->shake_hands();
  if (progress == Progress::failed || progress == Progress::ended) return fail();
  send_output();
  if (is_closed()) return;
  if (progress == Progress::waits) return wait_for_client();
  if (progress == Progress::paused) return listener().queue_handshake(self());
  listener().count_handshake(session_->is_resumed() ? TlsHandshake::resumed : TlsHandshake::full);
  set_deadline(times().idle);
  // The last message of the handshake may have come with a query behind it.
  has_more_ = true;
  open();
}

void TlsConnection::fail() {
  if (!is_open() && is_debug_logging() && session_ && !session_->reason().empty()) {
    log_debug("plugin/tls: handshake with " + client_text(client()) + " failed: " + session_->reason());
  }
  close();
}

void TlsConnection::receive() {
  if (session_->output().size() >= tls_output_octets_max) {
    reads_when_sent_ = true;
    return;
  }
  if (has_more_) {
    asio::post(socket().get_executor(), [self = self()] { self->take(); });
    return;
  }
  socket().async_wait(asio::ip::tcp::socket::wait_read, [self = self()](const Error& error) {
    if (error) return self->on_received(error, 0);
    self->take();
  });
}

void TlsConnection::take() {
  if (is_closed()) return on_received({}, 0);
  std::size_t octets = 0;
  const Progress progress = session_->read(room(), octets);
  has_more_ = progress != Progress::waits;
  send_output();
  if (octets > 0 || is_closed()) return on_received({}, octets);
  if (progress == Progress::ended) return on_received(asio::error::eof, 0);
  if (progress == Progress::failed) return fail();
  receive();
}

bool TlsConnection::transmit(std::span<const std::uint8_t> octets) {
  owes_sent_ = true;
  if (!session_->write(octets)) {
    asio::post(socket().get_executor(), [self = self()] { self->on_sent(asio::error::connection_aborted); });
    return false;
  }
  send_output();
  return false;
}

void TlsConnection::send_output() {
  if (sends_ || session_->output().empty() || is_closed()) return;
  sends_ = true;
  in_sending_.swap(session_->output());
  asio::async_write(socket(), asio::buffer(in_sending_),
                    [self = self()](const Error& error, std::size_t) { self->on_output_sent(error); });
}

void TlsConnection::on_output_sent(const Error& error) {
  sends_ = false;
  in_sending_.clear();
  if (error || is_closed()) return close();
  send_output();
  if (sends_) return;
  if (std::exchange(reads_when_sent_, false)) receive();
  if (std::exchange(owes_sent_, false)) on_sent({});
}

void TlsConnection::leave() {
  if (!session_) return;
  if (!is_open()) listener().count_handshake(TlsHandshake::failed);
  // In the midst of a record nothing more can be said.
  if (sends_) return;
  if (is_open()) session_->say_goodbye();
  const auto& words = session_->output();
  if (words.empty()) return;
  [[maybe_unused]] const auto sent =
      ::send(socket().native_handle(), words.data(), words.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

}  // namespace fairlead::server
