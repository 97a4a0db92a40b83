// What stands at the apex of a cluster's zones, wherever it is written: in answers, transfers and listings.
//
// Threads: values.
// Standards: SOA as CoreDNS builds it, so that caches and secondaries behave the same after a swap.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "zones/dns/domain_name.hpp"

namespace fairlead::k8s {

inline constexpr std::uint32_t soa_refresh = 7200;
inline constexpr std::uint32_t soa_retry = 1800;
inline constexpr std::uint32_t soa_expire = 86400;
inline constexpr std::uint32_t soa_ttl_max = 300;
// Wire labels, relative to the zone.
inline constexpr std::string_view nameserver_prefix = "\2ns\3dns";
inline constexpr std::string_view contact_prefix = "\12hostmaster";

/// What stands in front of a zone in the names of its SOA, as wire labels. As it is: a cluster's zone.
struct ApexLabels {
  std::string nameserver{nameserver_prefix};
  std::string contact{contact_prefix};
};
/// Those of an external zone, below the label of its `apex`.
ApexLabels external_apex_labels(std::string_view apex);

/// The RDATA of the SOA, with its names spelled out. In a zone so long that they do not exist the zone stands for them.
std::vector<std::uint8_t> soa_rdata(dns::NameView zone, const ApexLabels& labels, std::uint32_t serial,
                                    std::uint32_t ttl);
/// The numbers at its end, 20 octets.
void write_soa_numbers(std::uint8_t* at, std::uint32_t serial, std::uint32_t ttl);

}  // namespace fairlead::k8s
