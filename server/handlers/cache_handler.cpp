#include "server/handlers/cache_handler.hpp"

#include <algorithm>
#include <ctime>

namespace fairlead::server {
namespace {

bool is_below_any(dns::NameView qname, const std::vector<dns::DomainName>& zones) {
  return std::ranges::any_of(zones, [&](const auto& zone) { return qname.is_at_or_below(zone); });
}

resolver::CacheConfig::Share make_share(const CacheOptions::Share& share) {
  return {.capacity = share.capacity, .ttl_max = share.ttl_max, .ttl_min = share.ttl_min};
}

}  // namespace

resolver::CacheConfig make_cache_config(const CacheOptions& options) {
  resolver::CacheConfig config;
  config.success = make_share(options.success);
  config.denial = make_share(options.denial);
  config.servfail_ttl = options.servfail_ttl;
  config.keep_ttl = options.keep_ttl;
  return config;
}

bool wants_authentic_data(const dns::Query& query) {
  return query.header.has(dns::Header::ad) || (query.edns && query.edns->dnssec_ok);
}

CacheHandler::CacheHandler(const CacheOptions& options, std::shared_ptr<resolver::Cache> cache,
                           const base::Clock& clock, bool rotates_answers)
    : options_(options), cache_(std::move(cache)), clock_(clock), rotates_answers_(rotates_answers) {}

Step CacheHandler::handle(QueryContext& context) {
  if (!options_.zones.empty() && !is_below_any(context.query.qname, options_.zones)) return Step::next;
  const auto outcome =
      cache_->copy_hit(key(context), wants_authentic_data(context.query), clock_.now(), context.writer);
  if (outcome == resolver::CacheOutcome::hit || outcome == resolver::CacheOutcome::hit_refresh) {
    context.rotate = rotates_answers_;
    return Step::answered;
  }
  context.observe(*this);
  return Step::next;
}

void CacheHandler::on_reply(QueryContext& context) {
  if (context.upstream_reply == nullptr) return;
  const resolver::Reply& reply = context.upstream_reply->reply;
  const std::int64_t wall_seconds = std::time(nullptr);
  // Of those who waited for one reply, the first keeps it for all.
  context.shown_ttl = context.upstream_reply->first
                          ? cache_->store(key(context), reply, permit(context.query.qname), clock_.now(), wall_seconds)
                          : cache_->shown_ttl(reply, wall_seconds);
}

resolver::CacheKey CacheHandler::key(const QueryContext& context) const {
  return {.qname = context.query.qname,
          .qtype = context.query.qtype,
          .qclass = context.query.qclass,
          .dnssec_ok = context.query.edns && context.query.edns->dnssec_ok,
          .checking_disabled = context.query.header.has(dns::Header::cd)};
}

resolver::CachePermit CacheHandler::permit(dns::NameView qname) const {
  return {.success = !is_below_any(qname, options_.success.disabled_zones),
          .denial = !is_below_any(qname, options_.denial.disabled_zones)};
}

}  // namespace fairlead::server
