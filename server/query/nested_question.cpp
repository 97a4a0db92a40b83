#include "server/query/nested_question.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "server/query/answer.hpp"
#include "server/query/pending_query.hpp"
#include "server/query/same_client.hpp"
#include "zones/base/published.hpp"

namespace fairlead::server {
namespace {

// The client, as the handlers behind see it: when they take the nested question away, the client's query waits too.
class NestedOrigin final : public SameClient {
 public:
  NestedOrigin(QueryContext& context, NestedTake take) : SameClient(context), take_(std::move(take)) {}

  std::unique_ptr<ReplyTarget> keep() override {
    struct Target final : ReplyTarget {
      Target(std::unique_ptr<PendingQuery> of_client, NestedTake take_reply)
          : pending(std::move(of_client)),
            take(std::move(take_reply)),
            client(pending->context().origin.client_text()) {}
      void note(const QueryContext& nested) override {
        answered_by = nested.answered_by;
        pending->context().upstream = nested.upstream;
      }
      void deliver(std::span<const std::uint8_t> message) override {
        const base::ReadSection section;
        pending->context().answered_by = answered_by;
        const Step step = take(pending->context(), pending, message);
        if (step == Step::suspended || pending == nullptr) return;
        // A client that waits is told something.
        if (step == Step::dropped) pending->context().writer.set_rcode(dns::Rcode::servfail);
        pending->reply(pending->context().answered_by);
      }
      std::string client_text() const override { return client; }
      std::unique_ptr<PendingQuery> pending;
      NestedTake take;
      std::string client;
      PluginLabel answered_by = no_plugin;
    };
    auto pending = PendingQuery::suspend(context_);
    if (pending == nullptr) return nullptr;
    return std::make_unique<Target>(std::move(pending), take_);
  }

 private:
  NestedTake take_;
};

}  // namespace

Step ask_behind(QueryContext& context, const Handler& handler, std::vector<std::uint8_t> packet, NestedReply reply) {
  return ask_behind_and_take(context, handler, std::move(packet),
                             [reply = std::move(reply)](QueryContext& own, std::unique_ptr<PendingQuery>&,
                                                        std::span<const std::uint8_t> message) {
                               reply(own, message);
                               return Step::answered;
                             });
}

Step ask_behind_and_take(QueryContext& context, const Handler& handler, std::vector<std::uint8_t> packet,
                         NestedTake take) {
  const auto query = dns::read_query(packet);
  if (!query) {
    context.writer.set_rcode(dns::Rcode::servfail);
    return Step::answered;
  }
  // The reply must come whole, whatever the client's transport can carry.
  const auto buffer = std::make_unique_for_overwrite<std::uint8_t[]>(dns::message_octets_max);
  dns::MessageWriter writer({buffer.get(), dns::message_octets_max}, dns::message_octets_max);
  writer.begin(query->header, query->question, query->edns);
  NestedOrigin origin(context, take);
  QueryContext nested(packet, *query, writer, origin, context.plan);
  nested.server = context.server;
  nested.router = context.router;
  nested.received = context.received;
  nested.alias_depth = context.alias_depth;
  nested.is_nested = true;
  nested.sends_options = context.sends_options;
  const Step step = handle_behind(nested, handler);
  if (step != Step::answered) return step;
  const auto message = finish(nested);
  context.answered_by = nested.answered_by;
  context.upstream = nested.upstream;
  std::unique_ptr<PendingQuery> pending;
  return take(context, pending, message);
}

std::vector<std::uint8_t> make_packet(const dns::Query& query, const QuestionChange& change) {
  const dns::NameView qname = change.qname.value_or(query.qname);
  std::vector<std::uint8_t> packet(dns::header_octets);
  dns::write_u16(packet.data(), query.header.id);
  dns::write_u16(packet.data() + 2, change.flags.value_or(query.header.flags));
  dns::write_u16(packet.data() + 4, 1);
  packet.insert(packet.end(), qname.wire().begin(), qname.wire().end());
  packet.resize(packet.size() + 4);
  dns::write_u16(packet.data() + packet.size() - 4, static_cast<std::uint16_t>(change.qtype.value_or(query.qtype)));
  dns::write_u16(packet.data() + packet.size() - 2, static_cast<std::uint16_t>(change.qclass.value_or(query.qclass)));
  const bool dnssec_ok = change.dnssec_ok.value_or(query.edns && query.edns->dnssec_ok);
  if (!query.edns && !change.edns_options && !dnssec_ok) return packet;
  std::span<const std::uint8_t> options;
  if (query.edns) options = query.edns->options;
  if (change.edns_options) options = *change.edns_options;
  dns::write_u16(packet.data() + 10, 1);
  const std::size_t at = packet.size();
  packet.resize(at + dns::opt_octets);
  dns::write_u16(packet.data() + at + 1, static_cast<std::uint16_t>(dns::RRType::opt));
  dns::write_u16(packet.data() + at + 3,
                 query.edns ? query.edns->udp_octets : static_cast<std::uint16_t>(dns::udp_octets_max));
  if (dnssec_ok) packet[at + 7] = 0x80;
  dns::write_u16(packet.data() + at + 9, static_cast<std::uint16_t>(options.size()));
  packet.insert(packet.end(), options.begin(), options.end());
  return packet;
}

}  // namespace fairlead::server
