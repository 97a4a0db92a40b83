// The names of a cluster as the query path reads them.
//
// Keys of `forward` are relative to the cluster zone: "\3web\7default\3svc" and what lies below; "\7default\3svc" and
// "\7default\3pod" (when pod names are served) for each Namespace; "svc" and "pod" themselves are not in the table:
// they always exist. SRV names are stored with their underscores; empty non-terminals have entries of their own. When
// zonal names are served, headless Services have "\5_zone\2db\7default\3svc", and an entry for each topology zone with
// endpoints, "\2z1\3pin\5_zone\2db\7default\3svc": answers to questions rather
// than names of the zone.
// Keys of `reverse` are reverse names up to the length octet of "in-addr" or "ip6", which tells the two apart, so
// "\2" "21" ... "\7" is 21... in-addr.arpa; see reverse_key(). Empty non-terminals are there, "\7" is the last.
//
// Threads: as zones::NameTable; the atomics may be read from every thread.
// Standards: Kubernetes DNS specification 1.1.0.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "k8s/pod_table.hpp"
#include "zones/base/published.hpp"
#include "zones/dns/message_reader.hpp"
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

/// The key in a reverse table of a name at or below in-addr.arpa or ip6.arpa, in lower case.
inline std::string_view reverse_key(dns::NameView name) {
  constexpr std::size_t arpa_octets = 6;
  const bool is_ip6 = name.data()[name.size() - arpa_octets - 1] == '6';
  const std::size_t left_out = arpa_octets + (is_ip6 ? std::string_view("ip6") : std::string_view("in-addr")).size();
  return {reinterpret_cast<const char*>(name.data()), name.size() - left_out};
}

/// The name that a key of a reverse table stands for.
inline dns::NameBuffer reverse_name(std::string_view key) {
  using namespace std::string_view_literals;
  dns::NameBuffer name;
  auto* at = std::ranges::copy(key, name.octets.data()).out;
  at = std::ranges::copy(key.ends_with('\7') ? "in-addr\4arpa\0"sv : "ip6\4arpa\0"sv, at).out;
  name.size = static_cast<std::uint8_t>(at - name.octets.data());
  return name;
}

/// What the names in the table are.
enum class NamesFrom : std::uint8_t {
  api_server,        // those of the API server, or on their way from it; see `synced`
  snapshot,          // those of a file, until everything has been listed
  expired_snapshot,  // as above, but too old by now to be answered
};

/// The names of an external zone: "\3web\7default" and what lies below, "\7default" for each Namespace, and reverse
/// names of external addresses. An entry with a CNAME may have SRV records: they lead where the CNAME does.
struct ExternalTable {
  zones::NameTable forward;
  zones::NameTable reverse;
  /// What the PTR targets in `reverse` are relative to: the zone. Written before anybody reads.
  dns::DomainName ptr_zone;
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
  /// What the PTR targets in `reverse` are relative to, svc.<zone>. Written before anybody reads.
  dns::DomainName ptr_zone;
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
  /// It was written by a server that watched Pods; else their names are not known until they are listed. As above.
  bool snapshot_has_pods = false;

  /// Null when Pods are not watched, or are those of a snapshot that is too old by now.
  const PodTable* known_pods() const {
    const bool are_known = names_from.load(std::memory_order_relaxed) != NamesFrom::expired_snapshot;
    return are_known ? pods.get() : nullptr;
  }
};

}  // namespace fairlead::k8s
