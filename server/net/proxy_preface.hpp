// The PROXY header in front of a connection: looked at while it lies in the socket, and taken out when it is whole, so
// that what follows (a query, a TLS handshake) is read by whoever reads it otherwise.
//
// Threads: the worker's.
// Limits: proxy_header_octets_max; the connection's deadline bounds the time.
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>

#include "server/net/proxy_policy.hpp"

namespace fairlead::server {

class ProxyPreface {
 public:
  enum class Step : std::uint8_t {
    passed,  // `client` is whose connection it is
    waits,   // for the socket to become readable, which it does with one octet more
    refused,
  };

  /// May be called again after a wait.
  Step look(int socket, const ProxyPolicy& policy, sockaddr_storage& client);

 private:
  std::size_t seen_ = 0;
};

}  // namespace fairlead::server
