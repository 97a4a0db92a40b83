#include "server/handlers/transfer_handler.hpp"

#include <algorithm>
#include <string>

#include "server/control/logging.hpp"
#include "server/handlers/dnstap_handler.hpp"
#include "server/handlers/query_log.hpp"
#include "server/query/limits.hpp"
#include "server/query/worker_plan.hpp"
#include "zones/base/published.hpp"

namespace fairlead::server {
namespace {

using dns::ExtendedError;
using dns::Header;
using dns::Rcode;
using dns::RRType;
using Clock = std::chrono::steady_clock;

// The serial is the first of the five numbers at the end of an SOA's RDATA.
std::uint32_t serial_of(std::span<const std::uint8_t> soa_rdata) {
  return dns::read_u32(soa_rdata.data() + soa_rdata.size() - 20);
}

Step refuse(QueryContext& context, Rcode rcode, ExtendedError code, std::string_view why) {
  context.writer.set_rcode(rcode);
  context.writer.set_extended_error({code, why});
  return Step::answered;
}

Step answer_soa(QueryContext& context, const TransferableZone& zone) {
  const std::uint8_t owner[] = {dns::question_pointer >> 8, dns::question_pointer & 0xff};
  context.writer.set_flag(Header::aa);
  context.writer.append(dns::Section::answer, owner, RRType::soa, zone.soa_ttl, zone.soa_rdata);
  return Step::answered;
}

// One transfer, from the query to the last message. It holds nothing of the plan, which may be gone before it ends.
class TransferStream final : public ReplyStream {
 public:
  TransferStream(const QueryContext& context, TransferableZones& source, TransferGate::Place place, PluginLabel label)
      : place_(std::move(place)),
        question_(context.query.question.begin(), context.query.question.end()),
        edns_(context.query.edns ? std::optional(dns::Edns{.udp_octets = context.query.edns->udp_octets,
                                                           .extended_rcode = 0,
                                                           .version = 0,
                                                           .dnssec_ok = context.query.edns->dnssec_ok,
                                                           .options = {}})
                                 : std::nullopt),
        header_(context.query.header),
        writer_(source.read_zone(context.query.qname, [wake = wake_] { (*wake)(); }), header_, question_, edns_),
        zone_(context.qname.view()),
        client_(context.origin.client_text()),
        client_address_(context.origin.client_address()),
        client_port_(context.origin.client_port()),
        qtype_(context.query.qtype),
        family_(context.origin.is_ipv4() ? Family::ipv4 : Family::ipv6),
        slots_(context.server != nullptr ? context.server->slots : nullptr),
        query_log_(context.server != nullptr ? context.server->chain->log : nullptr),
        query_octets_(context.packet.size()),
        label_(label),
        received_(context.received) {}

  ~TransferStream() override {
    if (!has_ended_) log("was given up after ", "the client has left or takes too long");
  }

  void start(std::function<void()> wake) override {
    *wake_ = std::move(wake);
    started_ = Clock::now();
  }

  ReplyStream::Step advance(std::span<const std::uint8_t>& message) override {
    if (has_ended_) return ReplyStream::Step::end;
    if (Clock::now() - started_ > transfer_time_max) return give_up("it took too long", message);
    const base::ReadSection section;
    switch (writer_.advance(message)) {
      case zones::TransferWriter::Step::message:
        octets_ += message.size();
        std::ranges::copy(message.first(dns::header_octets), last_header_.begin());
        return ReplyStream::Step::message;
      case zones::TransferWriter::Step::working: return ReplyStream::Step::working;
      case zones::TransferWriter::Step::waiting: return ReplyStream::Step::waiting;
      case zones::TransferWriter::Step::end:
        has_ended_ = true;
        log_queued(base::LogLevel::info, "plugin/transfer: Outgoing transfer of " + std::to_string(writer_.records()) +
                                             " records of zone \"" + zone_.to_string() + "\" to " + client_ + " for " +
                                             std::to_string(writer_.serial()) + " SOA serial");
        count(Rcode::noerror);
        return ReplyStream::Step::end;
      case zones::TransferWriter::Step::lost: break;
    }
    return give_up("the zone has changed too much meanwhile, or is served no more", message);
  }

