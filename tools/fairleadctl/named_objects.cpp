#include "tools/fairleadctl/named_objects.hpp"

#include <algorithm>
#include <ranges>
#include <utility>

#include "zones/dns/reverse_name.hpp"

namespace fairlead::ctl {
namespace {

// The labels of `name` left of `zone`, the leftmost first, in lower case.
std::vector<std::string> labels_below(dns::NameView name, const dns::DomainName& zone) {
  std::vector<std::string> labels;
  const dns::DomainName lower = dns::DomainName(name).to_lower();
  dns::NameView rest = lower.view();
  for (auto left = name.label_count() - zone.view().label_count(); left > 0; --left) {
    labels.emplace_back(rest.first_label());
    rest = rest.parent();
  }
  return labels;
}

bool holds(const k8s::EndpointSlice& slice, const base::IpAddress& address) {
  return std::ranges::any_of(slice.endpoints, [&](const k8s::Endpoint& endpoint) {
    return std::ranges::find(endpoint.addresses, address) != endpoint.addresses.end();
  });
}

}  // namespace

NameForm NameForm::of(dns::NameView name, const dns::DomainName& zone) {
  NameForm form;
  if (const auto address = dns::address_of_reverse_name(name)) {
    form.kind = Kind::address;
    form.address = address;
    return form;
  }
  if (!name.is_at_or_below(zone)) return form;
  const auto labels = labels_below(name, zone);
  const std::size_t count = labels.size();
  if (count == 0) {
    form.kind = Kind::apex;
    return form;
  }
  const bool is_service = labels.back() == "svc";
  const bool is_pod = labels.back() == "pod";
  if (!is_service && !is_pod) {
    form.kind = count == 1 && labels[0] == "dns-version" ? Kind::fixed : Kind::too_long;
    return form;
  }
  if (count == 1) {
    form.kind = Kind::fixed;
    return form;
  }
  form.namespace_name = labels[count - 2];
  if (count == 2) {
    form.kind = Kind::namespace_name;
  } else if (is_pod) {
    form.kind = count == 3 ? Kind::pod : Kind::too_long;
    form.endpoint = labels[0];
  } else {
    form.service = labels[count - 3];
    if (count == 3) {
      form.kind = Kind::service;
    } else if (count == 4) {
      form.kind = Kind::endpoint;
      form.endpoint = labels[0];
    } else if (count == 5 && labels[0].starts_with('_') && labels[1].starts_with('_')) {
      form.kind = Kind::port;
      form.port = labels[0].substr(1);
      form.protocol = labels[1].substr(1);
    } else {
      form.kind = Kind::too_long;
    }
  }
  return form;
}

// A list that is begun anew says all again.
void NamedObjects::begin_list(k8s::Kind kind) {
  const std::scoped_lock lock(mutex_);
  switch (kind) {
    case k8s::Kind::kNamespace: has_namespace_ = false; break;
    case k8s::Kind::service:
      services_.clear();
      siblings_.clear();
      break;
    case k8s::Kind::endpoint_slice: slices_.clear(); break;
    default: break;
  }
}

void NamedObjects::upsert(k8s::Namespace object) {
  const std::scoped_lock lock(mutex_);
  if (object.name == form_.namespace_name) has_namespace_ = true;
}

void NamedObjects::upsert(k8s::Service object) {
  const std::scoped_lock lock(mutex_);
  const bool is_meant = form_.address
                            ? std::ranges::find(object.cluster_ips, *form_.address) != object.cluster_ips.end()
                            : object.key.namespace_name == form_.namespace_name && object.key.name == form_.service;
  if (!is_meant) {
    if (object.key.namespace_name == form_.namespace_name) siblings_.insert(object.key.name);
    return;
  }
  auto key = object.key;
  services_.insert_or_assign(std::move(key), std::move(object));
}

void NamedObjects::upsert(k8s::EndpointSlice object) {
  const std::scoped_lock lock(mutex_);
  const bool is_meant = form_.address ? holds(object, *form_.address)
                                      : object.key.namespace_name == form_.namespace_name && !form_.service.empty() &&
                                            object.service_name == form_.service;
  if (!is_meant) return;
  auto key = object.key;
  slices_.insert_or_assign(std::move(key), std::move(object));
}

void NamedObjects::remove(k8s::Kind kind, const k8s::ObjectKey& key) {
  const std::scoped_lock lock(mutex_);
  switch (kind) {
    case k8s::Kind::kNamespace:
      if (key.name == form_.namespace_name) has_namespace_ = false;
      break;
    case k8s::Kind::service:
      services_.erase(key);
      if (key.namespace_name == form_.namespace_name) siblings_.erase(key.name);
      break;
    case k8s::Kind::endpoint_slice: slices_.erase(key); break;
    default: break;
  }
}

}  // namespace fairlead::ctl
