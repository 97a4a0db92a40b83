// Where the server listens, and the sockets for it.
//
// Threads: any.
// Errors: sentences for the operator, with the fix.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/config/directive_options.hpp"
#include "server/config/scheme.hpp"
#include "zones/base/ip_address.hpp"

namespace fairlead::server {

/// One address and port, and what is spoken there; without an address, all of both families on one dual-stack socket.
struct ListenAddress {
  std::optional<base::IpAddress> address;
  std::uint16_t port = 53;
  Scheme scheme = Scheme::dns;

  /// ":53", "127.0.0.1:53", "[::1]:53".
  std::string to_string() const;
  friend auto operator<=>(const ListenAddress&, const ListenAddress&) = default;
};

/// Closes what it holds.
class SocketHandle {
 public:
  explicit SocketHandle(int fd = -1) : fd_(fd) {}
  SocketHandle(SocketHandle&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  SocketHandle& operator=(SocketHandle&& other) noexcept;
  ~SocketHandle();
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

/// The sockets of one address: one UDP and one TCP socket a worker, sharing the port with SO_REUSEPORT. Of `tls://`,
/// TCP alone.
struct ListenSockets {
  std::vector<SocketHandle> udp;
  std::vector<SocketHandle> tcp;
};

/// Fails if another process listens there, even one that shares its port: two servers would each get some queries.
std::expected<ListenSockets, std::string> open_sockets(const ListenAddress& address, std::size_t workers);

/// The addresses of a `bind` directive list; without one, all addresses.
std::expected<std::vector<std::optional<base::IpAddress>>, std::string> resolve_bind(
    const std::vector<BindOptions>& bind);

/// The machine's own addresses but loopback, for the apex NS.
std::vector<base::IpAddress> local_addresses();

}  // namespace fairlead::server
