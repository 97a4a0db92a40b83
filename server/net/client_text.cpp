#include "server/net/client_text.hpp"

#include <netinet/in.h>

#include <cstring>

#include "zones/base/ip_address.hpp"

namespace fairlead::server {

bool is_ipv4(const sockaddr_storage& client) {
  if (client.ss_family != AF_INET6) return true;
  return IN6_IS_ADDR_V4MAPPED(&reinterpret_cast<const sockaddr_in6&>(client).sin6_addr);
}

std::string client_text(const sockaddr_storage& client) {
  if (client.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(client);
    const auto* const octets = reinterpret_cast<const std::uint8_t*>(&in.sin_addr);
    return base::IpAddress::v4(std::span<const std::uint8_t, 4>(octets, 4)).to_string() + ":" +
           std::to_string(ntohs(in.sin_port));
  }
  if (client.ss_family != AF_INET6) return "?";
  const auto& in6 = reinterpret_cast<const sockaddr_in6&>(client);
  const std::string port = ":" + std::to_string(ntohs(in6.sin6_port));
  if (is_ipv4(client)) {
    return base::IpAddress::v4(std::span<const std::uint8_t, 4>(in6.sin6_addr.s6_addr + 12, 4)).to_string() + port;
  }
  return "[" + base::IpAddress::v6(std::span<const std::uint8_t, 16>(in6.sin6_addr.s6_addr, 16)).to_string() + "]" +
         port;
}

}  // namespace fairlead::server
