#include "server/handlers/local_handler.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "server/control/logging.hpp"
#include "server/handlers/cluster_reply.hpp"

namespace fairlead::server {
namespace {

using namespace std::string_view_literals;
using dns::RRType;
using dns::Section;

constexpr std::uint32_t ttl = 604800;  // a week: nothing of this ever changes
constexpr std::string_view localhost = "\11localhost\0"sv;
constexpr auto reverse_zones =
    std::to_array<std::string_view>({"\1"
                                     "0\7in-addr\4arpa\0"sv,
                                     "\3"
                                     "127\7in-addr\4arpa\0"sv,
                                     "\3"
                                     "255\7in-addr\4arpa\0"sv});
constexpr std::string_view loopback =
    "\1"
    "1\1"
    "0\1"
    "0\3"
    "127\7in-addr\4arpa\0"sv;

std::span<const std::uint8_t> octets(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
dns::NameView name(std::string_view wire) { return dns::NameView(octets(wire)); }

void append_soa(QueryContext& context, Section section, std::uint16_t owner) {
  constexpr std::string_view contact = "\4root\11localhost\0"sv;
  // Serial 1; nobody transfers the zone, so refresh, retry and expire are 0.
  constexpr std::array<std::uint32_t, 5> numbers{1, 0, 0, 0, ttl};
  std::array<std::uint8_t, localhost.size() + contact.size() + 4 * numbers.size()> rdata;
  std::uint8_t* at = std::ranges::copy(localhost, rdata.begin()).out;
  at = std::ranges::copy(contact, at).out;
  for (const std::uint32_t number : numbers) {
    dns::write_u32(at, number);
    at += 4;
  }
  context.writer.append(section, pointer_octets(owner), RRType::soa, ttl, rdata);
}

void append(QueryContext& context, RRType type, std::span<const std::uint8_t> rdata) {
  context.writer.append(Section::answer, pointer_octets(dns::question_pointer), type, ttl, rdata);
}

// True when it has an address of this family.
bool append_loopback(QueryContext& context) {
  constexpr std::array<std::uint8_t, 4> v4{127, 0, 0, 1};
  constexpr std::array<std::uint8_t, 16> v6{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  if (context.query.qtype == RRType::a) {
    append(context, RRType::a, v4);
  } else if (context.query.qtype == RRType::aaaa) {
    append(context, RRType::aaaa, v6);
  } else {
    return false;
  }
  return true;
}

void answer_apex(QueryContext& context) {
  const RRType qtype = context.query.qtype;
  if (qtype == RRType::soa) return append_soa(context, Section::answer, dns::question_pointer);
  if (qtype == RRType::ns) return append(context, RRType::ns, octets(localhost));
  const bool has_addresses = context.qname.view() == name(localhost);
  if (!has_addresses || !append_loopback(context)) append_soa(context, Section::authority, dns::question_pointer);
}

}  // namespace

LocalHandler::LocalHandler(const LocalOptions& options, MetricsRegistry& metrics)
    : options_(options),
      localhost_requests_(
          metrics.counter("coredns_local_localhost_requests_total", "Counter of localhost.<domain> requests.")) {}

Step LocalHandler::handle(QueryContext& context) {
  if (context.query.qclass != dns::RRClass::in) return Step::next;
  const dns::NameView qname = context.qname.view();
  const bool is_localhost = qname == name(localhost);
  if (!is_localhost &&
      (qname.is_at_or_below(name(localhost)) || (options_.localhost_prefix && qname.first_label() == "localhost"))) {
    localhost_requests_->add();
    if (is_debug_logging()) {
      log_queued(base::LogLevel::debug, "plugin/local: localhost query for " + qname.to_string() + " " +
                                            to_string(context.query.qtype) + " from " + context.origin.client_text());
    }
    if (!append_loopback(context)) append_soa(context, Section::authority, dns::question_pointer);
    return Step::answered;
  }
  std::string_view zone;
  if (is_localhost) zone = localhost;
  for (const std::string_view reverse : reverse_zones) {
    if (qname.is_at_or_below(name(reverse))) zone = reverse;
  }
  if (zone.empty()) return Step::next;
  if (qname == name(zone)) {
    answer_apex(context);
    return Step::answered;
  }
  const auto zone_pointer = static_cast<std::uint16_t>(dns::question_pointer + qname.size() - zone.size());
  if (qname == name(loopback)) {
    if (context.query.qtype == RRType::ptr) {
      append(context, RRType::ptr, octets(localhost));
    } else {
      append_soa(context, Section::authority, zone_pointer);
    }
    return Step::answered;
  }
  // What lies between the zone and its one name exists, without records (RFC 8020).
  if (!name(loopback).is_at_or_below(qname)) context.writer.set_rcode(dns::Rcode::nxdomain);
  append_soa(context, Section::authority, zone_pointer);
  return Step::answered;
}

}  // namespace fairlead::server