 private:
  // SERVFAIL while nothing was sent; afterwards only the end of the connection says that something is missing.
  ReplyStream::Step give_up(std::string_view why, std::span<const std::uint8_t>& message) {
    has_ended_ = true;
    log("was given up after ", why);
    if (octets_ > 0) {
      count(Rcode::servfail);
      return ReplyStream::Step::broken;
    }
    dns::MessageWriter writer(refusal_, refusal_.size());
    writer.begin(header_, question_, edns_);
    writer.set_rcode(Rcode::servfail);
    writer.set_extended_error({ExtendedError::other, "the zone cannot be read to its end"});
    message = writer.finish();
    octets_ = message.size();
    std::ranges::copy(message.first(dns::header_octets), last_header_.begin());
    count(Rcode::servfail);
    return ReplyStream::Step::message;
  }

  void log(std::string_view what, std::string_view why) const {
    log_queued(base::LogLevel::warning, "plugin/transfer: Outgoing transfer of zone \"" + zone_.to_string() + "\" to " +
                                            client_ + ' ' + std::string(what) + std::to_string(writer_.records()) +
                                            " records: " + std::string(why));
  }

  void count(Rcode rcode) const {
    const auto duration = Clock::now() - received_;
    if (slots_ != nullptr) {
      slots_->count_request(Proto::tcp, family_, qtype_, query_octets_, edns_ && edns_->dnssec_ok);
      slots_->count_response(Proto::tcp, rcode, label_, octets_, duration);
    }
    if (query_log_ == nullptr) return;
    const dns::Query query{.header = header_,
                           .qname = dns::NameView(std::span(question_).first(question_.size() - 4)),
                           .qtype = qtype_,
                           .qclass = dns::RRClass::in,
                           .edns = edns_,
                           .question = question_,
                           .ixfr_serial = {}};
    query_log_->write(
        {.query = query,
         .octets = query_octets_,
         .transport = Transport::tcp,
         .client = client_address_,
         .client_port = client_port_},
        {.message = octets_ > 0 ? std::span<const std::uint8_t>(last_header_) : std::span<const std::uint8_t>(),
         .rcode = rcode,
         .octets = octets_,
         .duration = duration});
  }

