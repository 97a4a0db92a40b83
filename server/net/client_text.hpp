// A client's address, also as text for logs.
//
// Threads: any.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>

#include "zones/base/ip_address.hpp"

namespace fairlead::server {

/// "10.244.0.7:43210", "[2001:db8::7]:43210"; IPv4 on a dual-stack socket as IPv4.
std::string client_text(const sockaddr_storage& client);

/// IPv4 on a dual-stack socket as IPv4.
base::IpAddress client_address(const sockaddr_storage& client);

/// 0 for what is no IP address.
std::uint16_t client_port(const sockaddr_storage& client);

/// The address that the socket is bound to or, connected, has.
std::optional<base::IpAddress> local_address(int socket);

/// IPv4, mapped or not.
bool is_ipv4(const sockaddr_storage& client);

}  // namespace fairlead::server
