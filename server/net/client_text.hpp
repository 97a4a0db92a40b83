// A client's address, also as text for logs.
//
// Threads: any.
#pragma once

#include <sys/socket.h>

#include <string>

#include "zones/base/ip_address.hpp"

namespace fairlead::server {

/// "10.244.0.7:43210", "[2001:db8::7]:43210"; IPv4 on a dual-stack socket as IPv4.
std::string client_text(const sockaddr_storage& client);

/// IPv4 on a dual-stack socket as IPv4.
base::IpAddress client_address(const sockaddr_storage& client);

/// IPv4, mapped or not.
bool is_ipv4(const sockaddr_storage& client);

}  // namespace fairlead::server