  const TransferGate::Place place_;
  const std::shared_ptr<std::function<void()>> wake_ = std::make_shared<std::function<void()>>();
  const std::vector<std::uint8_t> question_;
  const std::optional<dns::Edns> edns_;
  const dns::Header header_;
  zones::TransferWriter writer_;
  const dns::DomainName zone_;
  const std::string client_;
  const base::IpAddress client_address_;
  const std::uint16_t client_port_;
  const RRType qtype_;
  const Family family_;
  ZoneSlots* const slots_;
  const std::shared_ptr<const QueryLog> query_log_;
  const std::size_t query_octets_;
  const PluginLabel label_;
  const Clock::time_point received_;
  Clock::time_point started_;
  std::size_t octets_ = 0;
  std::array<std::uint8_t, dns::header_octets> last_header_{};  // of the last message
  bool has_ended_ = false;
  std::array<std::uint8_t, dns::udp_octets_classic> refusal_;
};

}  // namespace

std::optional<TransferGate::Place> TransferGate::enter(const std::shared_ptr<TransferGate>& gate) {
  if (gate->taken_.fetch_add(1, std::memory_order_relaxed) < transfers_max) return Place(gate);
  gate->taken_.fetch_sub(1, std::memory_order_relaxed);
  return std::nullopt;
}

TransferHandler::TransferHandler(const std::vector<TransferOptions>& options, std::shared_ptr<TransferGate> gate)
    : gate_(std::move(gate)) {
  for (const auto& directive : options) {
    std::shared_ptr<std::vector<base::IpAddress>> clients;
    if (!directive.to_all) {
      clients = std::make_shared<std::vector<base::IpAddress>>();
      for (const auto& endpoint : directive.to) {
        if (const auto address = base::IpAddress::parse(endpoint.address)) clients->push_back(*address);
      }
    }
    for (const auto& zone : directive.zones) rules_.push_back({.zone = zone, .clients = clients});
  }
  // The first directive of two for the same zone counts, as in CoreDNS.
  std::ranges::stable_sort(rules_, std::ranges::greater{},
                           [](const Rule& rule) { return rule.zone.view().label_count(); });
}

Step TransferHandler::handle(QueryContext& context) {
  const RRType qtype = context.query.qtype;
  if (qtype != RRType::axfr && qtype != RRType::ixfr) return Step::next;
  // As CoreDNS, also for IXFR: a cluster's zone never fits, and the address of a UDP packet proves nothing.
  if (context.origin.transport() != Transport::tcp) {
    return refuse(context, Rcode::refused, ExtendedError::prohibited, "zones are transferred over TCP only");
  }
  const dns::NameView qname = context.qname.view();
  const Rule* const rule = find_rule(qname);
  if (rule == nullptr) return Step::next;
  if (rule->clients != nullptr) {
    if (std::ranges::find(*rule->clients, context.origin.client_address()) == rule->clients->end()) {
      return refuse(context, Rcode::refused, ExtendedError::prohibited, "this client is not among those of `to`");
    }
  }
  // RFC 5936 §2.1: nothing but the question; RFC 1995 §3: the SOA that the client has, and nothing else.
  const std::size_t authorities = context.query.header.authority_count;
  if (qtype == RRType::ixfr ? authorities != 1 || !context.query.ixfr_serial : authorities != 0) {
    return refuse(context, Rcode::formerr, ExtendedError::other,
                  qtype == RRType::ixfr ? "IXFR needs the client's SOA in the authority section"
                                        : "AXFR has no record in the authority section");
  }

  for (TransferableZones* const source : sources_) {
    const auto zone = source->find_zone(qname);
    if (!zone) continue;
    if (!zone->is_ready) {
      return refuse(context, Rcode::servfail, ExtendedError::not_ready, zone->why_not_ready);
    }
    if (qtype == RRType::ixfr && *context.query.ixfr_serial == serial_of(zone->soa_rdata)) {
      return answer_soa(context, *zone);
    }
    return begin_transfer(context, *source);
  }
  if (std::ranges::any_of(sources_, [&](const auto* source) { return source->has_name(qname); })) {
    return refuse(context, Rcode::notauth, ExtendedError::not_authoritative, "only the apex of a zone is transferred");
  }
  return Step::next;
}

const TransferHandler::Rule* TransferHandler::find_rule(dns::NameView qname) const {
  const auto rule = std::ranges::find_if(rules_, [&](const Rule& r) { return qname.is_at_or_below(r.zone); });
  return rule == rules_.end() ? nullptr : &*rule;
}

Step TransferHandler::begin_transfer(QueryContext& context, TransferableZones& source) {
  auto place = TransferGate::enter(gate_);
  if (!place) {
    return refuse(context, Rcode::servfail, ExtendedError::other, "too many zone transfers at once, try again later");
  }
  std::unique_ptr<ReplyStream> stream = std::make_unique<TransferStream>(context, source, std::move(*place), label_);
  if (const auto& taps = context.server->chain->taps) stream = DnstapTaps::tap_stream(taps, context, std::move(stream));
  if (context.origin.stream(std::move(stream))) {
    return Step::suspended;
  }
  return refuse(context, Rcode::servfail, ExtendedError::other, "too many zone transfers on this connection");
}

}  // namespace fairlead::server
