// The names of a cluster as the query path reads them.
//
// Keys of `forward` are relative to the cluster zone: "\3web\7default\3svc" and what lies below; "\7default\3svc" and
// "\7default\3pod" (when pod names are served) for each Namespace; "svc" and "pod" themselves are not in the table:
// they always exist. SRV names are stored with their underscores; empty non-terminals have entries of their own. When
// zonal names are served, headless Services have "\5_zone\2db\7default\3svc", and an entry for each topology zone with
// endpoints, "\2z1\3pin\5_zone\2db\7default\3svc": answers to questions rather
// than names of the zone.
// Keys of `reverse` are whole reverse names, "\1" "1" ... "\7in-addr\4arpa", empty non-terminals included.
//
// Threads: as zones::NameTable; the atomics may be read from every thread.
// Standards: Kubernetes DNS specification 1.1.0.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "k8s/pod_table.hpp"
#include "zones/base/published.hpp"
#include "zones/name_table.hpp"

namespace fairlead::k8s {

/// What the apex NS answer is made of: Services whose slices hold one of the server's own addresses.
struct ApexNameservers {
  struct Nameserver {
    std::string relative_name;  // wire labels without root, relative to the zone
    std::vector<base::IpAddress> addresses;
  };
  std::vector<Nameserver> nameservers;  // empty: ns.dns.<zone> with the local addresses
};

/// What the names in the table are.
enum class NamesFrom : std::uint8_t {
  api_server,        // those of the API server, or on their way from it; see `synced`
  snapshot,          // those of a file, until everything has been listed
  expired_snapshot,  // as above, but too old by now to be answered
};

/// Pods are held without their names, and a snapshot has none: their names are not known until they are listed.
inline constexpr bool snapshot_has_pods = false;

/// The names of an external zone: "\3web\7default" and what lies below, "\7default" for each Namespace, and whole
/// reverse names of external addresses. An entry with a CNAME may have SRV records: they lead where the CNAME does.
struct ExternalTable {
  zones::NameTable forward;
  zones::NameTable reverse;
  /// The external addresses of the Services that we stand behind; none published: we stand behind none.
  struct Nameserver {
    std::vector<base::IpAddress> addresses;
  };
  base::Published<std::optional<Nameserver>> nameserver;
  std::atomic<std::uint32_t> serial{0};
};

struct ClusterTable {
  zones::NameTable forward;
  zones::NameTable reverse;
  /// Null unless Pods are watched.
  std::unique_ptr<PodTable> pods;
  base::Published<ApexNameservers> apex_nameservers;
  /// Null unless an external zone is served.
  std::unique_ptr<ExternalTable> external;
  /// SOA serial: the Unix time of the last visible change, strictly rising with every published batch.
  std::atomic<std::uint32_t> serial{0};
  /// True once every kind was listed in full and is in the table; never false again.
  std::atomic<bool> synced{false};
  std::atomic<NamesFrom> names_from{NamesFrom::api_server};
  /// Which snapshot, for people. Written before names_from says `snapshot` and before anybody reads, never again.
  std::string snapshot_note;
};

}  // namespace fairlead::k8s
