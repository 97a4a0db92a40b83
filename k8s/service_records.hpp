// From a Service and its EndpointSlices to the names below "<service>.<namespace>.svc": pure functions.
//
// A name is given as the labels that stand in front of the Service, in wire form and lower case: "" is the Service
// itself, "\4web0" an endpoint, "\5_http\4_tcp" a port, "\4_tcp" the empty non-terminal above it. With `zonal`, a
// headless Service has "\5_zone", and "\2z1\3pin\5_zone" for each topology zone that has a ready endpoint. In a
// clusterset an endpoint has its cluster's id behind it, "\4web0\2c1", and "\2c1" is the empty non-terminal above it.
//
// Threads: values; a ServiceRecords has one owner. Names and contents look at the Service and the slices that they were
// made from. Limits: what no message can hold is left out: addresses_max addresses, targets and SRV records a name.
// Standards: Kubernetes DNS specification 1.1.0 §2; RFC 2782 (SRV), RFC 8020 (empty non-terminals exist).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "k8s/objects.hpp"
#include "zones/base/ip_address.hpp"
#include "zones/dns/domain_name.hpp"
#include "zones/name_table.hpp"

namespace fairlead::k8s {

/// How objects become names; see ClusterOptions.
struct RecordOptions {
  bool pod_names = false;
  bool endpoint_pod_names = false;
  bool no_endpoints = false;
  bool ignore_empty_services = false;
  bool zonal = false;
  bool clusterset = false;  // of ServiceImports: endpoint names hold the id of their cluster
  dns::DomainName zone;     // PTR targets lie in it
};

/// A message of 65,535 octets holds fewer records of 16 octets, the smallest there are.
inline constexpr std::size_t addresses_max = 4095;

/// One ready address of a slice. Its label as stored; empty: the address with dashes. Its topology zone when zonal
/// names are served.
struct ReadyAddress {
  base::IpAddress address;
  std::string_view label;
  std::string_view topology_zone = {};
  friend auto operator<=>(const ReadyAddress&, const ReadyAddress&) = default;
};

/// What DNS sees of an EndpointSlice: the ready addresses.
struct ReadySlice {
  std::string_view source_cluster = {};  // when the names are those of a clusterset
  std::vector<EndpointPort> ports;
  std::vector<ReadyAddress> addresses;
};

/// Sorted, so that slices with equal meaning are equal. Looks at `slice`.
ReadySlice ready_slice(const EndpointSlice& slice, const RecordOptions& options);

/// True for what fits a DNS label and holds no dot, which could not be asked for.
bool is_label(std::string_view text);
/// ASCII lower case.
std::string to_lower(std::string_view text);
/// The endpoint's own label: host name, or Pod name when wanted; empty: the address with dashes.
std::string_view own_label(const Endpoint& endpoint, const RecordOptions& options);
/// "10-0-0-1", "fd00--1"; an IPv6 form that would end in "-" gets a "0". In place: every endpoint of a change needs
/// one.
class DashedAddress {
 public:
  explicit DashedAddress(const base::IpAddress& address);
  operator std::string_view() const { return {octets_.data(), size_}; }  // NOLINT(google-explicit-constructor)

 private:
  std::array<char, 48> octets_;  // the longest IPv6 form has 45
  std::uint8_t size_;
};
/// The address of which this is the form with dashes, to the letter.
std::optional<base::IpAddress> parse_dashed_address(std::string_view label);
/// The CNAME target of an ExternalName Service; nothing for an IP address or what is no domain name.
std::optional<dns::DomainName> external_target(std::string_view external_name);
/// "\3web\7default\3svc" as stored.
std::string service_suffix(const ObjectKey& key);

/// Where the zonal names of a Service are: an empty non-terminal of every headless one.
inline constexpr std::string_view zonal_branch = "\5_zone";
/// "\2z1\3pin\5_zone"; nothing for what cannot be asked for. A topology zone may have dots.
std::optional<std::string> zonal_name(std::string_view topology_zone);

/// Names below a Service, in no order; some may be there twice.
struct ServiceNames {
  std::vector<base::IpAddress> addressed;  // of endpoints that go by their address, as nearly all do
  std::vector<std::string> others;
};

/// Appends all names that the Service (null: none) and the slices can have under any options, "" included; some may
/// come twice. Zonal ones are left out unless they are served.
void append_possible_names(const Service* service, std::span<const ReadySlice> slices, bool zonal, ServiceNames& names);
/// The names of ports with their empty non-terminals, for one list of ports.
void append_port_names(std::span<const ServicePort> ports, std::vector<std::string>& names);
void append_port_names(std::span<const EndpointPort> ports, std::vector<std::string>& names);
/// The name of an endpoint, and the empty non-terminal above it where it is of a cluster of a clusterset.
void append_endpoint_names(std::string_view cluster, const ReadyAddress& address, ServiceNames& names);
/// "\x08" "10-0-0-1", the name of an endpoint that goes by its address.
std::string addressed_name(const base::IpAddress& address);
/// The zonal names of a slice, once each.
void append_zonal_names(const ReadySlice& slice, std::vector<std::string>& names);

/// The names of one Service.
class ServiceRecords {
 public:
  ServiceRecords(const Service& service, std::span<const ReadySlice> slices, const RecordOptions& options);

