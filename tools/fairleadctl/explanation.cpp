#include "tools/fairleadctl/explanation.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

namespace fairlead::ctl {
namespace {

using Kind = NameForm::Kind;

// Of a Service with thousands of endpoints, and of a Namespace with hundreds of Services.
constexpr std::size_t shown_max = 20;

std::string text_of(k8s::Protocol protocol) {
  switch (protocol) {
    case k8s::Protocol::udp: return "UDP";
    case k8s::Protocol::sctp: return "SCTP";
    case k8s::Protocol::tcp: break;
  }
  return "TCP";
}

template <typename Items, typename Write>
std::string join(const Items& items, const Write& write) {
  std::string text;
  std::size_t shown = 0;
  for (const auto& item : items) {
    if (shown++ == shown_max) return text + ", ...";
    text += (text.empty() ? "" : ", ") + write(item);
  }
  return text;
}

template <typename Ports>
std::string ports_text(const Ports& ports) {
  if (ports.empty()) return "no ports";
  return "ports " + join(ports, [](const auto& port) {
           return (port.name.empty() ? "" : port.name + " ") + std::to_string(port.port) + "/" + text_of(port.protocol);
         });
}

template <typename Addresses>
std::string addresses_text(const Addresses& addresses) {
  return join(addresses, [](const base::IpAddress& address) { return address.to_string(); });
}

std::string path_of(const k8s::ObjectKey& key) { return key.namespace_name + "/" + key.name; }

std::string describe(const k8s::Service& service) {
  std::string text = "Service " + path_of(service.key) + ": ";
  if (service.type == k8s::Service::Type::external_name) return text + "ExternalName " + service.external_name;
  if (service.headless) {
    text += "headless";
  } else if (service.cluster_ips.empty()) {
    text += "no cluster address yet";
  } else {
    text += "cluster address " + addresses_text(service.cluster_ips);
  }
  return text + "; " + ports_text(service.ports);
}

std::string endpoint_text(const k8s::Endpoint& endpoint) {
  std::string text = endpoint.ready ? "" : "not ready: ";
  text += addresses_text(endpoint.addresses);
  const std::string who = !endpoint.hostname.empty() ? endpoint.hostname : endpoint.target_ref_name;
  return who.empty() ? text : text + " (" + who + ")";
}

std::size_t ready_count(const k8s::EndpointSlice& slice) {
  return static_cast<std::size_t>(std::ranges::count_if(slice.endpoints, &k8s::Endpoint::ready));
}

std::string describe(const k8s::EndpointSlice& slice) {
  return "EndpointSlice " + path_of(slice.key) + " of Service " + slice.service_name + ": " +
         std::to_string(ready_count(slice)) + " of " + std::to_string(slice.endpoints.size()) + " endpoints ready" +
         (slice.endpoints.empty() ? "" : "; ") + join(slice.endpoints, endpoint_text) + "; " + ports_text(slice.ports);
}

std::size_t ready_endpoints(const NamedObjects& objects) {
  std::size_t ready = 0;
  for (const auto& [key, slice] : objects.slices()) ready += ready_count(slice);
  return ready;
}

std::string why_of_service(const NamedObjects& objects, const k8s::Service& service) {
  const std::string which = "Service " + path_of(service.key);
  const std::size_t ready = ready_endpoints(objects);
  if (service.type == k8s::Service::Type::external_name) {
    return which + " is an ExternalName: an alias of " + service.external_name +
           ", which is looked up like any other name.";
  }
  if (service.headless && ready == 0) {
    return which +
           " is headless and none of its endpoints is ready, so it has no addresses. Look at the readiness of "
           "its Pods, or set publishNotReadyAddresses.";
  }
  if (service.headless) return "The ready endpoints of the headless " + which + ".";
  if (service.cluster_ips.empty()) return which + " has no cluster address yet.";
  return "The cluster addresses of " + which + ", whatever its endpoints are doing." +
         (ready == 0 ? " None of these is ready: the name resolves, and connections fail." : "");
}

std::string why_of_port(const NameForm& form, const NamedObjects& objects, const k8s::Service& service, bool exists) {
  const std::string wanted = "port '" + form.port + "' of protocol " + form.protocol;
  if (exists) return "The " + wanted + " of Service " + path_of(service.key) + ". " + why_of_service(objects, service);
  return "Service " + path_of(service.key) + " has no " + wanted + "; it has " + ports_text(service.ports) +
         (service.headless ? ", and a headless Service has those of its ready endpoints alone." : ".");
}

std::string why_of_endpoint(const NameForm& form, const k8s::Service& service, bool exists) {
  if (exists) return "One endpoint of Service " + path_of(service.key) + ", by its name.";
  return "No ready endpoint of Service " + path_of(service.key) + " is called '" + form.endpoint +
         "': an endpoint's name is its hostname, or its address with dashes. A search list (ndots:5) makes such names "
         "too.";
}

std::string why_of_missing_service(const NameForm& form, const NamedObjects& objects) {
  std::string text = "Namespace " + form.namespace_name + " has no Service '" + form.service + "'. ";
  if (form.kind == Kind::too_long) text += "With so many labels it is likely a name of a search list (ndots:5). ";
  if (objects.siblings().empty()) return text + "It has none at all.";
  return text + "It has " + join(objects.siblings(), [](const std::string& name) { return name; }) + ".";
}

std::string why_of(const dns::DomainName& name, const dns::DomainName& zone, const NamedObjects& objects, bool exists) {
  const NameForm& form = objects.form();
  switch (form.kind) {
    case Kind::outside:
      return name.to_string() + " is not in the zone " + zone.to_string() +
             ", so other directives of the Corefile answer it: `forward`, as a rule. Is this the cluster's domain? See "
             "--zone.";
    case Kind::apex: return "The cluster's zone itself.";
    case Kind::fixed: return "A name that every cluster has.";
    case Kind::address:
      return exists ? "A cluster address belongs to its Service, any other one to the ready endpoints that have it."
                    : "No Service has this cluster address, and no ready endpoint of a Service has it. With "
                      "`fallthrough` it is asked upstream.";
    case Kind::pod:
      if (!objects.has_namespace()) break;
      return "Names of Pods are not looked up in a list: with `pods insecure` the address is read from the name, if "
             "the "
             "Namespace exists; with `pods verified` a Pod must have it; with `pods disabled` there are none.";
    default: break;
  }
  if (form.namespace_name.empty()) return "The zone has no such name: names of Services end in svc." + zone.to_string();
  if (!objects.has_namespace()) return "There is no Namespace '" + form.namespace_name + "'.";
  if (form.kind == Kind::namespace_name) return "Namespace " + form.namespace_name + ": it has no records itself.";
  if (form.service.empty()) return "The zone has no such name.";
  if (objects.services().empty()) return why_of_missing_service(form, objects);
  const k8s::Service& service = objects.services().begin()->second;
  switch (form.kind) {
    case Kind::service: return why_of_service(objects, service);
    case Kind::port: return why_of_port(form, objects, service, exists);
    case Kind::endpoint: return why_of_endpoint(form, service, exists);
    default: return "No name has so many labels. It is likely a name of a search list (ndots:5).";
  }
}

std::string outcome_of(const NameForm& form, bool has_namespace, bool has_records, bool exists) {
  if (form.kind == Kind::outside) return "elsewhere";
  if (form.kind == Kind::pod && has_namespace) return "computed";
  if (has_records || form.kind == Kind::apex) return "NOERROR";
  return exists || form.kind == Kind::fixed ? "NODATA" : "NXDOMAIN";
}

}  // namespace

Explanation explain(const dns::DomainName& name, const dns::DomainName& zone, const NamedObjects& objects,
                    const std::vector<dns::ResourceRecord>& records, const std::vector<dns::DomainName>& existing) {
  Explanation explanation;
  explanation.name = name;
  bool exists = std::ranges::any_of(existing, [&](const auto& other) { return other.view().is_at_or_below(name); });
  for (const auto& record : records) {
    if (record.owner == name) explanation.records.push_back(record);
    exists |= record.owner.view().is_at_or_below(name);
  }
  const NameForm& form = objects.form();
  explanation.outcome = outcome_of(form, objects.has_namespace(), !explanation.records.empty(), exists);
  explanation.why = why_of(name, zone, objects, exists);
  if (objects.has_namespace()) explanation.objects.push_back("Namespace " + form.namespace_name);
  for (const auto& [key, service] : objects.services()) explanation.objects.push_back(describe(service));
  for (const auto& [key, slice] : objects.slices()) explanation.objects.push_back(describe(slice));
  return explanation;
}

std::string write_explanation(const Explanation& explanation, bool as_json) {
  if (!as_json) {
    std::string text = explanation.name.to_string() + " is " + explanation.outcome + "\n" + explanation.why + "\n";
    for (const auto& object : explanation.objects)
      text += (&object == explanation.objects.data() ? "\n" : "") + object + "\n";
    for (const auto& record : explanation.records) {
      text += (&record == explanation.records.data() ? "\n" : "") + dns::to_string(record) + "\n";
    }
    return text;
  }
  nlohmann::ordered_json json;
  json["name"] = explanation.name.to_string();
  json["outcome"] = explanation.outcome;
  json["why"] = explanation.why;
  json["objects"] = explanation.objects;
  json["records"] = nlohmann::ordered_json::array();
  for (const auto& record : explanation.records) {
    json["records"].push_back({{"owner", record.owner.to_string()},
                               {"ttl", record.ttl},
                               {"class", dns::to_string(record.rrclass)},
                               {"type", dns::to_string(record.type)},
                               {"rdata", dns::rdata_to_string(record.type, record.rdata)}});
  }
  // An API server may hold names that are no UTF-8; JSON cannot.
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace fairlead::ctl
