#include "server/query/pending_query.hpp"

#include "server/query/answer.hpp"
#include "server/query/limits.hpp"

namespace fairlead::server {

std::unique_ptr<PendingQuery> PendingQuery::suspend(QueryContext& context) {
  if (context.plan->pending_queries >= pending_queries_max) return nullptr;
  auto target = context.origin.keep();
  if (target == nullptr) return nullptr;
  return std::unique_ptr<PendingQuery>(new PendingQuery(context, std::move(target)));
}

PendingQuery::PendingQuery(const QueryContext& from, std::unique_ptr<ReplyTarget> target)
    : plan_(from.plan),
      packet_(from.packet.begin(), from.packet.end()),
      limit_(from.writer.limit()),
      query_(*dns::read_query(packet_)),  // it parsed before, so it parses again
      writer_({}, 0),
      target_(std::move(target)),
      transport_(from.origin.transport()),
      ipv4_(from.origin.is_ipv4()),
      client_address_(from.origin.client_address()),
      client_port_(from.origin.client_port()) {
  ++plan_->pending_queries;
  context_.emplace(packet_, query_, writer_, static_cast<Origin&>(*this), plan_);
  context_->server = from.server;
  context_->router = from.router;
  context_->received = from.received;
  context_->alias_depth = from.alias_depth;
  context_->observers = from.observers;
  context_->observer_count = from.observer_count;
}

PendingQuery::~PendingQuery() { --plan_->pending_queries; }

QueryContext& PendingQuery::context() {
  if (buffer_ == nullptr) {
    buffer_ = std::make_unique_for_overwrite<std::uint8_t[]>(limit_);
    writer_ = dns::MessageWriter({buffer_.get(), limit_}, limit_);
    writer_.begin(query_.header, query_.question, query_.edns);
  }
  return *context_;
}

void PendingQuery::reply(PluginLabel answered_by) {
  context().answered_by = answered_by;
  target_->deliver(finish(*context_));
}

}  // namespace fairlead::server
