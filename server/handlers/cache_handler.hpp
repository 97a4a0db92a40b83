// `cache`: replies of upstreams remembered. It stands behind `kubernetes` in the chain, whatever CoreDNS's order says:
// the cluster table is its own cache, and an event must never be hidden by a TTL.
//
// Threads: one worker's, as its Cache.
// Standards: RFC 2308, RFC 2181 §8, RFC 8767, RFC 9520.
#pragma once

#include <memory>

#include "resolver/cache.hpp"
#include "server/config/directive_options.hpp"
#include "server/handlers/cache_refresh.hpp"
#include "server/query/query_context.hpp"
#include "zones/base/clock.hpp"

namespace fairlead::server {

resolver::CacheConfig make_cache_config(const CacheOptions& options);

class CacheHandler final : public Handler {
 public:
  CacheHandler(const CacheOptions& options, std::shared_ptr<resolver::Cache> cache, const base::Clock& clock,
               asio::io_context& io, bool rotates_answers);

  Step handle(QueryContext& context) override;
  /// Keeps the upstream's reply, or that there was none, and sets the TTL that the client is shown.
  void on_reply(QueryContext& context) override;
  PluginLabel plugin() const override { return label_; }

 private:
  resolver::CachePermit permit(const dns::Query& query) const;

  const CacheOptions options_;
  const std::shared_ptr<resolver::Cache> cache_;
  const base::Clock& clock_;
  const bool rotates_answers_;
  const PluginLabel label_ = plugin_label("cache");
  CacheRefresher refresher_;
};

/// RFC 6840 §5.7: AD is for clients that ask for it, by AD or DO.
bool wants_authentic_data(const dns::Query& query);

}  // namespace fairlead::server
