#include "tools/fairleadctl/connection.hpp"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

namespace fairlead::ctl {

Connection::~Connection() {
  if (socket_ >= 0) close(socket_);
}

std::expected<void, std::string> Connection::connect(const ServerAddress& server) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(server.host.c_str(), server.port.c_str(), &hints, &found); error != 0) {
    return std::unexpected(gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, freeaddrinfo);
  std::expected<void, std::string> last = std::unexpected("no address");
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    last = connect(*address);
    if (last) break;
  }
  return last;
}

std::expected<void, std::string> Connection::send(std::span<const std::uint8_t> octets) {
  while (!octets.empty()) {
    const ssize_t sent = ::send(socket_, octets.data(), octets.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      octets = octets.subspan(static_cast<std::size_t>(sent));
    } else if (auto ready = wait_after(errno, POLLOUT); !ready) {
      return ready;
    }
  }
  return {};
}

std::expected<bool, std::string> Connection::receive(std::span<std::uint8_t> octets) {
  std::size_t received = 0;
  while (received < octets.size()) {
    const auto got = receive_some(octets.subspan(received));
    if (!got) return std::unexpected(got.error());
    if (*got == 0) {
      if (received == 0) return false;
      return std::unexpected("the connection was closed inside of a message");
    }
    received += *got;
  }
  return true;
}

std::expected<std::size_t, std::string> Connection::receive_some(std::span<std::uint8_t> octets) {
  while (true) {
    const ssize_t got = ::recv(socket_, octets.data(), octets.size(), 0);
    if (got >= 0) return static_cast<std::size_t>(got);
    if (auto ready = wait_after(errno, POLLIN); !ready) return std::unexpected(ready.error());
  }
}

std::expected<void, std::string> Connection::connect(const addrinfo& address) {
  if (socket_ >= 0) close(socket_);
  socket_ = socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket_ < 0) return std::unexpected(std::strerror(errno));
  if (::connect(socket_, address.ai_addr, address.ai_addrlen) == 0) return {};
  if (errno != EINPROGRESS) return std::unexpected(std::strerror(errno));
  if (auto ready = wait(POLLOUT); !ready) return ready;
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return std::unexpected(std::strerror(error));
  return {};
}

std::expected<void, std::string> Connection::wait_after(int error, short events) {
  if (error == EINTR) return {};
  if (error != EAGAIN && error != EWOULDBLOCK) return std::unexpected(std::strerror(error));
  return wait(events);
}

std::expected<void, std::string> Connection::wait(short events) {
  pollfd watched{.fd = socket_, .events = events, .revents = 0};
  while (true) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline_ - std::chrono::steady_clock::now()).count();
    if (left <= 0) return std::unexpected("no answer in time (see --timeout)");
    const int ready = poll(&watched, 1, static_cast<int>(std::min<long long>(left, 60'000)));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return std::unexpected(std::strerror(errno));
  }
}

}  // namespace fairlead::ctl
