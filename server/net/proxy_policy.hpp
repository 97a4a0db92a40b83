// Whose PROXY headers are believed, on one listening address.
//
// Threads: made with a worker's plan and read by that worker; counters are shared.
// Security: who is believed chooses the address that acl, view, log and metrics see.
#pragma once

#include <cstdint>

#include "server/config/proxyproto_options.hpp"
#include "server/control/metrics.hpp"
#include "zones/base/ip_network.hpp"

namespace fairlead::server {

struct ProxyPolicy {
  using Action = ProxyprotoOptions::Action;

  bool is_open = false;  // no `allow`: `otherwise` is for all
  base::IpNetworkSet allowed;
  Action otherwise = Action::ignore;
  std::chrono::nanoseconds session_time{0};  // 0: datagrams without a header are their sender's
  std::size_t sessions_max = 0;
  SharedCounter* malformed = nullptr;  // null without prometheus
  SharedCounter* rejected = nullptr;

  Action action_for(const base::IpAddress& peer) const {
    return !is_open && allowed.contains(peer) ? Action::use : otherwise;
  }
};

}  // namespace fairlead::server
