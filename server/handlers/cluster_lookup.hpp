// What a name below a cluster zone stands for, and the table entry behind it.
//
// Threads: a worker's, inside a ReadSection.
// Standards: Kubernetes DNS specification 1.1.0; RFC 8020 (empty non-terminals exist).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "k8s/cluster_table.hpp"
#include "zones/base/ip_address.hpp"
#include "zones/dns/domain_name.hpp"

namespace fairlead::server {

/// What stands at a name.
enum class NameKind : std::uint8_t {
  absent,
  namespace_absent,    // as absent; the Namespace is not known
  pod_absent,          // as absent; no Pod of the Namespace has the address
  no_ready_endpoints,  // as absent; a headless Service without ready endpoints
  empty,               // exists without records here: apex-like parts, empty non-terminals, Namespaces
  entry,               // records in the table
  pod_address,         // the address spelled out in a pod name
  dns_version,         // dns-version.<zone>
  nameserver,          // ns.dns.<zone>
};

struct NameLookup {
  NameKind kind = NameKind::absent;
  const zones::NameEntry* entry = nullptr;
  base::IpAddress pod_address;
};

struct LookupOptions {
  bool pod_names = false;  // where the table has Pods, only theirs
  bool zonal = false;
  bool clusterset = false;  // two labels left of a Service may be an endpoint and its cluster
};

class ClusterLookup {
 public:
  ClusterLookup(const k8s::ClusterTable& table, LookupOptions options) : table_(table), options_(options) {}

  /// `prefix`: lower-case labels left of the zone; not empty.
  NameLookup find(std::string_view prefix) const;

 private:
  NameLookup find_in_services(std::string_view prefix, std::size_t labels) const;
  /// At "_zone.<service>" or below; nothing where that is no headless Service.
  std::optional<NameLookup> find_zonal(std::string_view prefix, std::size_t labels) const;
  NameLookup find_in_pods(std::string_view prefix, std::size_t labels) const;

  const k8s::ClusterTable& table_;
  LookupOptions options_;
};

/// The same for a name below an external zone.
NameLookup find_external(const k8s::ExternalTable& table, std::string_view prefix);

/// The address in a pod name's first label: "10-244-0-7", "fd00--7". Nothing when it is none.
std::optional<base::IpAddress> parse_pod_label(std::string_view label);

}  // namespace fairlead::server
