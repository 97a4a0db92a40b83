// The typed options of `proxyproto`. As directive_options.hpp.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "zones/base/ip_network.hpp"

namespace fairlead::server {

/// `proxyproto { allow NETWORK...; default use|ignore|reject|skip; udp_session_tracking DURATION [MAX] }`
struct ProxyprotoOptions {
  /// What becomes of a header.
  enum class Action : std::uint8_t {
    use,     // its address is the client's
    ignore,  // it is taken off, and the sender is the client
    reject,  // the connection ends, the datagram is dropped
    skip,    // none is looked for
  };
  std::vector<base::IpNetwork> allow;  // whose headers are used; empty: nobody is named
  std::optional<Action> otherwise;     // of all others: `default`
  std::chrono::nanoseconds session_time{0};
  std::size_t sessions_max = 10240;  // of a worker
};

}  // namespace fairlead::server
