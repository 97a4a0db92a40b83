#include "server/handlers/kubernetes_handler.hpp"

#include <algorithm>
#include <array>

#include "k8s/cluster_apex.hpp"
#include "k8s/cluster_zone.hpp"
#include "server/handlers/alias_target.hpp"
#include "server/handlers/cluster_metadata.hpp"
#include "server/handlers/zone_pointers.hpp"
#include "server/query/limits.hpp"
#include "server/query/worker_plan.hpp"
#include "zones/base/published.hpp"

namespace fairlead::server {
namespace {

using dns::Header;
using dns::Rcode;
using dns::RRType;
using dns::Section;

using k8s::contact_prefix;
using k8s::nameserver_prefix;
using k8s::soa_expire;
using k8s::soa_refresh;
using k8s::soa_retry;
using k8s::soa_ttl_max;

constexpr std::uint32_t dns_version_ttl = 28800;
constexpr std::string_view dns_version = "\0051.1.0";  // one character-string

// The zone, as the end of the question that stands behind the header.
std::uint16_t pointer_to_zone(const ClusterName& name) { return pointer_to(dns::header_octets + name.zone_offset); }

std::span<const std::uint8_t> as_octets(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

bool is_reverse(dns::NameView zone) {
  static const dns::DomainName in_addr = *dns::DomainName::parse("in-addr.arpa.");
  static const dns::DomainName ip6 = *dns::DomainName::parse("ip6.arpa.");
  return zone.is_at_or_below(in_addr) || zone.is_at_or_below(ip6);
}

bool is_transfer(RRType type) { return type == RRType::axfr || type == RRType::ixfr; }

// Ready records of the type that was asked for.
bool has_type(const zones::NameEntry& entry, RRType type) {
  switch (type) {
    case RRType::a: return entry.has_a();
    case RRType::aaaa: return entry.has_aaaa();
    case RRType::srv: return entry.has_srv();
    case RRType::ptr: return entry.has_ptr();
    case RRType::cname: return entry.has_cname();
    default: return false;
  }
}

void set_truncated(QueryContext& context, zones::Copied copied) {
  if (copied == zones::Copied::truncated) context.writer.set_flag(Header::tc);
}

}  // namespace

KubernetesHandler::KubernetesHandler(const KubernetesOptions& options, std::shared_ptr<k8s::Cluster> cluster,
                                     std::vector<base::IpAddress> local_addresses, bool rotates_answers)
    : zones_(options.zones),
      options_(options),
      cluster_(std::move(cluster)),
      local_addresses_(std::move(local_addresses)),
      lookup_(cluster_->table(),
              {.pod_names = options.pods != KubernetesOptions::Pods::disabled, .zonal = options.zonal}),
      rotates_answers_(rotates_answers) {
  std::ranges::stable_sort(zones_, std::ranges::greater{}, [](const auto& zone) { return zone.view().label_count(); });
  if (const auto* const clusterset = cluster_->clusterset_table()) {
    clusterset_lookup_.emplace(*clusterset, LookupOptions{.clusterset = true});
  }
}

bool KubernetesHandler::is_clusterset(dns::NameView zone) const {
  return clusterset_lookup_.has_value() &&
         std::ranges::any_of(options_.multicluster_zones, [&](const auto& z) { return zone.is_at_or_below(z); });
}

const k8s::ClusterTable& KubernetesHandler::table_of(const ClusterName& name) const {
  return name.is_clusterset ? *cluster_->clusterset_table() : cluster_->table();
}

NameLookup KubernetesHandler::find(const ClusterName& name, std::string_view prefix) const {
  // Pods and what is fixed are the same in every zone.
  const bool is_of_services = prefix.ends_with("\3svc");
  return name.is_clusterset && is_of_services ? clusterset_lookup_->find(prefix) : lookup_.find(prefix);
}

Step KubernetesHandler::handle(QueryContext& context) {
  const dns::NameView qname = context.qname.view();
  const auto zone = std::ranges::find_if(zones_, [&](const auto& z) { return qname.is_at_or_below(z); });
  if (zone == zones_.end()) return Step::next;
  if (is_transfer(context.query.qtype)) {
    context.writer.set_rcode(Rcode::refused);
    context.writer.set_extended_error({dns::ExtendedError::prohibited, "zone transfers need the transfer directive"});
    return Step::answered;
  }
  const std::size_t zone_offset = qname.size() - zone->view().size();
  const ClusterName name{.qname = context.query.qname,
                         .zone = dns::NameView(context.query.qname.wire().subspan(zone_offset)),
                         .prefix = {reinterpret_cast<const char*>(qname.data()), zone_offset},
                         .zone_offset = zone_offset,
                         .is_clusterset = is_clusterset(*zone)};
  context.writer.set_flag(Header::aa);
  // RFC 8914 §4.4, for negative answers too: one code to look for, whose text says which snapshot it is.
  const k8s::ClusterTable& table = table_of(name);
  const k8s::NamesFrom names_from = table.names_from.load(std::memory_order_relaxed);
  const bool is_expired = names_from == k8s::NamesFrom::expired_snapshot && !name.prefix.empty();
  const Step step = is_expired          ? no_name(context, name, {})
                    : is_reverse(*zone) ? answer_reverse(context, name)
                                        : answer_forward(context, name);
  if (names_from == k8s::NamesFrom::snapshot && step == Step::answered && context.writer.rcode() != Rcode::servfail) {
    context.writer.set_extended_error({dns::ExtendedError::stale_answer, table.snapshot_note});
  }
  if (step == Step::next) context.writer.set_flag(Header::aa, false);
  return step;
}

Step KubernetesHandler::answer_forward(QueryContext& context, const ClusterName& name) {
  if (name.prefix.empty()) return answer_apex(context, name);
  const NameLookup lookup = find(name, name.prefix);
  const RRType qtype = context.query.qtype;
  switch (lookup.kind) {
    case NameKind::absent: return no_name(context, name, "no such Service, endpoint or port");
    case NameKind::namespace_absent: return no_name(context, name, "no such Namespace");
    case NameKind::pod_absent: return no_name(context, name, "no such Pod", k8s::snapshot_has_pods);
    case NameKind::no_ready_endpoints: return no_name(context, name, "the headless Service has no ready endpoints");
    case NameKind::empty: return no_data(context, name);
    case NameKind::entry: return answer_entry(context, name, *lookup.entry);
    case NameKind::nameserver: return answer_nameserver_name(context, name);
    case NameKind::pod_address:
      if (qtype != (lookup.pod_address.is_v4() ? RRType::a : RRType::aaaa)) return no_data(context, name);
      context.writer.append(Section::answer, pointer_octets(dns::question_pointer), qtype, options_.ttl,
                            lookup.pod_address.octets());
      return Step::answered;
    case NameKind::dns_version:
      if (qtype != RRType::txt) return no_data(context, name);
      context.writer.append(Section::answer, pointer_octets(dns::question_pointer), RRType::txt, dns_version_ttl,
                            as_octets(dns_version));
      return Step::answered;
  }
  return no_data(context, name);
}

Step KubernetesHandler::answer_entry(QueryContext& context, const ClusterName& name, const zones::NameEntry& entry) {
  const RRType qtype = context.query.qtype;
  if (entry.has_cname() && (qtype == RRType::a || qtype == RRType::aaaa)) {
    return answer_alias(context, name, entry);
  }
  if (!has_type(entry, qtype)) return no_data(context, name);
  const zones::CopyOptions options = copy_options(context);
  switch (qtype) {
    case RRType::a:
    case RRType::aaaa: set_truncated(context, copy_addresses(context.writer, entry, qtype, options)); break;
    case RRType::srv: set_truncated(context, copy_srvs(context.writer, entry, name.zone, options)); break;
    case RRType::ptr: set_truncated(context, copy_ptrs(context.writer, entry, options)); break;
    default: set_truncated(context, copy_cname(context.writer, entry, options)); break;
  }
  return Step::answered;
}

// An ExternalName Service. Targets in this zone are followed in the table, others through the server's own chain.
Step KubernetesHandler::answer_alias(QueryContext& context, const ClusterName& name, const zones::NameEntry& first) {
  const RRType qtype = context.query.qtype;
  const zones::NameEntry* entry = &first;
  zones::CopyOptions options = copy_options(context);
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
    if (lookup.kind == NameKind::pod_address && qtype == (lookup.pod_address.is_v4() ? RRType::a : RRType::aaaa)) {
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
  return no_data(context, name);
}

Step KubernetesHandler::answer_apex(QueryContext& context, const ClusterName& name) {
  const RRType qtype = context.query.qtype;
  if (qtype == RRType::soa) {
    append_soa(context, name, Section::answer);
    return Step::answered;
  }
  if (qtype != RRType::ns) return no_data(context, name);

  const auto zone_pointer = pointer_octets(pointer_to_zone(name));
  const auto append_nameserver = [&](std::string_view prefix, std::span<const base::IpAddress> addresses) {
    std::array<std::uint8_t, dns::name_octets_max> target;
    if (prefix.size() + name.zone.size() > target.size()) return;
    std::uint8_t* end = write_text(target.data(), prefix);
    end = std::ranges::copy(zone_pointer, end).out;
    const std::size_t target_octets = static_cast<std::size_t>(end - target.data());
    const auto question = pointer_octets(dns::question_pointer);
    const std::size_t rdata_offset = context.writer.size() + question.size() + 10;
    if (!context.writer.append(Section::answer, question, RRType::ns, options_.ttl, {target.data(), target_octets})) {
      context.writer.set_flag(Header::tc);
      return;
    }
    glue_.emplace_back(rdata_offset, addresses);
  };
  glue_.clear();
  const k8s::ApexNameservers* const apex = cluster_->table().apex_nameservers.read();
  // The Services that we stand behind have no names in a clusterset.
  if (apex != nullptr && !apex->nameservers.empty() && !name.is_clusterset) {
    for (const auto& nameserver : apex->nameservers) append_nameserver(nameserver.relative_name, nameserver.addresses);
  } else {
    append_nameserver(nameserver_prefix, local_addresses_);
  }
  for (const auto& [owner, addresses] : glue_) {
    for (const auto& address : addresses) {
      context.writer.append(Section::additional, pointer_octets(pointer_to(owner)),
                            address.is_v4() ? RRType::a : RRType::aaaa, options_.ttl, address.octets());
    }
  }
  return Step::answered;
}

Step KubernetesHandler::answer_nameserver_name(QueryContext& context, const ClusterName& name) {
  const RRType qtype = context.query.qtype;
  bool any = false;
  for (const auto& address : local_addresses_) {
    if (qtype != (address.is_v4() ? RRType::a : RRType::aaaa)) continue;
    any = true;
    context.writer.append(Section::answer, pointer_octets(dns::question_pointer), qtype, options_.ttl,
                          address.octets());
  }
  return any ? Step::answered : no_data(context, name);
}

Step KubernetesHandler::answer_reverse(QueryContext& context, const ClusterName& name) {
  const RRType qtype = context.query.qtype;
  if (name.prefix.empty()) return answer_apex(context, name);
  const dns::NameView qname = context.qname.view();
  // Keys of the reverse table end before the root label.
  const auto* const entry =
      cluster_->table().reverse.find({reinterpret_cast<const char*>(qname.data()), qname.size() - 1});
  if (entry != nullptr) return answer_entry(context, name, *entry);
  if (name.prefix == "\13dns-version") {
    if (qtype != RRType::txt) return no_data(context, name);
    context.writer.append(Section::answer, pointer_octets(dns::question_pointer), RRType::txt, dns_version_ttl,
                          as_octets(dns_version));
    return Step::answered;
  }
  return no_name(context, name, "no Service or endpoint has this address");
}

Step KubernetesHandler::no_data(QueryContext& context, const ClusterName& name) {
  append_soa(context, name, Section::authority);
  return Step::answered;
}

Step KubernetesHandler::no_name(QueryContext& context, const ClusterName& name, std::string_view why,
                                bool is_in_snapshots) {
  if (options_.fallthrough.covers(context.query.qname)) return Step::next;
  const k8s::ClusterTable& table = table_of(name);
  // In this order: a table that comes into step between the two must not look as if it had never known a name.
  const bool is_from_snapshot =
      table.names_from.load(std::memory_order_acquire) == k8s::NamesFrom::snapshot && is_in_snapshots;
  if (!is_from_snapshot && !table.synced.load(std::memory_order_relaxed)) {
    context.writer.set_rcode(Rcode::servfail);
    context.writer.set_extended_error({dns::ExtendedError::not_ready, "not yet in step with the API server"});
  } else {
    context.writer.set_rcode(Rcode::nxdomain);
    context.writer.set_extended_error({dns::ExtendedError::other, why});
  }
  append_soa(context, name, Section::authority);
  return Step::answered;
}

void KubernetesHandler::append_soa(QueryContext& context, const ClusterName& name, Section section) {
  const auto zone = pointer_octets(pointer_to_zone(name));
  std::array<std::uint8_t, nameserver_prefix.size() + 2 + contact_prefix.size() + nameserver_prefix.size() + 2 + 20>
      rdata;
  std::uint8_t* at = write_text(rdata.data(), nameserver_prefix);
  at = std::ranges::copy(zone, at).out;
  at = write_text(at, contact_prefix);
  at = std::ranges::copy(zone, at).out;
  dns::write_u32(at, table_of(name).serial.load(std::memory_order_relaxed));
  dns::write_u32(at + 4, soa_refresh);
  dns::write_u32(at + 8, soa_retry);
  dns::write_u32(at + 12, soa_expire);
  dns::write_u32(at + 16, options_.ttl);
  at += 20;
  context.writer.append(section, zone, RRType::soa, std::min(options_.ttl, soa_ttl_max),
                        {rdata.data(), static_cast<std::size_t>(at - rdata.data())});
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
    const k8s::PodTable* const pods = cluster_->table().pods.get();
    if (pods == nullptr) return value;
    // An address of several Pods (host network) is that of the first in the table.
    pods->for_each(context.origin.client_address(), [&](std::string_view namespace_name, std::string_view pod_name) {
      if (value.empty()) value = label == "client-namespace" ? namespace_name : pod_name;
    });
    return value;
  }
  const dns::NameView qname = context.qname.view();
  const auto zone = std::ranges::find_if(zones_, [&](const auto& z) { return qname.is_at_or_below(z); });
  if (zone == zones_.end()) return {};
  const std::string_view prefix(reinterpret_cast<const char*>(qname.data()), qname.size() - zone->view().size());
  const ClusterNameParts parts = cluster_name_parts(prefix, is_clusterset(*zone), options_.zonal);
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

zones::CopyOptions KubernetesHandler::copy_options(QueryContext& context) const {
  return {.owner_pointer = dns::question_pointer, .rotation = rotates_answers_ ? context.plan->next_rotation() : 0};
}

// ---- transfers

std::optional<TransferableZone> KubernetesHandler::find_zone(dns::NameView apex) const {
  if (std::ranges::find(zones_, apex, &dns::DomainName::view) == zones_.end()) return std::nullopt;
  const k8s::ClusterTable& table = is_clusterset(apex) ? *cluster_->clusterset_table() : cluster_->table();
  return TransferableZone{.soa_rdata = k8s::soa_rdata(apex, table.serial.load(std::memory_order_relaxed), options_.ttl),
                          .soa_ttl = std::min(options_.ttl, soa_ttl_max),
                          .is_ready = table.synced.load(std::memory_order_relaxed)};
}

bool KubernetesHandler::has_name(dns::NameView name) const {
  return std::ranges::any_of(zones_, [&](const auto& zone) { return name.is_at_or_below(zone); });
}

std::unique_ptr<zones::ZoneReader> KubernetesHandler::read_zone(dns::NameView apex, std::function<void()> wake) {
  using enum k8s::ClusterPart;
  return std::make_unique<k8s::ClusterZone>(cluster_,
                                            k8s::ClusterZoneOptions{.zone = dns::DomainName(apex).to_lower(),
                                                                    .part = is_reverse(apex)      ? reverse
                                                                            : is_clusterset(apex) ? clusterset
                                                                                                  : forward,
                                                                    .ttl = options_.ttl,
                                                                    .nameserver_addresses = local_addresses_},
                                            std::move(wake));
}

}  // namespace fairlead::server
