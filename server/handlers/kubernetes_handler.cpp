#include "server/handlers/kubernetes_handler.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "server/config/option_values.hpp"
#include "server/handlers/alias_target.hpp"
#include "server/handlers/cluster_metadata.hpp"
#include "server/query/limits.hpp"
#include "zones/base/published.hpp"

namespace fairlead::server {
namespace {

using dns::Header;
using dns::RRType;
using dns::Section;

constexpr std::uint32_t dns_version_ttl = 28800;
constexpr auto dns_version = std::to_array<std::uint8_t>({5, '1', '.', '1', '.', '0'});  // one character-string

bool is_clusterset(const ServedZone& zone) { return zone.part == k8s::ClusterPart::clusterset; }

}  // namespace

std::vector<ServedZone> served_zones(const KubernetesOptions& options, const k8s::Cluster& cluster) {
  using enum k8s::ClusterPart;
  const k8s::ClusterTable* const clusterset_table = cluster.clusterset_table();
  std::vector<ServedZone> zones;
  for (const dns::DomainName& zone : options.zones) {
    const auto contains = [&](const dns::DomainName& other) { return zone.view().is_at_or_below(other); };
    const bool is_clusterset = clusterset_table != nullptr && std::ranges::any_of(options.multicluster_zones, contains);
    const k8s::ClusterTable& table = is_clusterset ? *clusterset_table : cluster.table();
    zones.push_back({.name = zone,
                     .part = is_reverse_zone(zone) ? reverse
                             : is_clusterset       ? clusterset
                                                   : forward,
                     .table = &table,
                     .serial = &table.serial,
                     .ptr_zone = cluster.table().ptr_zone});
  }
  return zones;
}

KubernetesHandler::KubernetesHandler(const KubernetesOptions& options, std::shared_ptr<k8s::Cluster> cluster,
                                     std::vector<base::IpAddress> local_addresses, bool rotates_answers)
    : options_(options),
      cluster_(std::move(cluster)),
      local_addresses_(std::move(local_addresses)),
      lookup_(cluster_->table(),
              {.pod_names = options.pods != KubernetesOptions::Pods::disabled, .zonal = options.zonal}),
      reply_({.zones = served_zones(options, *cluster_),
              .fallthrough = options.fallthrough,
              .apex = {},
              .ttl = options.ttl,
              .soa_ttl = std::min(options.ttl, k8s::soa_ttl_max),
              .rotates_answers = rotates_answers}) {
  if (const auto* const clusterset = cluster_->clusterset_table()) {
    clusterset_lookup_.emplace(*clusterset, LookupOptions{.clusterset = true});
  }
}

Step KubernetesHandler::handle(QueryContext& context) {
  const ServedZone* const zone = reply_.find_zone(context.qname.view());
  if (zone == nullptr) return Step::next;
  if (is_transfer(context.query.qtype)) return ClusterReply::refuse_transfer(context);
  const ClusterName name = split_name(context, *zone);
  return reply_.reply(context, name, [&] {
    if (name.prefix.empty()) return answer_apex(context, name);
    const bool is_reverse = zone->part == k8s::ClusterPart::reverse;
    return is_reverse ? answer_reverse(context, name) : answer_forward(context, name);
  });
}

NameLookup KubernetesHandler::find(const ClusterName& name, std::string_view prefix) const {
  // Pods and what is fixed are the same in every zone.
  const bool is_of_services = prefix.ends_with("\3svc");
  return is_clusterset(*name.served) && is_of_services ? clusterset_lookup_->find(prefix) : lookup_.find(prefix);
}

Step KubernetesHandler::answer_forward(QueryContext& context, const ClusterName& name) {
  const NameLookup lookup = find(name, name.prefix);
  switch (lookup.kind) {
    case NameKind::absent: return reply_.no_name(context, name, "no such Service, endpoint or port");
    case NameKind::namespace_absent: return reply_.no_name(context, name, "no such Namespace");
    case NameKind::pod_absent: return reply_.no_name(context, name, "no such Pod", cluster_->table().snapshot_has_pods);
    case NameKind::no_ready_endpoints:
      return reply_.no_name(context, name, "the headless Service has no ready endpoints");
    case NameKind::empty: return reply_.no_data(context, name);
    case NameKind::entry: return answer_entry(context, name, *lookup.entry);
    case NameKind::nameserver: return reply_.answer_addresses(context, name, local_addresses_);
    case NameKind::pod_address: return reply_.answer_addresses(context, name, {&lookup.pod_address, 1});
    case NameKind::dns_version: return answer_dns_version(context, name);
  }
  return reply_.no_data(context, name);
}

Step KubernetesHandler::answer_entry(QueryContext& context, const ClusterName& name, const zones::NameEntry& entry) {
  const RRType qtype = context.query.qtype;
  if (entry.has_cname() && (qtype == RRType::a || qtype == RRType::aaaa)) return answer_alias(context, name, entry);
  return reply_.answer_entry(context, name, entry);
}

// An ExternalName Service. Targets in this zone are followed in the table, others through the server's own chain.
Step KubernetesHandler::answer_alias(QueryContext& context, const ClusterName& name, const zones::NameEntry& first) {
  const RRType qtype = context.query.qtype;
  const zones::NameEntry* entry = &first;
  zones::CopyOptions options = reply_.copy_options(context);
  // A full reply is no reason to stop: whether the aliases lead anywhere is known at their end.
  const auto is_full = [&] { return context.writer.has_flag(Header::tc); };
  // CoreDNS counts the aliases behind the first one.
  for (int links = 0; links <= alias_chain_max; ++links) {
    if (!is_full()) {
      // The CNAME's RDATA is the owner of what it leads to.
      const std::size_t rdata_offset = context.writer.size() + 12;
      set_truncated(context, copy_cname(context.writer, *entry, options));
      options.owner_pointer = pointer_to(rdata_offset);
    }

    const dns::NameView target(entry->cname());
    if (!target.is_at_or_below(name.zone)) {
      return is_full() ? Step::answered
                       : ask_for_alias_target(context, target, label_, snapshot_note(cluster_->table()));
    }
    const CanonicalName canonical(target);
    const std::string_view prefix(reinterpret_cast<const char*>(canonical.octets.data()),
                                  target.size() - name.zone.size());
    const NameLookup lookup =
        prefix.empty() ? NameLookup{.kind = NameKind::empty, .entry = {}, .pod_address = {}} : find(name, prefix);
    if (lookup.kind == NameKind::pod_address && qtype == type_of(lookup.pod_address)) {
      if (!is_full() && !context.writer.append(Section::answer, pointer_octets(options.owner_pointer), qtype,
                                               options_.ttl, lookup.pod_address.octets())) {
        context.writer.set_flag(Header::tc);
      }
      return Step::answered;
    }
    if (lookup.kind != NameKind::entry) break;
    entry = lookup.entry;
    if (entry->has_cname()) continue;
    if (!has_type(*entry, qtype)) break;
    if (!is_full()) set_truncated(context, copy_addresses(context.writer, *entry, qtype, options));
    return Step::answered;
  }
  // A target in the same zone that yields nothing, or a loop.
  context.writer.clear_records();
  context.writer.set_flag(Header::tc, false);
  return reply_.no_data(context, name);
}

Step KubernetesHandler::answer_apex(QueryContext& context, const ClusterName& name) {
  const RRType qtype = context.query.qtype;
  if (qtype == RRType::soa) return reply_.answer_soa(context, name);
  if (qtype != RRType::ns) return reply_.no_data(context, name);

  glue_.clear();
  const auto append = [&](std::string_view labels, std::span<const base::IpAddress> addresses) {
    if (const auto target = reply_.append_nameserver(context, name, labels)) glue_.emplace_back(*target, addresses);
  };
  const k8s::ApexNameservers* const apex = cluster_->table().apex_nameservers.read();
  // The Services that we stand behind have no names in a clusterset.
  if (apex != nullptr && !apex->nameservers.empty() && !is_clusterset(*name.served)) {
    for (const auto& nameserver : apex->nameservers) append(nameserver.relative_name, nameserver.addresses);
  } else {
    append(k8s::nameserver_prefix, local_addresses_);
  }
  for (const auto& [owner, addresses] : glue_) reply_.append_glue(context, owner, addresses);
  return Step::answered;
}

Step KubernetesHandler::answer_dns_version(QueryContext& context, const ClusterName& name) {
  if (context.query.qtype != RRType::txt) return reply_.no_data(context, name);
  context.writer.append(Section::answer, pointer_octets(dns::question_pointer), RRType::txt, dns_version_ttl,
                        dns_version);
  return Step::answered;
}

Step KubernetesHandler::answer_reverse(QueryContext& context, const ClusterName& name) {
  const auto* const entry = cluster_->table().reverse.find(k8s::reverse_key(context.qname.view()));
  if (entry != nullptr) return answer_entry(context, name, *entry);
  if (name.prefix == "\13dns-version") return answer_dns_version(context, name);
  return reply_.no_name(context, name, "no Service or endpoint has this address");
}

std::span<const std::string_view> KubernetesHandler::metadata_labels() const {
  static constexpr auto labels = std::to_array<std::string_view>(
      {"kubernetes/client-namespace", "kubernetes/client-pod-name", "kubernetes/parse-error", "kubernetes/port-name",
       "kubernetes/protocol", "kubernetes/endpoint", "kubernetes/cluster", "kubernetes/zone", "kubernetes/service",
       "kubernetes/namespace", "kubernetes/kind"});
  return labels;
}

std::string KubernetesHandler::metadata(const QueryContext& context, std::string_view label) const {
  label.remove_prefix(label.find('/') + 1);
  if (label == "client-namespace" || label == "client-pod-name") {
    std::string value;
    const base::ReadSection section;
    const k8s::PodTable* const pods = cluster_->table().known_pods();
    if (pods == nullptr) return value;
    // An address of several Pods (host network) is that of the first in the table.
    pods->for_each(context.origin.client_address(), [&](std::string_view namespace_name, std::string_view pod_name) {
      if (value.empty()) value = label == "client-namespace" ? namespace_name : pod_name;
    });
    return value;
  }
  const ServedZone* const zone = reply_.find_zone(context.qname.view());
  if (zone == nullptr) return {};
  const ClusterNameParts parts =
      cluster_name_parts(split_name(context, *zone).prefix, is_clusterset(*zone), options_.zonal);
  if (label == "parse-error") return parts.is_invalid ? "invalid query name" : "";
  if (label == "port-name") return parts.port;
  if (label == "protocol") return parts.protocol;
  if (label == "endpoint") return parts.endpoint;
  if (label == "cluster") return parts.cluster;
  if (label == "zone") return parts.topology_zone;
  if (label == "service") return parts.service;
  if (label == "namespace") return parts.namespace_name;
  return parts.kind;
}

// ---- transfers

std::optional<TransferableZone> KubernetesHandler::find_zone(dns::NameView apex) const {
  return reply_.find_transferable(apex);
}

bool KubernetesHandler::has_name(dns::NameView name) const { return reply_.find_zone(name) != nullptr; }

std::unique_ptr<zones::ZoneReader> KubernetesHandler::read_zone(dns::NameView apex, std::function<void()> wake) {
  return reply_.read_zone(cluster_, apex, local_addresses_, std::move(wake));
}

}  // namespace fairlead::server
