#include "server/query/pending_query.hpp"

#include <algorithm>
#include <utility>

#include "server/query/answer.hpp"
#include "server/query/limits.hpp"
#include "zones/base/published.hpp"

namespace fairlead::server {

std::unique_ptr<PendingQuery> PendingQuery::suspend(QueryContext& context) {
  const WorkerPlan& plan = *context.plan;
  if (plan.pending_queries >= pending_queries_max) return nullptr;
  if (plan.pending_octets + context.packet.size() > pending_octets_max) return nullptr;
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
  plan_->pending_octets += packet_.size();
  context_.emplace(packet_, query_, writer_, static_cast<Origin&>(*this), plan_);
  context_->server = from.server;
  context_->router = from.router;
  context_->received = from.received;
  context_->alias_depth = from.alias_depth;
  context_->observers = from.observers;
  context_->observer_count = from.observer_count;
  std::copy_n(from.editors.begin(), from.editor_count, context_->editors.begin());
  context_->editor_count = from.editor_count;
  context_->is_nested = from.is_nested;
  context_->sends_options = from.sends_options;
  context_->wait_limit = from.wait_limit;
  if (from.wait_limit != nullptr) cancel_after(*from.wait_limit);
}

PendingQuery::~PendingQuery() {
  --plan_->pending_queries;
  plan_->pending_octets -= packet_.size();
}

QueryContext& PendingQuery::context() {
  if (buffer_ == nullptr) {
    buffer_ = std::make_unique_for_overwrite<std::uint8_t[]>(limit_);
    writer_ = dns::MessageWriter({buffer_.get(), limit_}, limit_);
    writer_.begin(query_.header, query_.question, query_.edns);
  }
  return *context_;
}

void PendingQuery::reply(PluginLabel answered_by) {
  if (target_ == nullptr) return;
  cancel_timer_.reset();
  context().answered_by = answered_by;
  const auto message = finish(*context_);
  target_->note(*context_);
  // Whoever delivers may come back to us.
  const auto target = std::move(target_);
  target->deliver(message);
}

void PendingQuery::cancel_after(const WaitLimit& limit) {
  alive_ = std::make_shared<bool>();
  cancel_timer_.emplace(limit.io);
  cancel_timer_->expires_at(context_->received + std::chrono::duration_cast<std::chrono::nanoseconds>(limit.max));
  // What has expired may be on its way when the timer ends.
  cancel_timer_->async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& error) {
    if (!error && !alive.expired()) cancel();
  });
}

// Who holds the query goes on, and finds a writer with the question alone and nobody who takes the reply.
void PendingQuery::cancel() {
  if (target_ == nullptr) return;
  const base::ReadSection section;
  QueryContext& context = this->context();
  context.error = "cancelled: no answer within the time of 'cancel'";
  context.writer.set_rcode(dns::Rcode::servfail);
  context.writer.set_extended_error({dns::ExtendedError::other, context.error});
  const auto message = finish(context);
  target_->note(context);
  std::exchange(target_, nullptr)->deliver(message);
  writer_.begin(query_.header, query_.question, query_.edns);
}

}  // namespace fairlead::server
