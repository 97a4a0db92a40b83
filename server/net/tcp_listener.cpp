#include "server/net/tcp_listener.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "server/net/limits.hpp"
#include "server/net/tcp_connection.hpp"

namespace fairlead::server {
namespace {

// Out of descriptors: closing one takes a moment, and retrying at once would spin.
constexpr std::chrono::milliseconds accept_pause{50};
constexpr std::chrono::milliseconds deadline_granularity{500};
constexpr int accepts_a_turn = 64;

}  // namespace

TcpListener::TcpListener(asio::io_context& io, SocketHandle socket)
    : io_(io), socket_(io, socket.release()), accept_pause_(io), deadlines_(io) {}

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
  accept_waiting();
  boost::system::error_code ignored;
  socket_.close(ignored);
  accept_pause_.cancel();
  for (const auto& connection : connections_) connection->drain();
}

void TcpListener::close_connections() {
  for (const auto& connection : connections_) connection->close();
  connections_.clear();
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
                       if (!self->accept_waiting()) {
                         self->accept_pause_.expires_after(accept_pause);
                         self->accept_pause_.async_wait([self](const boost::system::error_code& cancelled) {
                           if (!cancelled && self->running_) self->accept();
                         });
                         return;
                       }
                       self->accept();
                     });
}

bool TcpListener::accept_waiting() {
  for (int i = 0; i < accepts_a_turn; ++i) {
    sockaddr_storage client{};
    socklen_t size = sizeof(client);
    const int fd =
        accept4(socket_.native_handle(), reinterpret_cast<sockaddr*>(&client), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM;
    const auto protocol = client.ss_family == AF_INET6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4();
    add(asio::ip::tcp::socket(io_, protocol, fd), client);
  }
  return true;
}

void TcpListener::add(asio::ip::tcp::socket socket, const sockaddr_storage& client) {
  if (connections_.size() >= tcp_connections_max) {
    std::erase_if(connections_, [](const auto& connection) { return connection->is_closed(); });
  }
  if (connections_.size() >= tcp_connections_max) {
    const auto idlest = std::ranges::min_element(
        connections_, {}, [](const auto& c) { return std::pair(c->owes_reply(), c->last_active()); });
    (*idlest)->close();
    connections_.erase(idlest);
  }
  auto connection = std::make_shared<TcpConnection>(std::move(socket), client, shared_from_this());
  connections_.push_back(connection);
  connection->start();
  if (!timing_) wait_for_deadlines();
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
