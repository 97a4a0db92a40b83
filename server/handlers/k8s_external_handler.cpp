#include "server/handlers/k8s_external_handler.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "server/config/option_values.hpp"
#include "server/handlers/alias_target.hpp"
#include "server/handlers/zone_pointers.hpp"
#include "server/query/worker_plan.hpp"

namespace fairlead::server {
namespace {

using dns::Header;
using dns::Rcode;
using dns::RRType;
using dns::Section;

// SOA as CoreDNS builds it, so that caches behave the same after a swap.
constexpr std::uint32_t soa_refresh = 7200;
constexpr std::uint32_t soa_retry = 1800;
constexpr std::uint32_t soa_expire = 86400;

std::string wire_label(std::string_view label) { return static_cast<char>(label.size()) + std::string(label); }

std::array<std::uint8_t, 2> zone_pointer(const ClusterName& name) {
  return pointer_octets(pointer_to(dns::header_octets + name.zone_offset));
}

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

RRType type_of(const base::IpAddress& address) { return address.is_v4() ? RRType::a : RRType::aaaa; }

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

K8sExternalHandler::K8sExternalHandler(const K8sExternalOptions& options, std::shared_ptr<k8s::Cluster> cluster,
                                       std::vector<base::IpAddress> local_addresses, bool rotates_answers)
    : zones_(options.zones),
      options_(options),
      cluster_(std::move(cluster)),
      local_addresses_(std::move(local_addresses)),
      apex_(wire_label(options.apex)),
      nameserver_("\3ns1" + apex_),
      contact_("\12hostmaster" + apex_),
      rotates_answers_(rotates_answers) {
  std::ranges::stable_sort(zones_, std::ranges::greater{}, [](const auto& zone) { return zone.view().label_count(); });
}

Step K8sExternalHandler::handle(QueryContext& context) {
  const dns::NameView qname = context.qname.view();
  const auto zone = std::ranges::find_if(zones_, [&](const auto& z) { return qname.is_at_or_below(z); });
  if (zone == zones_.end()) return Step::next;
  if (context.query.qtype == RRType::axfr || context.query.qtype == RRType::ixfr) {
    context.writer.set_rcode(Rcode::refused);
    context.writer.set_extended_error({dns::ExtendedError::prohibited, "the external zone is not transferred"});
    return Step::answered;
  }
  const std::size_t zone_offset = qname.size() - zone->view().size();
  const ClusterName name{.qname = context.query.qname,
                         .zone = dns::NameView(context.query.qname.wire().subspan(zone_offset)),
                         .prefix = {reinterpret_cast<const char*>(qname.data()), zone_offset},
                         .zone_offset = zone_offset,
                         .is_clusterset = false};
  context.writer.set_flag(Header::aa);
  const k8s::NamesFrom names_from = cluster_->table().names_from.load(std::memory_order_relaxed);
  const bool is_expired = names_from == k8s::NamesFrom::expired_snapshot && !name.prefix.empty();
  const Step step = is_expired ? no_name(context, name, {}) : answer_name(context, name);
  if (names_from == k8s::NamesFrom::snapshot && step == Step::answered && context.writer.rcode() != Rcode::servfail) {
    context.writer.set_extended_error({dns::ExtendedError::stale_answer, cluster_->table().snapshot_note});
  }
  if (step == Step::next) context.writer.set_flag(Header::aa, false);
  return step;
}

Step K8sExternalHandler::answer_name(QueryContext& context, const ClusterName& name) {
  if (name.prefix.empty()) return answer_apex(context, name);
  // Labels, not octets: the length in front of the apex's label must be one.
  for (std::string_view rest = name.prefix; !rest.empty(); rest.remove_prefix(1 + static_cast<std::uint8_t>(rest[0]))) {
    if (rest == apex_) return answer_below_apex(context, name);
  }
  const dns::NameView qname = context.qname.view();
  if (is_reverse_zone(qname)) {
    // Keys of the reverse table end before the root label.
    const auto* const entry = table().reverse.find({reinterpret_cast<const char*>(qname.data()), qname.size() - 1});
    if (entry == nullptr) return no_name(context, name, "no Service has this external address");
    return answer_entry(context, name, *entry);
  }
  const NameLookup lookup = find_external(table(), name.prefix);
  switch (lookup.kind) {
    case NameKind::entry: return answer_entry(context, name, *lookup.entry);
    case NameKind::namespace_absent: return no_name(context, name, "no such Namespace");
    case NameKind::no_ready_endpoints: return no_name(context, name, "the headless Service has no ready endpoints");
    default: return no_name(context, name, "no such Service with an external address, endpoint or port");
  }
}

Step K8sExternalHandler::answer_entry(QueryContext& context, const ClusterName& name, const zones::NameEntry& entry) {
  const RRType qtype = context.query.qtype;
  if (entry.has_cname() && (qtype == RRType::a || qtype == RRType::aaaa)) return answer_alias(context, entry);
  if (!has_type(entry, qtype)) return no_data(context, name);
  const zones::CopyOptions options{.owner_pointer = dns::question_pointer,
                                   .rotation = rotates_answers_ ? context.plan->next_rotation() : 0};
  zones::Copied copied = zones::Copied::whole;
  switch (qtype) {
    case RRType::a:
    case RRType::aaaa: copied = copy_addresses(context.writer, entry, qtype, options); break;
    case RRType::srv:
      copied = entry.has_cname() ? copy_alias_srvs(context.writer, entry)
                                 : copy_srvs(context.writer, entry, name.zone, options);
      break;
    case RRType::ptr: copied = copy_ptrs(context.writer, entry, options); break;
    default: copied = copy_cname(context.writer, entry, options); break;
  }
  if (copied == zones::Copied::truncated) context.writer.set_flag(Header::tc);
  return Step::answered;
}

Step K8sExternalHandler::answer_alias(QueryContext& context, const zones::NameEntry& entry) {
  if (copy_cname(context.writer, entry, {}) == zones::Copied::truncated) {
    context.writer.set_flag(Header::tc);
    return Step::answered;
  }
  return ask_for_alias_target(context, dns::NameView(entry.cname()), label_, snapshot_note(cluster_->table()));
}

Step K8sExternalHandler::answer_apex(QueryContext& context, const ClusterName& name) {
  const RRType qtype = context.query.qtype;
  if (qtype == RRType::soa) {
    append_soa(context, name, Section::answer);
    return Step::answered;
  }
  if (qtype != RRType::ns) return no_data(context, name);
  std::array<std::uint8_t, dns::name_octets_max> target;
  std::uint8_t* const end = std::ranges::copy(zone_pointer(name), write_text(target.data(), nameserver_)).out;
  const auto question = pointer_octets(dns::question_pointer);
  const std::size_t rdata_offset = context.writer.size() + question.size() + 10;
  if (!context.writer.append(Section::answer, question, RRType::ns, options_.ttl,
                             {target.data(), static_cast<std::size_t>(end - target.data())})) {
    context.writer.set_flag(Header::tc);
    return Step::answered;
  }
  for (const auto& address : nameserver_addresses()) {
    context.writer.append(Section::additional, pointer_octets(pointer_to(rdata_offset)), type_of(address), options_.ttl,
                          address.octets());
  }
  return Step::answered;
}

Step K8sExternalHandler::answer_below_apex(QueryContext& context, const ClusterName& name) {
  if (name.prefix == apex_) return no_data(context, name);  // an empty non-terminal
  if (name.prefix != nameserver_) return no_name(context, name, "only the nameserver has a name there");
  bool any = false;
  for (const auto& address : nameserver_addresses()) {
    if (type_of(address) != context.query.qtype) continue;
    any = true;
    if (!context.writer.append(Section::answer, pointer_octets(dns::question_pointer), type_of(address), options_.ttl,
                               address.octets())) {
      context.writer.set_flag(Header::tc);
    }
  }
  return any ? Step::answered : no_data(context, name);
}

// The Services that we stand behind have external addresses, or none: then nobody outside can reach us, and there is
// nothing better to say. Where we stand behind none, our own.
std::span<const base::IpAddress> K8sExternalHandler::nameserver_addresses() const {
  const auto* const published = table().nameserver.read();
  if (published != nullptr && published->has_value()) return (*published)->addresses;
  return local_addresses_;
}

Step K8sExternalHandler::no_data(QueryContext& context, const ClusterName& name) {
  append_soa(context, name, Section::authority);
  return Step::answered;
}

Step K8sExternalHandler::no_name(QueryContext& context, const ClusterName& name, std::string_view why) {
  if (options_.fallthrough.covers(context.query.qname)) return Step::next;
  const k8s::ClusterTable& names = cluster_->table();
  // In this order: a table that comes into step between the two must not look as if it had never known a name.
  const bool is_from_snapshot = names.names_from.load(std::memory_order_acquire) == k8s::NamesFrom::snapshot;
  if (!is_from_snapshot && !names.synced.load(std::memory_order_relaxed)) {
    context.writer.set_rcode(Rcode::servfail);
    context.writer.set_extended_error({dns::ExtendedError::not_ready, "not yet in step with the API server"});
  } else {
    context.writer.set_rcode(Rcode::nxdomain);
    context.writer.set_extended_error({dns::ExtendedError::other, why});
  }
  append_soa(context, name, Section::authority);
  return Step::answered;
}

void K8sExternalHandler::append_soa(QueryContext& context, const ClusterName& name, Section section) {
  const auto zone = zone_pointer(name);
  std::array<std::uint8_t, 2 * (dns::name_octets_max + 2) + 20> rdata;
  std::uint8_t* at = std::ranges::copy(zone, write_text(rdata.data(), nameserver_)).out;
  at = std::ranges::copy(zone, write_text(at, contact_)).out;
  dns::write_u32(at, table().serial.load(std::memory_order_relaxed));
  dns::write_u32(at + 4, soa_refresh);
  dns::write_u32(at + 8, soa_retry);
  dns::write_u32(at + 12, soa_expire);
  dns::write_u32(at + 16, options_.ttl);
  at += 20;
  context.writer.append(section, zone, RRType::soa, options_.ttl,
                        {rdata.data(), static_cast<std::size_t>(at - rdata.data())});
}

}  // namespace fairlead::server
