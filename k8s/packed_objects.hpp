// Services and EndpointSlices as the object store holds them: one string of octets each.
//
// A ready IPv4 endpoint without a name of its own takes 5 octets, where the decoded object takes hundreds; and two
// objects mean the same to DNS exactly when their packed forms are equal. What DNS does not see (endpoints that are
// not ready, names of Pods when they are not wanted) is left out before packing, so its changes touch nothing.
//
// Threads: values.
// Limits: packed_ports_max ports an object; what is beyond could not be answered anyway.
#pragma once

#include <boost/container/small_vector.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "k8s/objects.hpp"
#include "k8s/service_records.hpp"

namespace fairlead::k8s {

/// Of these octets; another number where they come to mean something else, so that nobody reads a snapshot wrongly.
inline constexpr unsigned packed_version = 1;
inline constexpr std::size_t packed_ports_max = addresses_max;
/// Longer text cannot be a domain name, even if every octet is escaped as "\DDD".
inline constexpr std::size_t external_name_octets_max = 4 * dns::name_octets_max;

std::string pack(const Service& service);
/// Reads whatever it is given; what pack() did not make packs into something else.
Service unpack_service(std::string_view packed, ObjectKey key);
/// What unpack_service() would say; false for an empty string.
bool is_headless_service(std::string_view packed);

std::string pack(const ReadySlice& slice);
/// pack(ready_slice(slice, options)), in one step where all endpoints are plain IPv4 addresses.
std::string pack(const EndpointSlice& slice, const RecordOptions& options);
/// As unpack_service(). Looks at `packed`.
ReadySlice unpack_slice(std::string_view packed);

std::vector<EndpointPort> unpack_ports(std::string_view packed_slice);

/// What two packed slices do not have in common. Looks at both.
struct SliceDifference {
  template <typename T>
  using Few = boost::container::small_vector<T, 2>;

  bool has_other_ports = false;  // or is of another cluster
  bool has_common = false;       // some address is in both, under one label and in one topology zone
  std::string_view old_cluster, new_cluster;
  /// The addresses that only one of them has under that label and in that topology zone.
  Few<ReadyAddress> left, came;
  /// The addresses that only one of them has, whatever it calls them; sorted, once each.
  Few<base::IpAddress> vanished, appeared;
};
/// Of slices that pack() packed, hence sorted; of others anything.
SliceDifference difference(std::string_view before, std::string_view after);

/// The labels under which a packed slice has the address, "" for the one with dashes. Looks at `packed`.
zones::NameContent::List<std::string_view, 2> labels_of(std::string_view packed, const base::IpAddress& address);

}  // namespace fairlead::k8s
