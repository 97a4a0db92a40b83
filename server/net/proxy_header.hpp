// The header of the PROXY protocol, in which a load balancer says whose connection or datagram it passes on.
//
// Threads: any; pure.
// Limits: proxy_header_octets_max. Extensions (TLVs) are passed over.
// Errors: ProxyHeader::Kind.
// Standards: the PROXY protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt). Datagrams have version 2 alone.
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace fairlead::server {

/// Far above an address and the extensions that balancers add.
inline constexpr std::size_t proxy_header_octets_max = 4096;

struct ProxyHeader {
  enum class Kind : std::uint8_t {
    whole,
    absent,      // the octets begin with something else
    incomplete,  // of a stream; more octets decide
    malformed,
  };
  Kind kind = Kind::absent;
  std::size_t octets = 0;                  // of a whole one
  std::optional<sockaddr_storage> client;  // nothing where the balancer speaks for itself, or knows no address
};

/// The header at the beginning of a connection.
ProxyHeader read_stream_header(std::span<const std::uint8_t> octets);
/// The header in front of a datagram; never incomplete.
ProxyHeader read_datagram_header(std::span<const std::uint8_t> octets);

}  // namespace fairlead::server
