#include "server/handlers/cache_handler.hpp"

#include <algorithm>
#include <ctime>

#include "server/query/limits.hpp"

namespace fairlead::server {
namespace {

bool is_below_any(dns::NameView qname, const std::vector<dns::DomainName>& zones) {
  return std::ranges::any_of(zones, [&](const auto& zone) { return qname.is_at_or_below(zone); });
}

resolver::CacheConfig::Share make_share(const CacheOptions::Share& share) {
  return {.capacity = share.capacity, .ttl_max = share.ttl_max, .ttl_min = share.ttl_min};
}

base::Duration client_timer(const CacheOptions& options) {
  const bool is_set = options.serve_stale && options.serve_stale->verify_timeout > Duration(0);
  return is_set ? base::Duration(options.serve_stale->verify_timeout) : base::Duration(stale_client_timer);
}

}  // namespace

resolver::CacheConfig make_cache_config(const CacheOptions& options) {
  resolver::CacheConfig config;
  config.success = make_share(options.success);
  config.denial = make_share(options.denial);
  config.servfail_ttl = options.servfail_ttl;
  config.keep_ttl = options.keep_ttl;
  if (const auto& prefetch = options.prefetch) {
    config.prefetch = {.amount = prefetch->amount, .duration = prefetch->duration, .percentage = prefetch->percentage};
  }
  if (const auto& stale = options.serve_stale; stale && stale->up_to > Duration(0)) {
    config.serve_stale = {.up_to = stale->up_to,
                          .verify = stale->verify,
                          .response_ttl = stale->response_ttl,
                          .failure_recheck = stale->failure_recheck,
                          .prefer_positive = stale->prefer_positive};
  }
  return config;
}

bool wants_authentic_data(const dns::Query& query) {
  return query.header.has(dns::Header::ad) || (query.edns && query.edns->dnssec_ok);
}

CacheHandler::CacheHandler(const CacheOptions& options, std::shared_ptr<resolver::Cache> cache,
                           const base::Clock& clock, asio::io_context& io, bool rotates_answers)
    : options_(options),
      cache_(std::move(cache)),
      clock_(clock),
      rotates_answers_(rotates_answers),
      refresher_(*this, cache_, clock, io,
                 {.client_timer = client_timer(options), .rotates_answers = rotates_answers, .label = label_}) {}

Step CacheHandler::handle(QueryContext& context) {
  if (!options_.zones.empty() && !is_below_any(context.query.qname, options_.zones)) return Step::next;
  switch (
      cache_->copy_hit(make_cache_key(context), wants_authentic_data(context.query), clock_.now(), context.writer)) {
    case resolver::CacheOutcome::hit_refresh:
      // A question of our own has no options, so its answer would be another one's.
      if (!context.sends_options) refresher_.refresh(context);
      [[fallthrough]];
    case resolver::CacheOutcome::hit: context.rotate = rotates_answers_; return Step::answered;
    case resolver::CacheOutcome::stale_verify:
      if (context.sends_options) break;
      if (const Step step = refresher_.verify(context); step != Step::next) return step;
      break;
    case resolver::CacheOutcome::miss: break;
  }
  context.observe(*this);
  return Step::next;
}

void CacheHandler::on_reply(QueryContext& context) {
  const resolver::CacheKey key = make_cache_key(context);
  if (context.upstream_reply == nullptr) {
    // Nothing came from those who were asked. What failed here, such as a limit, is not remembered.
    const bool has_failed = context.upstream != nullptr && context.writer.rcode() == dns::Rcode::servfail;
    if (has_failed) cache_->store_failure(key, permit(context.query), clock_.now());
    return;
  }
  const resolver::Reply& reply = context.upstream_reply->reply;
  const std::int64_t wall_seconds = std::time(nullptr);
  // Of those who waited for one reply, the first keeps it for all.
  context.shown_ttl = context.upstream_reply->first
                          ? cache_->store(key, reply, permit(context.query), clock_.now(), wall_seconds)
                          : cache_->shown_ttl(reply, wall_seconds);
}

resolver::CachePermit CacheHandler::permit(const dns::Query& query) const {
  // Without RD upstreams say what they happen to have, often a referral: no answer for those who ask with RD.
  const bool is_recursive = query.header.has(dns::Header::rd);
  return {.success = is_recursive && !is_below_any(query.qname, options_.success.disabled_zones),
          .denial = is_recursive && !is_below_any(query.qname, options_.denial.disabled_zones)};
}

}  // namespace fairlead::server
