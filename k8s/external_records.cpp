#include "k8s/external_records.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "zones/base/sort_unique.hpp"

namespace fairlead::k8s {

void drop_external(Service& service) {
  service.external_ips.clear();
  service.ingress_ips.clear();
  service.ingress_names.clear();
}

void normalize_external(Service& service) {
  if (service.type == Service::Type::external_name) return drop_external(service);
  auto& ips = service.external_ips;
  std::ranges::move(std::exchange(service.ingress_ips, {}), std::back_inserter(ips));
  base::sort_unique(ips);
  if (ips.size() > addresses_max) ips.resize(addresses_max);
  // A name with an alias can have nothing else (RFC 1034 §3.6.2), so addresses win, and one alias of several.
  auto names = std::exchange(service.ingress_names, {});
  if (!ips.empty()) return;
  const auto usable = std::ranges::find_if(names, [](const auto& name) { return external_target(name).has_value(); });
  if (usable != names.end()) service.ingress_names.push_back(std::move(*usable));
}

std::string external_suffix(const ObjectKey& key) {
  std::string suffix = service_suffix(key);
  suffix.resize(suffix.size() - std::string_view("\3svc").size());
  return suffix;
}

ExternalRecords::ExternalRecords(const Service& service, std::span<const ReadySlice> slices,
                                 const RecordOptions& options, const ExternalRecordOptions& external)
    : shown_(service), options_(options) {
  options_.zonal = false;
  if (!service.external_ips.empty()) {
    shown_.cluster_ips = service.external_ips;
  } else if (!service.ingress_names.empty()) {
    alias_ = external_target(service.ingress_names.front());
    // Any address: only what is built around it is used.
    shown_.cluster_ips = {base::IpAddress::v4(std::array<std::uint8_t, 4>{})};
  } else {
    if (external.headless && service.headless && !options.no_endpoints) records_.emplace(shown_, slices, options_);
    return;
  }
  // As a ClusterIP Service with those addresses, with or without endpoints of which nothing is told.
  shown_.headless = false;
  options_.no_endpoints = true;
  records_.emplace(shown_, std::span<const ReadySlice>(), options_);
}

bool ExternalRecords::fill(std::string_view name, zones::NameContent& content) const {
  return records_ && records_->fill(name, content) && finish(content);
}

bool ExternalRecords::fill_addressed(const base::IpAddress& address, std::string_view label,
                                     zones::NameContent& content) const {
  return records_ && records_->fill_addressed(address, label, content) && finish(content);
}

bool ExternalRecords::finish(zones::NameContent& content) const {
  if (!content.srvs.empty()) content.srv_suffix = external_suffix(shown_.key);
  if (alias_ && !content.addresses.empty()) {
    content.addresses.clear();
    for (auto& target : content.targets) target.addresses.clear();
    content.cname = alias_;
  }
  return true;
}

}  // namespace fairlead::k8s
