#include "server/net/client_text.hpp"

#include <netinet/in.h>

#include <cstring>

namespace fairlead::server {

bool is_ipv4(const sockaddr_storage& client) {
  if (client.ss_family != AF_INET6) return true;
  return IN6_IS_ADDR_V4MAPPED(&reinterpret_cast<const sockaddr_in6&>(client).sin6_addr);
}

base::IpAddress client_address(const sockaddr_storage& client) {
  if (client.ss_family != AF_INET6) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(client);
    const auto* const octets = reinterpret_cast<const std::uint8_t*>(&in.sin_addr);
    return base::IpAddress::v4(std::span<const std::uint8_t, 4>(octets, 4));
  }
  const auto& octets = reinterpret_cast<const sockaddr_in6&>(client).sin6_addr.s6_addr;
  if (is_ipv4(client)) return base::IpAddress::v4(std::span<const std::uint8_t, 4>(octets + 12, 4));
  return base::IpAddress::v6(octets);
}

std::uint16_t client_port(const sockaddr_storage& client) {
  if (client.ss_family != AF_INET && client.ss_family != AF_INET6) return 0;
  // The port stands at the same place in both.
  return ntohs(reinterpret_cast<const sockaddr_in&>(client).sin_port);
}

std::optional<base::IpAddress> local_address(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return std::nullopt;
  return client_address(address);
}

std::string client_text(const sockaddr_storage& client) {
  if (client.ss_family != AF_INET && client.ss_family != AF_INET6) return "?";
  const std::string port = ":" + std::to_string(client_port(client));
  const base::IpAddress address = client_address(client);
  return (address.is_v4() ? address.to_string() : "[" + address.to_string() + "]") + port;
}

}  // namespace fairlead::server
