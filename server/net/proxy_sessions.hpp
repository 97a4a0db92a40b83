// Whose datagrams a balancer passes on that says so in the first one of each alone: `udp_session_tracking`.
//
// Threads: one worker's. SO_REUSEPORT leads all datagrams of one sender to one worker.
// Limits: as many as it is told; then the one that was used longest ago goes.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <unordered_map>

#include "zones/base/ip_address.hpp"

namespace fairlead::server {

class ProxySessions {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  void store(const sockaddr_storage& peer, const sockaddr_storage& client, TimePoint until, std::size_t count_max);
  /// Null when nothing is known; what is found is known until `until` now.
  const sockaddr_storage* find(const sockaddr_storage& peer, TimePoint now, TimePoint until);
  void clear();
  std::size_t size() const { return by_use_.size(); }

 private:
  struct Peer {
    base::IpAddress address;
    std::uint16_t port = 0;
    friend bool operator==(const Peer&, const Peer&) = default;
  };
  struct Hash {
    std::size_t operator()(const Peer& peer) const noexcept;
  };
  struct Session {
    Peer peer;
    sockaddr_storage client;
    TimePoint until;
  };
  static Peer peer_of(const sockaddr_storage& peer);

  std::list<Session> by_use_;  // the last used first
  std::unordered_map<Peer, std::list<Session>::iterator, Hash> by_peer_;
};

}  // namespace fairlead::server
