// A query that waits: a copy of what was asked, the plan that serves it, and where the reply goes.
//
// The handler that suspends makes one from the context that it was given and later replies with it, exactly once:
//
//     auto pending = PendingQuery::suspend(context);            // null: too many are waiting; answer SERVFAIL
//     forwarder.resolve(..., [p = std::move(pending)](auto result) { write into p->context().writer; p->reply(me); });
//
// Threads: its worker's.
// Limits: pending_queries_max and pending_octets_max a worker, so that a dead upstream cannot grow the server.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "server/query/query_context.hpp"

namespace fairlead::server {

class PendingQuery final : private Origin {
 public:
  static std::unique_ptr<PendingQuery> suspend(QueryContext& context);
  ~PendingQuery() override;
  PendingQuery(const PendingQuery&) = delete;
  PendingQuery& operator=(const PendingQuery&) = delete;

  /// What was asked, with a writer that holds the question alone. The reply's memory is taken at the first call.
  QueryContext& context();
  /// Finishes what stands in the writer and delivers it; nothing happens when the query was cancelled meanwhile.
  void reply(PluginLabel answered_by);

 private:
  PendingQuery(const QueryContext& context, std::unique_ptr<ReplyTarget> target);

  Transport transport() const override { return transport_; }
  bool is_ipv4() const override { return ipv4_; }
  base::IpAddress client_address() const override { return client_address_; }
  std::string client_text() const override { return target_ != nullptr ? target_->client_text() : "?"; }
  std::uint16_t client_port() const override { return client_port_; }
  std::optional<base::IpAddress> local_address() const override {
    return target_ != nullptr ? target_->local_address() : std::nullopt;
  }
  std::unique_ptr<ReplyTarget> keep() override { return std::move(target_); }

  void cancel_after(const WaitLimit& limit);
  void cancel();

  std::shared_ptr<WorkerPlan> plan_;
  std::vector<std::uint8_t> packet_;
  std::unique_ptr<std::uint8_t[]> buffer_;
  std::size_t limit_;
  dns::Query query_;
  dns::MessageWriter writer_;
  std::optional<QueryContext> context_;
  std::unique_ptr<ReplyTarget> target_;  // null once the query is answered, or kept by another one
  std::optional<asio::steady_timer> cancel_timer_;
  std::shared_ptr<bool> alive_;  // with the timer
  Transport transport_;
  bool ipv4_;
  base::IpAddress client_address_;
  std::uint16_t client_port_;
};

}  // namespace fairlead::server
