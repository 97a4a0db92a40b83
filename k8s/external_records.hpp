// From a Service to its names in an external zone, "<service>.<namespace>" below it: pure functions, for k8s_external.
//
// Names are given as in service_records.hpp: the labels in front of the Service. A Service has its external addresses:
// those of its spec and of its load balancer. A load balancer that is known by a host name alone makes the names
// aliases of it, whose SRV records lead to it as well. A headless Service without any has its endpoints when they are
// wanted.
//
// Threads: values. Contents look at the Service and the slices that they were made from.
// Limits: as in service_records.hpp.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "k8s/service_records.hpp"

namespace fairlead::k8s {

/// What an external zone has; see ClusterOptions.
struct ExternalRecordOptions {
  dns::DomainName zone;   // PTR targets lie in it
  bool headless = false;  // endpoints of headless Services
};

/// Puts all external addresses into `external_ips`, sorted, and leaves one usable host name when there are none: equal
/// meaning, equal objects. Aliases have none of them.
void normalize_external(Service& service);
/// Takes them away, for a store that has no external zone to serve.
void drop_external(Service& service);

/// "\3web\7default" as stored.
std::string external_suffix(const ObjectKey& key);

/// The names of one Service; `service` is normalized.
class ExternalRecords {
 public:
  ExternalRecords(const Service& service, std::span<const ReadySlice> slices, const RecordOptions& options,
                  const ExternalRecordOptions& external);
  ExternalRecords(const ExternalRecords&) = delete;
  ExternalRecords& operator=(const ExternalRecords&) = delete;

  /// What the name has; nothing when it does not exist. With a `cname`, SRV records lead to that and not to a target.
  bool fill(std::string_view name, zones::NameContent& content) const;
  /// The same for an endpoint that goes by its address; `label` is the address with dashes.
  bool fill_addressed(const base::IpAddress& address, std::string_view label, zones::NameContent& content) const;

 private:
  bool finish(zones::NameContent& content) const;

  Service shown_;  // as a Service of the cluster with such addresses
  RecordOptions options_;
  std::optional<dns::DomainName> alias_;
  std::optional<ServiceRecords> records_;  // looks at the two; none: no names
};

}  // namespace fairlead::k8s
