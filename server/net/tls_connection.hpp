// One encrypted connection: a TcpConnection whose octets go through a TlsSession.
//
// Threads: its worker's.
// Limits: as TcpConnection; the handshake has the time of one query (`timeouts` read), however the client spreads its
//   octets over it.
// Errors: a client that breaks TLS, or whose certificate is not taken, gets an alert and the end of the connection;
//   with `debug` a line says why.
// Standards: RFC 7858.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "server/net/tcp_connection.hpp"
#include "server/net/tls_session.hpp"

namespace fairlead::server {

class TlsConnection final : public TcpConnection {
 public:
  TlsConnection(asio::ip::tcp::socket socket, const sockaddr_storage& client, std::shared_ptr<TcpListener> listener,
                std::shared_ptr<const TlsContext> context);

  /// One turn of the handshake, when it is its turn.
  void shake_hands();
  /// OpenSSL knows of it.
  bool has_begun() const { return session_.has_value(); }
  /// Since when the handshake waits for the client; nothing when it does not.
  std::optional<TimePoint> waits_since() const { return waits_since_; }
  void fail();

 private:
  void begin() override;
  void receive() override;
  bool transmit(std::span<const std::uint8_t> octets) override;
  void leave() override;

  std::shared_ptr<TlsConnection> self() { return std::static_pointer_cast<TlsConnection>(shared_from_this()); }
  void wait_for_client();
  void take();
  void send_output();
  void on_output_sent(const Error& error);

  const std::shared_ptr<const TlsContext> context_;
  std::optional<TlsSession> session_;  // from the first octet on
  std::vector<std::uint8_t> in_sending_;
  std::optional<TimePoint> waits_since_;
  bool sends_ = false;
  bool owes_sent_ = false;  // on_sent(), once all output is sent
  bool has_more_ = false;   // octets that no readiness of the socket tells of
  bool reads_when_sent_ = false;
};

}  // namespace fairlead::server