  /// That so many names will be asked for.
  void expect(std::size_t names);
  /// Puts what the name has into `content`, which is as new; false when the name does not exist.
  bool fill(std::string_view name, zones::NameContent& content) const;
  /// The same for an endpoint that goes by its address; `label` is the address with dashes.
  bool fill_addressed(const base::IpAddress& address, std::string_view label, zones::NameContent& content) const;

 private:
  /// The first sixteen octets of a label in lower case, zeros behind a shorter one, compared as numbers: an IPv4
  /// address with dashes has no more, and two of them differ late.
  struct Start {
    Start() = default;
    explicit Start(std::string_view label);
    friend auto operator<=>(const Start&, const Start&) = default;
    std::uint64_t first = 0, second = 0;
  };
  /// An endpoint under its label.
  struct Item {
    Start start;
    std::string_view label;
    const ReadyAddress* from;
    std::uint32_t slice;
  };
  using Items = std::vector<Item>;

  std::string_view cluster_of(const Item& item) const { return slices_[item.slice].source_cluster; }
  std::strong_ordering compare(const Item& item, Start start, std::string_view label, std::string_view cluster) const;
  std::strong_ordering compare(const Item& a, const Item& b) const {
    return compare(a, b.start, b.label, cluster_of(b));
  }
  /// The end of those that share the first one's name.
  const Item* end_of_name(const Item* first, const Item* end) const;
  void sort(Items& items) const;
  /// All of them, sorted by label without case, label, address; made when they are first wanted.
  const Items& items() const;
  void find_named(std::string_view label, std::string_view cluster, Items& found) const;

  bool fill_service(zones::NameContent& content) const;
  bool fill_endpoint(std::string_view label, std::string_view cluster, zones::NameContent& content) const;
  bool fill_port(std::string_view port, std::string_view protocol, zones::NameContent& content) const;
  bool fill_topology_zone(std::string_view name, zones::NameContent& content) const;
  // What each slice offers, worked out once: a slice has up to a thousand endpoints.
  struct Offer {
    zones::NameContent::List<std::uint16_t, 4> ports;  // distinct numbers
    std::size_t count = 0;  // with repetitions; a slice without ports counts once, as in CoreDNS
  };
  using Offers = zones::NameContent::List<Offer, 2>;  // by slice
  template <typename Selects>
  Offers offers_of(Selects selects) const;
  /// Its target and SRV records; it may be in several places.
  void add_endpoint(std::span<const Item> places, const Offers& offers, zones::NameContent& content) const;
  void add_endpoints(std::span<const Item> items, const Offers& offers, zones::NameContent& content) const;
  template <typename Selects>
  void add_cluster_ips(Selects selects, zones::NameContent& content) const;
  bool has_port_of(std::string_view protocol_label) const;
  bool has_cluster(std::string_view id) const;

  const Service& service_;
  std::span<const ReadySlice> slices_;
  const RecordOptions& options_;
  std::string suffix_;
  Offers all_offers_;  // of all ports
  std::size_t addresses_ = 0;
  bool is_plain_ = true;  // all endpoints go by their addresses, which are in order: those of a name are found by it
  // A change is of an endpoint or two: to look at all of them for these is less work than to sort them.
  static constexpr std::size_t unsorted_lookups_max = 4;
  bool sorts_at_once_ = false;
  mutable std::size_t unsorted_lookups_ = 0;
  mutable Items items_;                        // empty until items() is called
  mutable std::vector<DashedAddress> dashed_;  // with room for all of them: items look at it
};

}  // namespace fairlead::k8s
