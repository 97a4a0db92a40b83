#include "server/handlers/hosts_handler.hpp"

#include <algorithm>
#include <array>

#include "server/handlers/cluster_reply.hpp"
#include "zones/base/published.hpp"
#include "zones/dns/reverse_name.hpp"

namespace fairlead::server {
namespace {

using dns::RRType;
using dns::Section;
using zones::HostsTable;

// False when the reply is full.
bool append(QueryContext& context, RRType type, std::uint32_t ttl, std::span<const std::uint8_t> rdata) {
  if (context.writer.append(Section::answer, pointer_octets(dns::question_pointer), type, ttl, rdata)) return true;
  context.writer.set_flag(dns::Header::tc);
  return false;
}

template <typename Octets>
void append_all(QueryContext& context, RRType type, std::uint32_t ttl, std::span<const Octets> file,
                std::span<const Octets> inlined) {
  for (const Octets& address : file) {
    if (!append(context, type, ttl, address)) return;
  }
  for (const Octets& address : inlined) {
    // Both may have it.
    const bool is_there = std::ranges::find(file, address) != file.end();
    if (!is_there && !append(context, type, ttl, address)) return;
  }
}

bool has_name(const HostsTable& table, dns::NameView name) {
  return !table.find_v4(name).empty() || !table.find_v6(name).empty();
}

}  // namespace

Step HostsHandler::handle(QueryContext& context) {
  // A question behind another one may come when its reply does, outside of the batch.
  const base::ReadSection section;
  const dns::NameView qname = context.qname.view();
  // The names of addresses need no zone, as in CoreDNS.
  if (context.query.qtype == RRType::ptr) return answer_address(context);
  const auto contains = [&](const auto& zone) { return qname.is_at_or_below(zone); };
  if (std::ranges::none_of(options_.zones, contains)) return Step::next;
  return answer_name(context);
}

Step HostsHandler::answer_address(QueryContext& context) {
  auto address = dns::address_of_reverse_name(context.qname.view());
  if (!address) return Step::next;
  if (const auto plain = zones::parse_hosts_address(address->to_string())) address = plain;  // IPv4-mapped
  const HostsTable& file = source_->file();
  const HostsTable& inlined = source_->inlined();
  if (!file.has_address(*address) && !inlined.has_address(*address)) return Step::next;
  context.writer.set_flag(dns::Header::aa);
  bool is_full = false;
  const auto add = [&](dns::NameView name) {
    is_full = !append(context, RRType::ptr, options_.ttl, name.wire());
    return !is_full;
  };
  file.for_each_name(*address, add);
  if (is_full) return Step::answered;
  inlined.for_each_name(*address, [&](dns::NameView name) {
    bool is_there = false;
    file.for_each_name(*address, [&](dns::NameView other) { return !(is_there = other == name); });
    return is_there || add(name);
  });
  return Step::answered;
}

Step HostsHandler::answer_name(QueryContext& context) const {
  const dns::NameView qname = context.qname.view();
  const HostsTable& file = source_->file();
  const HostsTable& inlined = source_->inlined();
  const RRType qtype = context.query.qtype;
  const bool is_address = qtype == RRType::a || qtype == RRType::aaaa;
  if (!is_address && options_.fallthrough_unsupported && options_.fallthrough.covers(qname)) return Step::next;
  if (!has_name(file, qname) && !has_name(inlined, qname)) {
    if (options_.fallthrough.covers(qname)) return Step::next;
    // There is no SOA that an NXDOMAIN could be remembered by.
    context.writer.set_rcode(dns::Rcode::servfail);
    context.writer.set_extended_error(
        {dns::ExtendedError::other, "no such name in the hosts file, and no 'fallthrough' to other directives"});
    return Step::answered;
  }
  context.writer.set_flag(dns::Header::aa);
  if (qtype == RRType::a) append_all(context, qtype, options_.ttl, file.find_v4(qname), inlined.find_v4(qname));
  if (qtype == RRType::aaaa) append_all(context, qtype, options_.ttl, file.find_v6(qname), inlined.find_v6(qname));
  context.rotate = rotates_answers_;
  return Step::answered;
}

}  // namespace fairlead::server
