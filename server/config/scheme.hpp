// How queries arrive at a listening address: the scheme in front of a zone. Others of CoreDNS's are faults.
//
// Standards: RFC 7858 §3.1 for port 853.
#pragma once

#include <cstdint>
#include <string_view>

namespace fairlead::server {

enum class Scheme : std::uint8_t {
  dns,  // plain, over UDP and TCP
  tls,  // DNS over TLS
};

constexpr std::string_view to_string(Scheme scheme) { return scheme == Scheme::tls ? "tls" : "dns"; }

/// The port of a zone that names none; `dns_port` is that of -dns.port, which is for plain DNS alone.
constexpr std::uint16_t default_port(Scheme scheme, std::uint16_t dns_port) {
  return scheme == Scheme::tls ? 853 : dns_port;
}

}  // namespace fairlead::server
