// The handshakes of one listener, whose clients have spoken.
//
// They go on one a turn of the event loop: a signature takes as long as hundreds of queries, and those of other clients
// come between. Those that have begun hold memory of OpenSSL's, so their number is bounded; the others hold next to
// nothing and wait.
//
// Threads: one worker's.
// Limits: tls_handshakes_max have begun; as many wait as the listener has connections. When others wait, a begun one
//   whose client lets us wait for tls_patience makes room.
#pragma once

#include <deque>
#include <list>
#include <memory>

#include "server/net/tls_connection.hpp"
#include "zones/base/asio.hpp"

namespace fairlead::server {

class HandshakeQueue : public std::enable_shared_from_this<HandshakeQueue> {
 public:
  explicit HandshakeQueue(asio::io_context& io) : io_(io), retry_(io) {}

  /// The next turn of its handshake; it has begun or not.
  void add(std::shared_ptr<TlsConnection> connection);
  /// Lets go of all of them.
  void clear();

 private:
  void run_soon();
  void run();
  bool make_room();
  void retry_soon();

  asio::io_context& io_;
  asio::steady_timer retry_;
  std::deque<std::shared_ptr<TlsConnection>> ready_;
  std::deque<std::shared_ptr<TlsConnection>> parked_;  // for want of room
  std::list<std::shared_ptr<TlsConnection>> begun_;
  bool is_posted_ = false;
  bool is_retrying_ = false;
};

}  // namespace fairlead::server
