#include "server/query/answer.hpp"

#include <algorithm>
#include <vector>

#include "server/control/logging.hpp"
#include "server/handlers/dnstap_handler.hpp"
#include "server/handlers/error_log.hpp"
#include "server/handlers/query_log.hpp"
#include "server/query/limits.hpp"
#include "server/query/metadata.hpp"
#include "server/query/reply_copy.hpp"

namespace fairlead::server {
namespace {

using dns::Header;
using dns::Rcode;

Proto as_proto(const Origin& origin) { return origin.transport() == Transport::udp ? Proto::udp : Proto::tcp; }
Family as_family(const Origin& origin) { return origin.is_ipv4() ? Family::ipv4 : Family::ipv6; }

// For the pages of top talkers and slow queries, which most queries do not come to; out of the way of those.
[[gnu::noinline]] void show(QueryWatch& watch, const QueryContext& context, bool is_answered,
                            std::chrono::nanoseconds duration) {
  const base::IpAddress client = context.origin.client_address();
  if (client == base::IpAddress()) return;  // a probe of `loop`
  watch.see({.client = client,
             .qname = context.qname.view(),
             .qtype = context.query.qtype,
             .proto = as_proto(context.origin),
             .rcode = is_answered ? std::optional(context.writer.rcode()) : std::nullopt,
             .directive = context.answered_by,
             .error = context.error,
             .received = context.received,
             .duration = duration});
}

// What a packet that is no query is owed.
Answer answer_fault(std::span<const std::uint8_t> packet, const dns::QueryError& error, const Origin& origin,
                    WorkerPlan& plan, std::span<std::uint8_t> buffer) {
  if (error.fault == dns::QueryFault::drop) return {};
  dns::MessageWriter writer(buffer, dns::udp_octets_classic);
  writer.begin(dns::read_header(packet), error.question, error.edns);
  switch (error.fault) {
    case dns::QueryFault::notimp: writer.set_rcode(Rcode::notimp); break;
    case dns::QueryFault::badvers: writer.set_rcode(Rcode::badvers); break;
    default: writer.set_rcode(Rcode::formerr); break;
  }
  const auto message = writer.finish();
  if (plan.dropped_slots != nullptr) {
    plan.dropped_slots->count_request(as_proto(origin), as_family(origin), dns::RRType{}, packet.size(), false);
    plan.dropped_slots->count_response(as_proto(origin), writer.rcode(), no_plugin, message.size(), {});
  }
  if (plan.watch != nullptr && plan.watch->wants({})) {
    plan.watch->see({.client = origin.client_address(),
                     .qname = std::nullopt,
                     .proto = as_proto(origin),
                     .rcode = writer.rcode(),
                     .error = {},
                     .received = std::chrono::steady_clock::now()});
  }
  return {Outcome::reply, message};
}

void refuse(QueryContext& context, dns::ExtendedError code, std::string_view why) {
  context.writer.set_rcode(Rcode::refused);
  context.writer.set_extended_error({code, why});
}

// The zone that serves the question, or nothing with the reply written.
const ZoneServer* route(QueryContext& context, std::size_t router) {
  // CoreDNS too serves class IN alone unless a directive such as `chaos` is on.
  const bool is_other_class = context.query.qclass != dns::RRClass::in;
  const ZoneServer* server = nullptr;
  if (!is_other_class || context.plan->serves_other_classes) {
    const ZoneRouter& zones = context.plan->routers[router];
    server = zones.has_views() ? zones.find_by_view(context) : zones.find(context.qname.view());
  }
  if (is_other_class && (server == nullptr || !server->chain->serves_other_classes)) {
    refuse(context, dns::ExtendedError::not_supported, "only class IN is served");
    return nullptr;
  }
  if (server == nullptr) {
    refuse(context, dns::ExtendedError::prohibited, "no server block of the Corefile serves this zone");
  }
  return server;
}

// Asks the handlers from `first` on.
Step handle(QueryContext& context, std::size_t first = 0) {
  const auto& handlers = context.server->chain->handlers;
  for (std::size_t i = first; i < handlers.size(); ++i) {
    const auto& handler = handlers[i];
    const Step step = handler->handle(context);
    if (step == Step::next) continue;
    // A handler that asked those behind it has theirs already.
    if (step == Step::answered && context.answered_by == no_plugin) context.answered_by = handler->plugin();
    return step;
  }
  // No handler of the block answers for this name, as CoreDNS at the end of its chain.
  refuse(context, dns::ExtendedError::prohibited, "no directive of the server block answers for this name");
  return Step::answered;
}

// For those who look what there is to match and to show.
void log_metadata(const QueryContext& context) {
  const std::string text = metadata_text(context);
  if (text.empty()) return;
  log_queued(base::LogLevel::debug, "metadata: " + context.query.qname.to_string() + " " +
                                        to_string(context.query.qtype) + " from " + context.origin.client_text() +
                                        ": " + text);
}

// Metrics and the query log; an empty message is a reply that is not owed.
void account(const QueryContext& context, std::span<const std::uint8_t> message) {
  // Questions of our own are part of the client's.
  if (!context.is_of_client()) return;
  ZoneSlots* const slots = context.server != nullptr ? context.server->slots : context.plan->dropped_slots;
  const QueryLog* const log = context.server != nullptr ? context.server->chain->log.get() : nullptr;
  if (slots == nullptr && log == nullptr) return;
  const auto duration = std::chrono::steady_clock::now() - context.received;
  if (slots != nullptr) {
    if (!message.empty()) {
      const Proto proto = as_proto(context.origin);
      slots->count_request(proto, as_family(context.origin), context.query.qtype, context.packet.size(),
                           context.query.edns && context.query.edns->dnssec_ok);
      slots->count_response(proto, context.writer.rcode(), context.answered_by, message.size(), duration);
    }
    QueryWatch* const watch = context.plan->watch;
    if (watch != nullptr && watch->wants(duration)) show(*watch, context, !message.empty(), duration);
  }
  if (log != nullptr) log->write(context, message, duration);
}

void look_back(const QueryContext& context, std::span<const std::uint8_t> message) {
  if (!context.is_of_client()) return;
  const Chain& chain = *context.server->chain;
  if (chain.taps != nullptr) chain.taps->tap_response(context, message);
  if (chain.metadata_zones && is_debug_logging()) log_metadata(context);
}

// A question of our own: no client, the reply goes to a function.
class InternalQuestion : public Origin {
 public:
  using Done = std::function<void(std::span<const std::uint8_t>)>;
  InternalQuestion(const Origin& client, Done done) : client_(client), done_(std::move(done)) {}

