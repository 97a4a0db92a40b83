// `local`: the names that every server is to answer for itself: localhost and the reverse zones of this host.
//
// Threads: one worker's.
// Standards: RFC 6761 §6.3, RFC 6303, RFC 1912 §4.1.
#pragma once

#include "server/config/query_options.hpp"
#include "server/control/metrics.hpp"
#include "server/query/query_context.hpp"

namespace fairlead::server {

class LocalHandler final : public Handler {
 public:
  LocalHandler(const LocalOptions& options, MetricsRegistry& metrics);

  Step handle(QueryContext& context) override;
  PluginLabel plugin() const override { return label_; }

 private:
  const LocalOptions options_;
  SharedCounter* const localhost_requests_;
  const PluginLabel label_ = plugin_label("local");
};

}  // namespace fairlead::server
