// One version of a cluster's published names, for who reads them for longer than an answer takes.
//
// Threads: made on the publisher's thread between two batches, so that names and serial belong together; then whoever
//   it is given to.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "k8s/cluster_table.hpp"
#include "zones/table_version.hpp"

namespace fairlead::k8s {

/// The table that is read.
enum class ClusterPart : std::uint8_t { forward, reverse, clusterset, external, external_reverse };

constexpr bool is_external(ClusterPart part) {
  return part == ClusterPart::external || part == ClusterPart::external_reverse;
}
constexpr bool is_reverse(ClusterPart part) {
  return part == ClusterPart::reverse || part == ClusterPart::external_reverse;
}

struct ClusterVersion {
  std::uint32_t serial = 0;
  ApexNameservers apex;                                          // of the cluster's own zones
  std::optional<ExternalTable::Nameserver> external_nameserver;  // of external ones
  zones::TableVersion names;
};

/// Called once; nothing when no version is to be had because the cluster has stopped.
using VersionUser = std::function<void(std::optional<ClusterVersion>)>;

}  // namespace fairlead::k8s
