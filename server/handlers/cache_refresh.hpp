// Questions that a cache asks anew: of popular names before they expire, and of names whose answer is out of date.
//
// Equal names are asked once, however many clients made it necessary. A client waits for none of it, or with `verify`
// until the client timer.
//
// Threads: one worker's.
// Limits: refreshes_max at once, and pending_queries_max like all that waits; a refresh ends when the handlers behind
// the cache answer, with `forward` at its deadline.
// Errors: a refresh that fails leaves what the cache has, and holds back the next one (Cache::refresh_failed()).
// Standards: RFC 8767 §5 (client response timer, failure recheck timer).
#pragma once

#include <memory>
#include <string>

#include "resolver/cache.hpp"
#include "server/query/query_context.hpp"
#include "zones/base/asio.hpp"
#include "zones/base/clock.hpp"

namespace fairlead::server {

resolver::CacheKey make_cache_key(const QueryContext& context);

class CacheRefresher {
 public:
  struct Options {
    /// A client that waits is given what is out of date after this.
    base::Duration client_timer{};
    bool rotates_answers = false;
    PluginLabel label{};
  };
  /// `handler` is the cache's: those behind it are asked, and it stores what they reply.
  CacheRefresher(Handler& handler, std::shared_ptr<resolver::Cache> cache, const base::Clock& clock,
                 asio::io_context& io, Options options);
  ~CacheRefresher();
  CacheRefresher(const CacheRefresher&) = delete;
  CacheRefresher& operator=(const CacheRefresher&) = delete;

  /// Asks the context's question anew; nobody waits.
  void refresh(const QueryContext& context);
  /// The same, with the client waiting for it: `suspended`. Else what is out of date stands in the writer
  /// (`answered`), or nothing does (`next`).
  Step verify(QueryContext& context);

 private:
  class Refresh;
  struct Shared;

  Step give_stale(QueryContext& context);
  void ask(const QueryContext& context, const std::shared_ptr<Refresh>& refresh);

  Handler& handler_;
  /// Refreshes outlive this when the chain is taken apart.
  const std::shared_ptr<Shared> shared_;
};

}  // namespace fairlead::server
