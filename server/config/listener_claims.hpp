// Which blocks listen where, and as what: one address and port is either plain or encrypted, and has one certificate.
//
// Threads: one.
// Limits: takes time in proportion to the addresses that the Corefile names.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "server/config/fault_collector.hpp"
#include "server/config/scheme.hpp"
#include "server/config/tls_options.hpp"

namespace fairlead::server {

class ListenerClaims {
 public:
  /// A zone of the block is served there.
  void add(std::size_t block, Scheme scheme, std::uint16_t port, SourcePosition at);

  /// What counts of a block.
  struct Block {
    std::optional<TlsOptions> tls;  // with all paths
    SourcePosition tls_at;
    std::optional<SourcePosition> encrypted_at;  // its first zone of `tls://`
    std::uint16_t encrypted_port = 0;
  };
  /// Zones of `tls://` need `tls`, which does nothing without them.
  static void check_block(const Block& block, FaultCollector& faults);

  /// `addresses` are those that the `bind` of each block leaves; none at all is every address.
  void check_sharing(const std::vector<Block>& blocks, const std::vector<std::unordered_set<std::string>>& addresses,
                     FaultCollector& faults) const;

 private:
  struct Claim {
    std::size_t block;
    Scheme scheme;
    SourcePosition at;
  };
  std::map<std::uint16_t, std::vector<Claim>> by_port_;  // the first of each block and scheme
};

}  // namespace fairlead::server
