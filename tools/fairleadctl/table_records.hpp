// The published names of a cluster as records of a zone.
//
// Threads: any; registers itself as a reader.
// Limits: a record for each that the table holds; names that a long zone pushes over 255 octets are left out, as they
//   are in answers.
#pragma once

#include <vector>

#include "k8s/cluster_table.hpp"
#include "zones/dns/ldns_bridge.hpp"

namespace fairlead::ctl {

struct TableOptions {
  dns::DomainName zone;
  std::uint32_t ttl = 5;
  bool reverse = false;  // PTR records too
};

/// SOA and NS of the apex, then every record of every name, unsorted.
std::vector<dns::ResourceRecord> list_table(const k8s::ClusterTable& table, const TableOptions& options);

}  // namespace fairlead::ctl
