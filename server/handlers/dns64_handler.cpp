#include "server/handlers/dns64_handler.hpp"

#include <algorithm>
#include <array>

#include "server/query/nested_question.hpp"
#include "server/query/pending_query.hpp"
#include "server/query/reply_copy.hpp"
#include "zones/dns/reverse_name.hpp"

namespace fairlead::server {
namespace {

using dns::Header;
using dns::RRType;
using dns::Section;

constexpr std::size_t reserved_octet = 8;  // RFC 6052 §2.2: bits 64 to 71 are zero
// IANA's code of RFC 8914's registry for what was made and not found.
constexpr auto synthesized = static_cast<dns::ExtendedError>(29);

// RFC 6147 §5.1.7: the TTL of an address that was made is at most that of the answer that it stands for.
constexpr std::uint32_t ttl_max_without_soa = 600;

// RFC 6147 §5.1.4: an IPv4-mapped address is nothing that a client can reach.
bool is_mapped(std::span<const std::uint8_t> rdata) {
  constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return rdata.size() == 16 && std::equal(mapped.begin(), mapped.end(), rdata.begin());
}

template <typename Visit>
void for_each_record(std::span<const std::uint8_t> message, Visit&& visit) {
  auto reader = dns::RecordReader::open(message);
  if (!reader) return;
  while (true) {
    const auto record = reader->next();
    if (!record || !*record) return;
    visit(**record);
  }
}

std::uint32_t soa_ttl(std::span<const std::uint8_t> message) {
  std::uint32_t ttl = ttl_max_without_soa;
  for_each_record(message, [&](const dns::RecordView& record) {
    if (record.section == Section::authority && record.type == RRType::soa) ttl = record.ttl;
  });
  return ttl;
}

// A becomes AAAA; everything else stays (RFC 6147 §5.3.3), but for signatures of what is no longer there.
class Synthesis final : public RecordEditor {
 public:
  Synthesis(const base::IpNetwork& prefix, std::uint32_t ttl_max) : prefix_(prefix), ttl_max_(ttl_max) {}

  bool edit_record(Section section, RRType& type, std::vector<std::uint8_t>& rdata) override {
    is_made_ = section == Section::answer && type == RRType::a && rdata.size() == 4;
    if (is_made_) {
      const auto address = embed(prefix_, std::span<const std::uint8_t, 4>(rdata.data(), 4));
      type = RRType::aaaa;
      rdata.assign(address.octets().begin(), address.octets().end());
      has_made_ = true;
    }
    const bool signs_a = type == RRType::rrsig && rdata.size() >= 2 &&
                         dns::read_u16(rdata.data()) == static_cast<std::uint16_t>(RRType::a);
    return !signs_a;
  }
  std::uint32_t edit_ttl(std::uint32_t ttl) override { return is_made_ ? std::min(ttl, ttl_max_) : ttl; }
  bool has_made() const { return has_made_; }

 private:
  const base::IpNetwork& prefix_;
  const std::uint32_t ttl_max_;
  bool is_made_ = false;
  bool has_made_ = false;
};

}  // namespace

base::IpAddress embed(const base::IpNetwork& prefix, std::span<const std::uint8_t, 4> address) {
  std::array<std::uint8_t, 16> octets{};
  std::ranges::copy(prefix.first.octets(), octets.begin());
  std::size_t at = prefix.prefix_length / 8;
  for (const std::uint8_t octet : address) {
    if (at == reserved_octet) octets[at++] = 0;
    octets[at++] = octet;
  }
  return base::IpAddress::v6(octets);
}

std::optional<base::IpAddress> extract(const base::IpNetwork& prefix, const base::IpAddress& address) {
  if (!prefix.contains(address)) return std::nullopt;
  std::array<std::uint8_t, 4> octets;
  std::size_t at = prefix.prefix_length / 8;
  for (std::uint8_t& octet : octets) {
    if (at == reserved_octet) ++at;
    octet = address.octets()[at++];
  }
  // Another suffix than the zeros that embed() writes is some other address of the prefix.
  if (embed(prefix, octets) != address) return std::nullopt;
  return base::IpAddress::v4(octets);
}

Step Dns64Handler::handle(QueryContext& context) {
  if (context.query.qclass != dns::RRClass::in) return Step::next;
  if (context.query.qtype == RRType::ptr) return ask_for_name(context);
  if (context.query.qtype != RRType::aaaa) return Step::next;
  // A client of both families reaches IPv4 by itself.
  if (!options_.allow_ipv4 && context.origin.client_address().is_v4()) return Step::next;
  // RFC 6147 §3: who validates by itself would take what is made for forged.
  if (context.query.header.has(Header::cd) && context.query.edns && context.query.edns->dnssec_ok) return Step::next;
  return ask_behind_and_take(context, *this, make_packet(context.query, {}),
                             [this](QueryContext& own, std::unique_ptr<PendingQuery>&,
                                    std::span<const std::uint8_t> message) { return go_on(own, message); });
}

// RFC 6147 §5.3.1, the second way: an alias to the name of the IPv4 address.
Step Dns64Handler::ask_for_name(QueryContext& context) {
  const auto address = dns::address_of_reverse_name(context.qname.view());
  const auto embedded = address ? extract(options_.prefix, *address) : std::nullopt;
  if (!embedded) return Step::next;
  const dns::DomainName name = dns::reverse_name(*embedded);
  return ask_behind(context, *this, make_packet(context.query, {.qname = name.view()}),
                    [](QueryContext& own, std::span<const std::uint8_t> message) {
                      copy_whole_reply(message, own.query.qname, own.writer);
                      own.writer.set_flag(Header::ad, false);
                    });
}

bool Dns64Handler::wants_synthesis(const QueryContext& context, std::span<const std::uint8_t> message) const {
  // What a client may not ask is not found for it in another way.
  if (context.answered_by == acl_label_) return false;
  // RFC 6147 §5.1.2: a name that is not there has no A either; every other error may be one of AAAA alone.
  if (dns::read_header(message).rcode() == dns::Rcode::nxdomain) return false;
  if (options_.translate_all) return true;
  bool has_address = false;
  for_each_record(message, [&](const dns::RecordView& record) {
    has_address |= record.section == Section::answer && record.type == RRType::aaaa && !is_mapped(record.rdata);
  });
  return !has_address;
}

Step Dns64Handler::go_on(QueryContext& context, std::span<const std::uint8_t> message) {
  if (!wants_synthesis(context, message)) {
    RecordEditor nothing;
    copy_edited_reply(message, context.query.qname, nothing, context.writer, context.reason());
    return Step::answered;
  }
  count(context);
  return ask_behind(context, *this, make_packet(context.query, {.qtype = RRType::a}),
                    [this, ttl_max = soa_ttl(message)](QueryContext& own, std::span<const std::uint8_t> addresses) {
                      Synthesis synthesis(options_.prefix, ttl_max);
                      copy_edited_reply(addresses, own.query.qname, synthesis, own.writer, own.reason());
                      own.writer.set_flag(Header::ad, false);
                      if (!synthesis.has_made()) return;
                      own.writer.set_extended_error({synthesized, "made from A records by dns64"});
                      own.answered_by = label_;
                    });
}

void Dns64Handler::count(const QueryContext& context) {
  SharedCounter*& counter = counters_[context.router];
  if (counter == nullptr) {
    counter =
        metrics_.counter("coredns_dns64_requests_translated_total", "Counter of DNS requests translated by dns64.",
                         {{"server", servers_.at(context.router)}});
  }
  counter->add();
}

}  // namespace fairlead::server
