// One listening TCP socket of one worker and its connections, plain or encrypted as its plan says.
//
// Connections pipeline: every query that has arrived whole is answered or sent on its way, replies leave as they get
// ready, in any order. Deadlines are kept by one timer for all connections, so an idle connection costs its buffers.
//
// Threads: one worker's.
// Limits: tcp_* and tls_* in limits.hpp: connections, idle time, time for a query, queries that wait, octets not taken,
//   handshakes.
// Errors: a connection that breaks a rule is closed; no reply says so (RFC 7766 §6.2.4 asks for no more).
// Standards: RFC 1035 §4.2.2, RFC 7766.
#pragma once

#include <sys/socket.h>

#include <list>
#include <memory>

#include "server/net/listen_address.hpp"
#include "server/query/worker_plan.hpp"
#include "zones/base/asio.hpp"

namespace fairlead::server {

class HandshakeQueue;
class TcpConnection;
class TlsConnection;

class TcpListener : public std::enable_shared_from_this<TcpListener> {
 public:
  /// Takes over a listening, non-blocking socket.
  TcpListener(asio::io_context& io, SocketHandle socket);
  ~TcpListener();

  void serve(std::shared_ptr<WorkerPlan> plan, std::size_t router);
  void start();
  /// Accepts no more; connections end once they owe no reply.
  void stop();
  /// Closes what is left.
  void close_connections();
  /// Connections that owe a reply; once stopped, all that have not ended.
  std::size_t owed() const;

  const std::shared_ptr<WorkerPlan>& plan() const { return plan_; }
  std::size_t router() const { return router_; }
  bool is_stopping() const { return !running_; }

  /// The connection's client has spoken; its handshake goes on when it is its turn.
  void queue_handshake(std::shared_ptr<TlsConnection> connection);
  void count_handshake(TlsHandshake outcome);

 private:
  void accept();
  enum class Accepted { one, none, no_room };
  Accepted accept_one();
  void add(asio::ip::tcp::socket socket, const sockaddr_storage& client);
  /// Closes the connection that is missed least.
  void make_room();
  void wait_for_deadlines();
  void close_overdue();

  asio::io_context& io_;
  asio::posix::stream_descriptor socket_;
  asio::steady_timer accept_pause_;
  asio::steady_timer deadlines_;
  std::list<std::shared_ptr<TcpConnection>> connections_;
  std::shared_ptr<HandshakeQueue> handshakes_;  // null while all connections are plain
  std::shared_ptr<WorkerPlan> plan_;
  std::size_t router_ = 0;
  bool running_ = false;
  bool timing_ = false;
};

}  // namespace fairlead::server
