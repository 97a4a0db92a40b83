#include "server/config/listener_claims.hpp"

#include <algorithm>
#include <string_view>

namespace fairlead::server {

void ListenerClaims::add(std::size_t block, Scheme scheme, std::uint16_t port, SourcePosition at) {
  auto& claims = by_port_[port];
  // The keys of a block come together, so the last two are all that can be the same.
  const auto known = std::find_if(claims.rbegin(), claims.rend(),
                                  [&](const Claim& claim) { return claim.block != block || claim.scheme == scheme; });
  if (known != claims.rend() && known->block == block) return;
  claims.push_back({block, scheme, at});
}

void ListenerClaims::check_block(const Block& block, FaultCollector& faults) {
  if (!block.encrypted_at && block.tls) {
    faults.warn(
        block.tls_at,
        "'tls' does nothing in a block without a zone of 'tls://'; write the zone as 'tls://.', or remove 'tls'");
  } else if (block.encrypted_at && !block.tls) {
    // CoreDNS serves it without encryption.
    faults.fault(*block.encrypted_at,
                 "'tls://' needs 'tls CERT KEY' in its block; add it, or write 'dns://' and port " +
                     std::to_string(block.encrypted_port) + " to serve without encryption");
  }
}

void ListenerClaims::check_sharing(const std::vector<Block>& blocks,
                                   const std::vector<std::unordered_set<std::string>>& addresses,
                                   FaultCollector& faults) const {
  for (const auto& [port, claims] : by_port_) {
    std::map<std::string_view, const Claim*> by_address;
    for (const Claim& claim : claims) {
      std::vector<std::string_view> own(addresses[claim.block].begin(), addresses[claim.block].end());
      const Claim* earlier = nullptr;
      if (by_address.contains("")) {
        earlier = by_address.at("");
      } else if (own.empty() && !by_address.empty()) {
        earlier = by_address.begin()->second;
      }
      for (const auto address : own) {
        const auto found = by_address.find(address);
        if (earlier == nullptr && found != by_address.end()) earlier = found->second;
      }
      if (own.empty()) own.emplace_back("");
      for (const auto address : own) by_address.emplace(address, &claim);
      if (earlier == nullptr) continue;
      const std::string where = to_string(faults.line_of(earlier->at));
      if (earlier->scheme != claim.scheme) {
        faults.fault(claim.at, "port " + std::to_string(port) + " is already that of '" +
                                   std::string(to_string(earlier->scheme)) + "://' at " + where + ", and this is '" +
                                   std::string(to_string(claim.scheme)) +
                                   "://'; give one of them another port or 'bind' address");
        continue;
      }
      const auto& first = blocks[earlier->block].tls;
      const auto& second = blocks[claim.block].tls;
      if (claim.scheme != Scheme::tls || !first || !second || is_same_tls(*first, *second)) continue;
      faults.fault(blocks[claim.block].tls_at,
                   "port " + std::to_string(port) + " has another 'tls' already, at " +
                       to_string(faults.line_of(blocks[earlier->block].tls_at)) +
                       "; one address has one certificate: write the same, or give one of the blocks another port or "
                       "'bind' address");
    }
  }
}

}  // namespace fairlead::server
