#include "server/handlers/k8s_external_handler.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "server/config/option_values.hpp"
#include "server/handlers/alias_target.hpp"

namespace fairlead::server {
namespace {

using dns::RRType;
using dns::Section;

std::string wire_label(std::string_view label) { return static_cast<char>(label.size()) + std::string(label); }

// SRV records of an alias lead to what it leads to: a target must not be an alias itself (RFC 2782). Without glue,
// which would have to be asked for.
zones::Copied copy_alias_srvs(dns::MessageWriter& writer, const zones::NameEntry& entry) {
  const zones::SrvRecords srvs(entry);
  const auto target = entry.cname();
  std::array<std::uint8_t, 6 + dns::name_octets_max> rdata;
  std::ranges::copy(target, rdata.begin() + 6);
  for (std::size_t i = 0; i < srvs.count(); ++i) {
    dns::write_u16(rdata.data(), 0);
    dns::write_u16(rdata.data() + 2, srvs.weight());
    dns::write_u16(rdata.data() + 4, srvs[i].port);
    if (!writer.append(Section::answer, pointer_octets(dns::question_pointer), RRType::srv, entry.ttl(),
                       std::span(rdata).first(6 + target.size()))) {
      return zones::Copied::truncated;
    }
  }
  return zones::Copied::whole;
}

}  // namespace

std::vector<ServedZone> served_zones(const K8sExternalOptions& options, const k8s::Cluster& cluster) {
  using enum k8s::ClusterPart;
  const k8s::ClusterTable& table = cluster.table();
  std::vector<ServedZone> zones;
  for (const dns::DomainName& zone : options.zones) {
    zones.push_back({.name = zone,
                     .part = is_reverse_zone(zone) ? external_reverse : external,
                     .table = &table,
                     .serial = &table.external->serial,
                     .ptr_zone = table.external->ptr_zone});
  }
  return zones;
}

K8sExternalHandler::K8sExternalHandler(const K8sExternalOptions& options, std::shared_ptr<k8s::Cluster> cluster,
                                       std::vector<base::IpAddress> local_addresses, bool rotates_answers)
    : cluster_(std::move(cluster)),
      table_(*cluster_->table().external),
      local_addresses_(std::move(local_addresses)),
      apex_(wire_label(options.apex)),
      apex_labels_(k8s::external_apex_labels(options.apex)),
      reply_({.zones = served_zones(options, *cluster_),
              .fallthrough = options.fallthrough,
              .apex = apex_labels_,
              .ttl = options.ttl,
              .soa_ttl = options.ttl,
              .rotates_answers = rotates_answers}) {}

Step K8sExternalHandler::handle(QueryContext& context) {
  const ServedZone* const zone = reply_.find_zone(context.qname.view());
  if (zone == nullptr) return Step::next;
  if (is_transfer(context.query.qtype)) return ClusterReply::refuse_transfer(context);
  const ClusterName name = split_name(context, *zone);
  return reply_.reply(context, name, [&] { return answer_name(context, name); });
}

Step K8sExternalHandler::answer_name(QueryContext& context, const ClusterName& name) {
  if (name.prefix.empty()) return answer_apex(context, name);
  // Labels, not octets: the length in front of the apex's label must be one.
  for (std::string_view rest = name.prefix; !rest.empty(); rest.remove_prefix(1 + static_cast<std::uint8_t>(rest[0]))) {
    if (rest == apex_) return answer_below_apex(context, name);
  }
  if (is_reverse_zone(context.qname.view())) return answer_reverse(context, name);
  const NameLookup lookup = find_external(table_, name.prefix);
  switch (lookup.kind) {
    case NameKind::entry: return answer_entry(context, name, *lookup.entry);
    case NameKind::namespace_absent: return reply_.no_name(context, name, "no such Namespace");
    case NameKind::no_ready_endpoints:
      return reply_.no_name(context, name, "the headless Service has no ready endpoints");
    default: return reply_.no_name(context, name, "no such Service with an external address, endpoint or port");
  }
}

Step K8sExternalHandler::answer_reverse(QueryContext& context, const ClusterName& name) {
  const auto* const entry = table_.reverse.find(k8s::reverse_key(context.qname.view()));
  if (entry == nullptr) return reply_.no_name(context, name, "no Service has this external address");
  return reply_.answer_entry(context, name, *entry);
}

Step K8sExternalHandler::answer_entry(QueryContext& context, const ClusterName& name, const zones::NameEntry& entry) {
  const RRType qtype = context.query.qtype;
  if (!entry.has_cname()) return reply_.answer_entry(context, name, entry);
  if (qtype == RRType::a || qtype == RRType::aaaa) return answer_alias(context, entry);
  if (qtype != RRType::srv || !entry.has_srv()) return reply_.answer_entry(context, name, entry);
  set_truncated(context, copy_alias_srvs(context.writer, entry));
  return Step::answered;
}

Step K8sExternalHandler::answer_alias(QueryContext& context, const zones::NameEntry& entry) {
  if (copy_cname(context.writer, entry, {}) == zones::Copied::truncated) {
    set_truncated(context, zones::Copied::truncated);
    return Step::answered;
  }
  return ask_for_alias_target(context, dns::NameView(entry.cname()), label_, snapshot_note(cluster_->table()));
}

Step K8sExternalHandler::answer_apex(QueryContext& context, const ClusterName& name) {
  const RRType qtype = context.query.qtype;
  if (qtype == RRType::soa) return reply_.answer_soa(context, name);
  if (qtype != RRType::ns) return reply_.no_data(context, name);
  if (const auto target = reply_.append_nameserver(context, name, apex_labels_.nameserver)) {
    reply_.append_glue(context, *target, nameserver_addresses());
  }
  return Step::answered;
}

Step K8sExternalHandler::answer_below_apex(QueryContext& context, const ClusterName& name) {
  if (name.prefix == apex_) return reply_.no_data(context, name);  // an empty non-terminal
  if (name.prefix == apex_labels_.nameserver) return reply_.answer_addresses(context, name, nameserver_addresses());
  return reply_.no_name(context, name, "only the nameserver has a name there");
}

// The Services that we stand behind have external addresses, or none: then nobody outside can reach us, and there is
// nothing better to say. Where we stand behind none, our own.
std::span<const base::IpAddress> K8sExternalHandler::nameserver_addresses() const {
  const auto* const published = table_.nameserver.read();
  if (published != nullptr && published->has_value()) return (*published)->addresses;
  return local_addresses_;
}

// ---- transfers

std::optional<TransferableZone> K8sExternalHandler::find_zone(dns::NameView apex) const {
  return reply_.find_transferable(apex);
}

bool K8sExternalHandler::has_name(dns::NameView name) const { return reply_.find_zone(name) != nullptr; }

std::unique_ptr<zones::ZoneReader> K8sExternalHandler::read_zone(dns::NameView apex, std::function<void()> wake) {
  return reply_.read_zone(cluster_, apex, local_addresses_, std::move(wake));
}

}  // namespace fairlead::server
