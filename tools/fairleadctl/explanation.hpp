// Why a name of the cluster is answered as it is: the objects behind it, in words, and the records that come of them.
//
// Threads: values.
#pragma once

#include <string>
#include <vector>

#include "k8s/cluster_table.hpp"
#include "tools/fairleadctl/named_objects.hpp"
#include "zones/dns/ldns_bridge.hpp"

namespace fairlead::ctl {

struct Explanation {
  dns::DomainName name;
  /// NOERROR, NODATA or NXDOMAIN; "computed" where it depends on the question, "elsewhere" where it is not the
  /// cluster's.
  std::string outcome;
  std::string why;                   // sentences
  std::vector<std::string> objects;  // "Service shop/web: ..."
  std::vector<dns::ResourceRecord> records;
};

/// `records`: all of the zone and of the reverse zones, as list_table() gives them. `existing`: owner names that have
/// none.
Explanation explain(const dns::DomainName& name, const dns::DomainName& zone, const NamedObjects& objects,
                    const std::vector<dns::ResourceRecord>& records, const std::vector<dns::DomainName>& existing);

/// For people, or as one JSON object.
std::string write_explanation(const Explanation& explanation, bool as_json);

}  // namespace fairlead::ctl
