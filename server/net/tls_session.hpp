// The TLS of one connection, between its socket and its plain octets.
//
// It reads the socket itself, at most tls_turn_octets_max a turn, so that a client can never hold a worker inside of
// OpenSSL; what is to be sent is left in output(), for the connection to write.
//
// Threads: its worker's.
// Limits: tls_turn_octets_max; what OpenSSL keeps of a connection that is idle is some 20 kB.
// Errors: Progress::failed, and a reason for the operator; an alert for the client is in output() then.
// Standards: RFC 8446, RFC 5246.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "server/net/tls_context.hpp"

struct bio_st;

namespace fairlead::server {

class TlsSession {
 public:
  enum class Progress : std::uint8_t {
    done,    // the handshake; or the room is full
    waits,   // for octets from the client
    paused,  // the turn is over, and more octets may be there
    ended,   // the client has said or shown that no more will come
    failed,
  };

  TlsSession(std::shared_ptr<const TlsContext> context, int socket);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  /// One turn of the handshake.
  Progress shake_hands();
  /// One turn of reading: plain octets into `room`, as many as `octets` says then.
  Progress read(std::span<std::uint8_t> room, std::size_t& octets);
  /// After the handshake. False when the session has failed.
  bool write(std::span<const std::uint8_t> plain);
  /// Tells the client that no more comes.
  void say_goodbye();

  /// Octets for the socket; whoever sends them takes them out.
  std::vector<std::uint8_t>& output() { return output_; }
  bool is_resumed() const;
  /// Of the failure, for the operator.
  const std::string& reason() const { return reason_; }

 private:
  struct SslDeleter {
    void operator()(ssl_st* connection) const;
  };
  struct SocketBio;
  void begin_turn();
  Progress explain(int result);

  const std::shared_ptr<const TlsContext> context_;
  const int socket_;
  std::size_t octets_left_ = 0;  // of this turn
  bool is_at_end_ = false;
  bool has_failed_ = false;
  std::vector<std::uint8_t> output_;
  std::string reason_;
  std::unique_ptr<ssl_st, SslDeleter> connection_;  // null when there was no memory for it
};

}  // namespace fairlead::server
