#include "server/handlers/cache_refresh.hpp"

#include <unordered_map>
#include <utility>
#include <vector>

#include "resolver/question_key.hpp"
#include "server/handlers/cache_handler.hpp"
#include "server/query/answer.hpp"
#include "server/query/limits.hpp"
#include "server/query/pending_query.hpp"

namespace fairlead::server {
namespace {

std::string text_of(const resolver::CacheKey& key) {
  std::uint8_t flags = 0;
  if (key.dnssec_ok) flags |= resolver::question_flag::dnssec_ok;
  if (key.checking_disabled) flags |= resolver::question_flag::checking_disabled;
  const resolver::QuestionKey question(key.qname, key.qtype, key.qclass, flags);
  return {reinterpret_cast<const char*>(question.octets().data()), question.octets().size()};
}

}  // namespace

resolver::CacheKey make_cache_key(const QueryContext& context) {
  const dns::Query& query = context.query;
  return {.qname = query.qname,
          .qtype = query.qtype,
          .qclass = query.qclass,
          .dnssec_ok = query.edns && query.edns->dnssec_ok,
          .checking_disabled = query.header.has(dns::Header::cd),
          .options = context.sends_options && query.edns ? resolver::options_hash(query.edns->options) : 0};
}

struct CacheRefresher::Shared {
  const std::shared_ptr<resolver::Cache> cache;
  const base::Clock& clock;
  asio::io_context& io;
  const Options options;
  std::unordered_map<std::string, Refresh*> refreshes;
};

/// One question that is asked anew, and the clients that wait for it. Owned by who will answer it.
class CacheRefresher::Refresh : public std::enable_shared_from_this<Refresh> {
 public:
  Refresh(std::shared_ptr<Shared> shared, std::string key, const resolver::CacheKey& question)
      : shared_(std::move(shared)),
        key_(std::move(key)),
        qname_(question.qname),
        question_(question),
        timer_(shared_->io) {
    question_.qname = qname_.view();
    shared_->refreshes.emplace(key_, this);
  }
  ~Refresh() { leave(); }
  Refresh(const Refresh&) = delete;
  Refresh& operator=(const Refresh&) = delete;

  bool is_overdue() const { return is_overdue_; }

  void add(std::unique_ptr<PendingQuery> client) {
    waiting_.push_back(std::move(client));
    if (waiting_.size() > 1) return;
    timer_.expires_after(shared_->options.client_timer);
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (!error && self) self->on_client_timer();
    });
  }

  void finish(std::span<const std::uint8_t> message) {
    leave();
    timer_.cancel();
    const auto reply = resolver::Reply::parse(message);
    const bool is_settled = reply && shared_->cache->settles(*reply);
    if (!is_settled) shared_->cache->refresh_failed(question_, shared_->clock.now());
    for (const auto& client : std::exchange(waiting_, {})) {
      QueryContext& context = client->context();
      if (is_settled || !copy_stale(context)) copy_reply(reply ? &*reply : nullptr, context);
      client->reply(shared_->options.label);
    }
  }

 private:
  void leave() {
    const auto found = shared_->refreshes.find(key_);
    if (found != shared_->refreshes.end() && found->second == this) shared_->refreshes.erase(found);
  }

  void on_client_timer() {
    is_overdue_ = true;
    // Those who come now are not made to wait as well.
    shared_->cache->refresh_failed(question_, shared_->clock.now());
    for (auto& client : std::exchange(waiting_, {})) {
      if (copy_stale(client->context())) {
        client->reply(shared_->options.label);
      } else {
        waiting_.push_back(std::move(client));  // evicted meanwhile
      }
    }
  }

  bool copy_stale(QueryContext& context) {
    context.rotate = shared_->options.rotates_answers;
    return shared_->cache->copy_stale(question_, wants_authentic_data(context.query), shared_->clock.now(),
                                      context.writer);
  }

  void copy_reply(const resolver::Reply* reply, QueryContext& context) {
    if (reply == nullptr) return context.writer.set_rcode(dns::Rcode::servfail);
    // Its TTLs are those that clients are shown: on_reply() has seen it.
    resolver::copy_reply(*reply, wants_authentic_data(context.query), std::nullopt, context.writer);
    if (const auto error = reply->extended_error()) context.writer.set_extended_error(*error);
    context.rotate = shared_->options.rotates_answers;
  }

  const std::shared_ptr<Shared> shared_;
  const std::string key_;
  const dns::DomainName qname_;
  resolver::CacheKey question_;
  std::vector<std::unique_ptr<PendingQuery>> waiting_;
  asio::steady_timer timer_;
  bool is_overdue_ = false;
};

CacheRefresher::CacheRefresher(Handler& handler, std::shared_ptr<resolver::Cache> cache, const base::Clock& clock,
                               asio::io_context& io, Options options)
    : handler_(handler),
      shared_(std::make_shared<Shared>(
          Shared{.cache = std::move(cache), .clock = clock, .io = io, .options = options, .refreshes = {}})) {}

CacheRefresher::~CacheRefresher() = default;

void CacheRefresher::refresh(const QueryContext& context) {
  const resolver::CacheKey question = make_cache_key(context);
  std::string key = text_of(question);
  if (shared_->refreshes.contains(key)) return;
  if (shared_->refreshes.size() >= refreshes_max) return shared_->cache->refresh_failed(question, shared_->clock.now());
  ask(context, std::make_shared<Refresh>(shared_, std::move(key), question));
}

Step CacheRefresher::verify(QueryContext& context) {
  const resolver::CacheKey question = make_cache_key(context);
  std::string key = text_of(question);
  const auto found = shared_->refreshes.find(key);
  const bool is_known = found != shared_->refreshes.end();
  if (is_known ? found->second->is_overdue() : shared_->refreshes.size() >= refreshes_max) return give_stale(context);
  auto client = PendingQuery::suspend(context);
  if (client == nullptr) return give_stale(context);
  if (is_known) {
    found->second->add(std::move(client));
    return Step::suspended;
  }
  const auto refresh = std::make_shared<Refresh>(shared_, std::move(key), question);
  refresh->add(std::move(client));
  ask(context, refresh);
  return Step::suspended;
}

Step CacheRefresher::give_stale(QueryContext& context) {
  const bool is_found = shared_->cache->copy_stale(make_cache_key(context), wants_authentic_data(context.query),
                                                   shared_->clock.now(), context.writer);
  context.rotate = shared_->options.rotates_answers;
  return is_found ? Step::answered : Step::next;
}

void CacheRefresher::ask(const QueryContext& context, const std::shared_ptr<Refresh>& refresh) {
  ask_again_behind(context, handler_, [refresh](std::span<const std::uint8_t> message) { refresh->finish(message); });
}

}  // namespace fairlead::server
