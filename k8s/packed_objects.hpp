// Services and EndpointSlices as the object store holds them: one string of octets each.
//
// A ready IPv4 endpoint without a name of its own takes 5 octets, where the decoded object takes hundreds; and two
// objects mean the same to DNS exactly when their packed forms are equal. What DNS does not see (endpoints that are
// not ready, names of Pods when they are not wanted) is left out before packing, so its changes touch nothing.
//
// Threads: values.
// Limits: packed_ports_max ports an object; what is beyond could not be answered anyway.
#pragma once

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
/// As unpack_service(). Looks at `packed`.
ReadySlice unpack_slice(std::string_view packed);
/// The labels under which a packed slice has the address, "" for the one with dashes. Looks at `packed`.
zones::NameContent::List<std::string_view, 2> labels_of(std::string_view packed, const base::IpAddress& address);

}  // namespace fairlead::k8s
