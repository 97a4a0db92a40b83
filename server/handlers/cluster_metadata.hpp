// The parts of a cluster name as `metadata` shows them, whether the name exists or not.
//
// Threads: any; pure.
// Standards: as CoreDNS's kubernetes reads a name: underscores of port and protocol are left out.
#pragma once

#include <string>
#include <string_view>

namespace fairlead::server {

/// Each empty where the name does not have it.
struct ClusterNameParts {
  std::string kind;  // "svc" or "pod"
  std::string namespace_name;
  std::string service;  // or the label of a Pod
  std::string endpoint;
  std::string cluster;
  std::string port;
  std::string protocol;
  std::string topology_zone;
  bool is_invalid = false;  // of no form that a cluster name has
};

/// `prefix`: lower-case wire labels left of the zone.
ClusterNameParts cluster_name_parts(std::string_view prefix, bool is_clusterset, bool zonal);

}  // namespace fairlead::server
