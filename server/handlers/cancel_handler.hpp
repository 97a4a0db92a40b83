// `cancel`: a query that waits longer than its time is answered SERVFAIL, whatever it waits for. PendingQuery does it.
//
// Threads: one worker's.
// Limits: one timer a waiting query.
#pragma once

#include "server/config/query_options.hpp"
#include "server/query/query_context.hpp"
#include "zones/base/asio.hpp"

namespace fairlead::server {

class CancelHandler final : public Handler {
 public:
  CancelHandler(const CancelOptions& options, asio::io_context& io) : limit_{io, options.timeout} {}

  Step handle(QueryContext& context) override {
    // Questions of our own, and those in the client's place, end with the client's.
    if (context.is_of_client()) context.wait_limit = &limit_;
    return Step::next;
  }
  PluginLabel plugin() const override { return no_plugin; }

 private:
  const WaitLimit limit_;
};

}  // namespace fairlead::server
