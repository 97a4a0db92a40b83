#include "server/net/proxy_sessions.hpp"

#include "server/net/client_text.hpp"
#include "zones/base/seeded_hash.hpp"

namespace fairlead::server {

std::size_t ProxySessions::Hash::operator()(const Peer& peer) const noexcept {
  // Who sends may choose address and port, so that they would all meet in one place.
  static const std::uint64_t seed = base::draw_seed();
  const auto octets = peer.address.octets();
  return base::seeded_hash(octets.data(), octets.size(), seed + peer.port);
}

ProxySessions::Peer ProxySessions::peer_of(const sockaddr_storage& peer) {
  return {client_address(peer), client_port(peer)};
}

void ProxySessions::store(const sockaddr_storage& peer, const sockaddr_storage& client, TimePoint until,
                          std::size_t count_max) {
  const Peer key = peer_of(peer);
  if (const auto known = by_peer_.find(key); known != by_peer_.end()) {
    known->second->client = client;
    known->second->until = until;
    by_use_.splice(by_use_.begin(), by_use_, known->second);
    return;
  }
  while (!by_use_.empty() && by_use_.size() >= count_max) {
    by_peer_.erase(by_use_.back().peer);
    by_use_.pop_back();
  }
  by_use_.push_front({.peer = key, .client = client, .until = until});
  by_peer_.emplace(key, by_use_.begin());
}

const sockaddr_storage* ProxySessions::find(const sockaddr_storage& peer, TimePoint now, TimePoint until) {
  const auto known = by_peer_.find(peer_of(peer));
  if (known == by_peer_.end()) return nullptr;
  if (known->second->until <= now) {
    by_use_.erase(known->second);
    by_peer_.erase(known);
    return nullptr;
  }
  known->second->until = until;
  by_use_.splice(by_use_.begin(), by_use_, known->second);
  return &known->second->client;
}

void ProxySessions::clear() {
  by_peer_.clear();
  by_use_.clear();
}

}  // namespace fairlead::server