  Transport transport() const override { return client_.transport(); }
  bool is_ipv4() const override { return client_.is_ipv4(); }
  base::IpAddress client_address() const override { return client_.client_address(); }
  std::string client_text() const override { return client_.client_text(); }
  std::unique_ptr<ReplyTarget> keep() override {
    struct Target final : ReplyTarget {
      Target(Done d, std::string text) : done(std::move(d)), client(std::move(text)) {}
      void deliver(std::span<const std::uint8_t> message) override { done(message); }
      std::string client_text() const override { return client; }
      Done done;
      std::string client;
    };
    return std::make_unique<Target>(std::move(done_), client_text());
  }
  void reply(std::span<const std::uint8_t> message) { done_(message); }

 private:
  const Origin& client_;
  Done done_;
};

/// What comes back serves every client, so it must not depend on how this one asked. TC is asked again over TCP.
class RefreshQuestion final : public InternalQuestion {
 public:
  using InternalQuestion::InternalQuestion;
  Transport transport() const override { return Transport::udp; }
};

std::vector<std::uint8_t> make_question(std::uint16_t flags, dns::NameView qname, dns::RRType qtype, bool edns,
                                        bool dnssec_ok) {
  const std::size_t question_end = dns::header_octets + qname.size() + 4;
  std::vector<std::uint8_t> packet(question_end + (edns ? dns::opt_octets : 0));
  dns::write_u16(packet.data() + 2, flags);
  dns::write_u16(packet.data() + 4, 1);
  std::ranges::copy(qname.wire(), packet.data() + dns::header_octets);
  dns::write_u16(packet.data() + question_end - 4, static_cast<std::uint16_t>(qtype));
  dns::write_u16(packet.data() + question_end - 2, static_cast<std::uint16_t>(dns::RRClass::in));
  if (edns) {
    dns::write_u16(packet.data() + 10, 1);
    std::uint8_t* const opt = packet.data() + question_end;
    dns::write_u16(opt + 1, static_cast<std::uint16_t>(dns::RRType::opt));
    dns::write_u16(opt + 3, dns::udp_octets_max);
    if (dnssec_ok) opt[7] = 0x80;  // DO
  }
  return packet;
}

}  // namespace

std::size_t reply_limit(const dns::Query& query, Transport transport) {
  if (transport == Transport::tcp) return dns::message_octets_max;
  if (!query.edns) return dns::udp_octets_classic;
  return std::min<std::size_t>(query.edns->udp_octets, dns::udp_octets_max);
}

Step handle_behind(QueryContext& context, const Handler& handler) {
  const auto& handlers = context.server->chain->handlers;
  const auto at = std::ranges::find(handlers, &handler, [](const auto& one) { return one.get(); });
  return handle(context, static_cast<std::size_t>(at - handlers.begin()) + 1);
}

Answer answer(std::span<const std::uint8_t> packet, Origin& origin, const std::shared_ptr<WorkerPlan>& plan,
              std::size_t router, std::span<std::uint8_t> buffer) {
  const auto received = std::chrono::steady_clock::now();
  const auto query = dns::read_query(packet);
  if (!query) return answer_fault(packet, query.error(), origin, *plan, buffer);

  dns::MessageWriter writer(buffer, reply_limit(*query, origin.transport()));
  writer.begin(query->header, query->question, query->edns);
  QueryContext context(packet, *query, writer, origin, plan);
  context.received = received;

  context.server = route(context, router);
  context.router = router;
  if (context.server != nullptr) {
    switch (handle(context)) {
      case Step::suspended: return {Outcome::suspended, {}};
      case Step::dropped: account(context, {}); return {Outcome::silence, {}};
      default: break;
    }
  }
  return {Outcome::reply, finish(context)};
}

std::span<const std::uint8_t> finish(QueryContext& context) {
  context.run_observers();
  context.run_editors();
  const auto message = context.writer.finish();
  if (context.rotate && context.writer.count(dns::Section::answer) > 1) {
    rotate_addresses(message, context.plan->next_rotation());
  }
  account(context, message);
  if (!context.error.empty() && context.server != nullptr && context.server->chain->errors != nullptr) {
    context.server->chain->errors->report(context.writer.rcode(), context.query, context.error);
  }
  if (context.server != nullptr && context.server->chain->looks_back) look_back(context, message);
  return message;
}

void ask_internally(const QueryContext& parent, dns::NameView qname, dns::RRType qtype, InternalQuestion::Done done) {
  // Who has no use for the reason of a reply is not told one (RFC 8914 §3).
  const bool edns = parent.query.edns.has_value();
  const std::vector<std::uint8_t> packet =
      make_question(parent.query.header.flags & (Header::rd | Header::cd | Header::ad), qname, qtype, edns,
                    edns && parent.query.edns->dnssec_ok);
  InternalQuestion origin(parent.origin, std::move(done));
  const auto query = dns::read_query(packet);
  // The reply must come whole, whatever the client's transport can carry.
  const auto buffer = std::make_unique_for_overwrite<std::uint8_t[]>(dns::message_octets_max);
  dns::MessageWriter writer({buffer.get(), dns::message_octets_max}, dns::message_octets_max);
  writer.begin(query->header, query->question, query->edns);
  QueryContext context(packet, *query, writer, origin, parent.plan);
  context.received = std::chrono::steady_clock::now();
  context.alias_depth = static_cast<std::uint8_t>(parent.alias_depth + 1);
  context.router = parent.router;
  if (context.alias_depth > alias_chain_max) {
    writer.set_rcode(Rcode::servfail);
    return origin.reply(writer.finish());
  }
  context.server = route(context, parent.router);
  const Step step = context.server != nullptr ? handle(context) : Step::answered;
  if (step == Step::suspended) return;
  if (step == Step::dropped) writer.set_rcode(Rcode::servfail);
  context.run_observers();
  origin.reply(writer.finish());
}

void ask_again_behind(const QueryContext& parent, Handler& handler, InternalQuestion::Done done) {
  const std::uint16_t flags = (parent.query.header.flags & Header::cd) | Header::rd | Header::ad;
  const std::vector<std::uint8_t> packet = make_question(flags, parent.query.qname, parent.query.qtype, true,
                                                         parent.query.edns && parent.query.edns->dnssec_ok);
  RefreshQuestion origin(parent.origin, std::move(done));
  const auto query = dns::read_query(packet);
  const auto buffer = std::make_unique_for_overwrite<std::uint8_t[]>(dns::message_octets_max);
  dns::MessageWriter writer({buffer.get(), dns::message_octets_max}, dns::message_octets_max);
  writer.begin(query->header, query->question, query->edns);
  QueryContext context(packet, *query, writer, origin, parent.plan);
  context.received = std::chrono::steady_clock::now();
  context.alias_depth = static_cast<std::uint8_t>(parent.alias_depth + 1);  // no client's: not counted
  context.router = parent.router;
  context.server = parent.server;
  context.observe(handler);
  const Step step = handle_behind(context, handler);
  if (step == Step::suspended) return;
  if (step == Step::dropped) writer.set_rcode(Rcode::servfail);
  context.run_observers();
  origin.reply(writer.finish());
}

}  // namespace fairlead::server
