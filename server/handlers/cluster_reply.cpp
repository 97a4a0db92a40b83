#include "server/handlers/cluster_reply.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "k8s/cluster_zone.hpp"
#include "server/query/worker_plan.hpp"

namespace fairlead::server {
namespace {

using dns::Header;
using dns::Rcode;
using dns::RRType;
using dns::Section;

constexpr auto question_octets = pointer_octets(dns::question_pointer);

// Serial and times of an SOA.
constexpr std::size_t soa_numbers_octets = 20;

}  // namespace

ClusterName split_name(const QueryContext& context, const ServedZone& zone) {
  const dns::NameView qname = context.qname.view();
  const std::size_t zone_offset = qname.size() - zone.name.view().size();
  return {.served = &zone,
          .zone = dns::NameView(context.query.qname.wire().subspan(zone_offset)),
          .prefix = {reinterpret_cast<const char*>(qname.data()), zone_offset},
          .zone_pointer = pointer_to(dns::header_octets + zone_offset)};
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

void set_truncated(QueryContext& context, zones::Copied copied) {
  if (copied == zones::Copied::truncated) context.writer.set_flag(Header::tc);
}

std::string_view snapshot_note(const k8s::ClusterTable& table) {
  const bool is_from_snapshot = table.names_from.load(std::memory_order_relaxed) == k8s::NamesFrom::snapshot;
  return is_from_snapshot ? std::string_view(table.snapshot_note) : std::string_view();
}

ClusterReply::ClusterReply(Options options) : options_(std::move(options)) {
  std::ranges::stable_sort(options_.zones, std::ranges::greater{},
                           [](const ServedZone& zone) { return zone.name.view().label_count(); });
  for (const std::string& labels : {options_.apex.nameserver, options_.apex.contact}) {
    soa_rdata_.insert(soa_rdata_.end(), labels.begin(), labels.end());
    soa_rdata_.resize(soa_rdata_.size() + 2);
  }
  soa_rdata_.resize(soa_rdata_.size() + soa_numbers_octets);
  k8s::write_soa_numbers(soa_rdata_.data() + soa_rdata_.size() - soa_numbers_octets, 0, options_.ttl);
}

// ---- zones

const ServedZone* ClusterReply::find_zone(dns::NameView name) const {
  for (const ServedZone& zone : options_.zones) {
    if (name.is_at_or_below(zone.name)) return &zone;
  }
  return nullptr;
}

std::optional<TransferableZone> ClusterReply::find_transferable(dns::NameView apex) const {
  const auto zone =
      std::ranges::find(options_.zones, apex, [](const ServedZone& served) { return served.name.view(); });
  if (zone == options_.zones.end()) return std::nullopt;
  const std::uint32_t serial = zone->serial->load(std::memory_order_relaxed);
  return TransferableZone{.soa_rdata = k8s::soa_rdata(apex, options_.apex, serial, options_.ttl),
                          .soa_ttl = options_.soa_ttl,
                          .is_ready = zone->table->synced.load(std::memory_order_relaxed)};
}

std::unique_ptr<zones::ZoneReader> ClusterReply::read_zone(const std::shared_ptr<k8s::Cluster>& cluster,
                                                           dns::NameView apex,
                                                           const std::vector<base::IpAddress>& nameserver_addresses,
                                                           std::function<void()> wake) const {
  return std::make_unique<k8s::ClusterZone>(cluster,
                                            k8s::ClusterZoneOptions{.zone = dns::DomainName(apex).to_lower(),
                                                                    .part = find_zone(apex)->part,
                                                                    .apex = options_.apex,
                                                                    .ttl = options_.ttl,
                                                                    .soa_ttl = options_.soa_ttl,
                                                                    .nameserver_addresses = nameserver_addresses},
                                            std::move(wake));
}

// ---- what stands at a name

Step ClusterReply::refuse_transfer(QueryContext& context) {
  context.writer.set_rcode(Rcode::refused);
  context.writer.set_extended_error({dns::ExtendedError::prohibited, "zone transfers need the transfer directive"});
  return Step::answered;
}

Step ClusterReply::answer_entry(QueryContext& context, const ClusterName& name, const zones::NameEntry& entry) const {
  const RRType qtype = context.query.qtype;
  if (!has_type(entry, qtype)) return no_data(context, name);
  const zones::CopyOptions options = copy_options(context);
  switch (qtype) {
    case RRType::a:
    case RRType::aaaa: set_truncated(context, copy_addresses(context.writer, entry, qtype, options)); break;
    case RRType::srv: set_truncated(context, copy_srvs(context.writer, entry, name.zone, options)); break;
    case RRType::ptr: set_truncated(context, copy_ptrs(context.writer, entry, name.served->ptr_zone, options)); break;
    default: set_truncated(context, copy_cname(context.writer, entry, options)); break;
  }
  return Step::answered;
}

Step ClusterReply::answer_addresses(QueryContext& context, const ClusterName& name,
                                    std::span<const base::IpAddress> addresses) const {
  bool any = false;
  for (const auto& address : addresses) {
    if (type_of(address) != context.query.qtype) continue;
    any = true;
    if (!context.writer.append(Section::answer, question_octets, type_of(address), options_.ttl, address.octets())) {
      context.writer.set_flag(Header::tc);
    }
  }
  return any ? Step::answered : no_data(context, name);
}

Step ClusterReply::answer_soa(QueryContext& context, const ClusterName& name) const {
  append_soa(context, name, Section::answer);
  return Step::answered;
}

Step ClusterReply::no_data(QueryContext& context, const ClusterName& name) const {
  append_soa(context, name, Section::authority);
  return Step::answered;
}

Step ClusterReply::no_name(QueryContext& context, const ClusterName& name, std::string_view why,
                           bool is_in_snapshots) const {
  if (options_.fallthrough.covers(context.query.qname)) return Step::next;
  const k8s::ClusterTable& table = *name.served->table;
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

// ---- parts of answers

zones::CopyOptions ClusterReply::copy_options(QueryContext& context) const {
  return {.owner_pointer = dns::question_pointer,
          .rotation = options_.rotates_answers ? context.plan->next_rotation() : 0};
}

std::optional<std::size_t> ClusterReply::append_nameserver(QueryContext& context, const ClusterName& name,
                                                           std::string_view labels) const {
  std::array<std::uint8_t, dns::name_octets_max> target;
  if (labels.size() + name.zone.size() > target.size()) return std::nullopt;
  std::uint8_t* const end =
      std::ranges::copy(pointer_octets(name.zone_pointer), std::ranges::copy(labels, target.begin()).out).out;
  const std::size_t rdata_offset = context.writer.size() + question_octets.size() + 10;
  if (!context.writer.append(Section::answer, question_octets, RRType::ns, options_.ttl, {target.data(), end})) {
    context.writer.set_flag(Header::tc);
    return std::nullopt;
  }
  return rdata_offset;
}

void ClusterReply::append_glue(QueryContext& context, std::size_t owner,
                               std::span<const base::IpAddress> addresses) const {
  for (const auto& address : addresses) {
    context.writer.append(Section::additional, pointer_octets(pointer_to(owner)), type_of(address), options_.ttl,
                          address.octets());
  }
}

void ClusterReply::append_soa(QueryContext& context, const ClusterName& name, Section section) const {
  std::array<std::uint8_t, 2 * (dns::name_octets_max + 2) + soa_numbers_octets> rdata;
  std::memcpy(rdata.data(), soa_rdata_.data(), soa_rdata_.size());
  dns::write_u16(rdata.data() + options_.apex.nameserver.size(), name.zone_pointer);
  std::uint8_t* const numbers = rdata.data() + soa_rdata_.size() - soa_numbers_octets;
  dns::write_u16(numbers - 2, name.zone_pointer);
  dns::write_u32(numbers, name.served->serial->load(std::memory_order_relaxed));
  context.writer.append(section, pointer_octets(name.zone_pointer), RRType::soa, options_.soa_ttl,
                        {rdata.data(), soa_rdata_.size()});
}

}  // namespace fairlead::server
