// Records as text that diffs well: sorted, one a line, every field in its place.
//
// Threads: values.
// Standards: RFC 1035 §5 (master files), RFC 4034 §6.1 (order of names), RFC 3597.
#pragma once

#include <string>
#include <vector>

#include "zones/dns/ldns_bridge.hpp"

namespace fairlead::ctl {

enum class Format { zone, json };

/// The SOA at the top, then the zone's names in canonical order, then names outside of it; within a name by type
/// number, then by the octets of RDATA.
void sort_records(std::vector<dns::ResourceRecord>& records, const dns::DomainName& zone);

/// Master-file form, or JSON with a record on each line. Ends with a newline.
std::string write_listing(const std::vector<dns::ResourceRecord>& records, const dns::DomainName& zone, Format format);

}  // namespace fairlead::ctl
