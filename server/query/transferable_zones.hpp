// What a handler implements whose zones can be transferred: `transfer` looks for it in its chain.
//
// Threads: the handler's worker; `wake` may be called on any.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "zones/zone_transfer.hpp"

namespace fairlead::server {

/// A zone that a handler serves, as it is now.
struct TransferableZone {
  std::vector<std::uint8_t> soa_rdata;  // with its names spelled out
  std::uint32_t soa_ttl = 0;
  bool is_ready = true;  // false: not all of it is known yet
  std::string_view why_not_ready = "not yet in step with the API server";
};

class TransferableZones {
 public:
  virtual ~TransferableZones() = default;

  /// The zone with this apex, without regard to case; nothing when the handler has none.
  virtual std::optional<TransferableZone> find_zone(dns::NameView apex) const = 0;
  /// True when the name is in a zone of the handler's, at its apex or below.
  virtual bool has_name(dns::NameView name) const = 0;
  /// One version of it, the current or a newer one. `wake` as zones::ZoneReader::Step::waiting needs it.
  virtual std::unique_ptr<zones::ZoneReader> read_zone(dns::NameView apex, std::function<void()> wake) = 0;
};

}  // namespace fairlead::server
