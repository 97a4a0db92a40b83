#include "server/net/tcp_listener.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <tuple>

#include "server/net/handshake_queue.hpp"
#include "server/net/limits.hpp"
#include "server/net/tcp_connection.hpp"
#include "server/net/tls_connection.hpp"
#include "server/net/tls_identity.hpp"

namespace fairlead::server {
namespace {

// Out of descriptors: closing one takes a moment, and retrying at once would spin.
constexpr std::chrono::milliseconds accept_pause{50};
constexpr std::chrono::milliseconds deadline_granularity{500};
// Before the socket is closed; what is more has come while we took these.
constexpr int last_accepts = tcp_backlog;

}  // namespace

TcpListener::TcpListener(asio::io_context& io, SocketHandle socket)
    : io_(io), socket_(io, socket.release()), accept_pause_(io), deadlines_(io) {}

TcpListener::~TcpListener() = default;

void TcpListener::serve(std::shared_ptr<WorkerPlan> plan, std::size_t router) {
  plan_ = std::move(plan);
  router_ = router;
}

void TcpListener::start() {
  if (std::exchange(running_, true)) return;
  accept();
}

void TcpListener::stop() {
  if (!std::exchange(running_, false)) return;
  // Clients that are connected already would be reset with their first query.
  for (int left = last_accepts; left > 0 && accept_one() == Accepted::one;) --left;
  boost::system::error_code ignored;
  socket_.close(ignored);
  accept_pause_.cancel();
  for (const auto& connection : connections_) connection->drain();
}

void TcpListener::close_connections() {
  for (const auto& connection : connections_) connection->close();
  connections_.clear();
  if (handshakes_ != nullptr) handshakes_->clear();
  deadlines_.cancel();
  plan_.reset();
}

std::size_t TcpListener::owed() const {
  return static_cast<std::size_t>(std::ranges::count_if(
      connections_, [this](const auto& c) { return !c->is_closed() && (!running_ || c->owes_reply()); }));
}

void TcpListener::accept() {
  socket_.async_wait(asio::posix::stream_descriptor::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       if (error || !self->running_) return;
                       if (self->accept_one() == Accepted::no_room) {
                         self->accept_pause_.expires_after(accept_pause);
                         self->accept_pause_.async_wait([self](const boost::system::error_code& cancelled) {
                           if (!cancelled && self->running_) self->accept();
                         });
                         return;
                       }
                       self->accept();
                     });
}

// One a turn: waiting again tells at once when there are more, and most of the time there is none to be asked for.
TcpListener::Accepted TcpListener::accept_one() {
  sockaddr_storage client{};
  socklen_t size = sizeof(client);
  const int fd =
      accept4(socket_.native_handle(), reinterpret_cast<sockaddr*>(&client), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) {
    const bool no_room = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
    return no_room ? Accepted::no_room : Accepted::none;
  }
  const auto protocol = client.ss_family == AF_INET6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4();
  add(asio::ip::tcp::socket(io_, protocol, fd), client);
  return Accepted::one;
}

void TcpListener::add(asio::ip::tcp::socket socket, const sockaddr_storage& client) {
  if (connections_.size() >= tcp_connections_max) {
    std::erase_if(connections_, [](const auto& connection) { return connection->is_closed(); });
  }
  if (connections_.size() >= tcp_connections_max) {
    make_room();
  }
  std::shared_ptr<TcpConnection> connection;
  if (const auto& tls = plan_->routers[router_].tls) {
    connection = std::make_shared<TlsConnection>(std::move(socket), client, shared_from_this(), tls->current());
  } else {
    connection = std::make_shared<TcpConnection>(std::move(socket), client, shared_from_this());
  }
  connections_.push_back(connection);
  connection->start();
  if (!timing_) wait_for_deadlines();
}

void TcpListener::make_room() {
  // Half of the places are for connections that bring queries: those who connect and say nothing, or shake hands for
  // ever, contend for the other half.
  const auto unopened = std::ranges::count_if(connections_, [](const auto& c) { return !c->is_open(); });
  const bool spares_open = static_cast<std::size_t>(unopened) * 2 > tcp_connections_max;
  const auto idlest = std::ranges::min_element(connections_, {}, [&](const auto& c) {
    return std::tuple(c->owes_reply(), c->is_open() == spares_open, c->last_active());
  });
  (*idlest)->close();
  connections_.erase(idlest);
}

void TcpListener::queue_handshake(std::shared_ptr<TlsConnection> connection) {
  if (handshakes_ == nullptr) handshakes_ = std::make_shared<HandshakeQueue>(io_);
  handshakes_->add(std::move(connection));
}

void TcpListener::count_handshake(TlsHandshake outcome) {
  if (plan_ == nullptr) return;
  if (const auto& counters = plan_->routers[router_].tls_handshakes)
    (*counters)[static_cast<std::size_t>(outcome)]->add();
}

void TcpListener::wait_for_deadlines() {
  timing_ = true;
  deadlines_.expires_after(deadline_granularity);
  deadlines_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    self->timing_ = false;
    if (error) return;
    self->close_overdue();
    if (!self->connections_.empty()) self->wait_for_deadlines();
  });
}

void TcpListener::close_overdue() {
  const auto now = std::chrono::steady_clock::now();
  std::erase_if(connections_, [now](const auto& connection) {
    if (!connection->is_closed() && connection->is_overdue(now)) connection->close();
    return connection->is_closed();
  });
}

}  // namespace fairlead::server
