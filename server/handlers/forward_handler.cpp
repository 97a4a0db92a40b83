#include "server/handlers/forward_handler.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "resolver/limits.hpp"
#include "resolver/tls_upstream.hpp"
#include "server/handlers/cache_handler.hpp"
#include "server/query/pending_query.hpp"
#include "server/query/worker_plan.hpp"

namespace fairlead::server {
namespace {

using resolver::ForwardFault;

resolver::Policy make_policy(ForwardOptions::Policy policy) {
  switch (policy) {
    case ForwardOptions::Policy::round_robin: return resolver::Policy::round_robin;
    case ForwardOptions::Policy::sequential: return resolver::Policy::sequential;
    case ForwardOptions::Policy::random: break;
  }
  return resolver::Policy::random;
}

}  // namespace

std::expected<resolver::ForwarderConfig, std::string> make_forwarder_config(
    const ForwardOptions& options, std::vector<resolver::UpstreamAddress> upstreams,
    std::shared_ptr<std::atomic<std::uint32_t>> concurrent) {
  resolver::ForwarderConfig config;
  config.upstreams = std::move(upstreams);
  config.policy = make_policy(options.policy);
  config.force_tcp = options.force_tcp;
  config.prefer_udp = options.prefer_udp;
  config.max_fails = options.max_fails;
  config.health_check_interval = options.health_check_interval;
  config.health_check_recursion_desired = options.health_check_recursion_desired;
  config.health_check_domain = options.health_check_domain;
  config.failfast_all_unhealthy = options.failfast_all_unhealthy_upstreams;
  config.max_concurrent = options.max_concurrent;
  config.concurrent = std::move(concurrent);
  config.read_timeout = std::min<Duration>(options.read_timeout, resolver::question_deadline_max);
  config.deadline = std::max<Duration>(config.read_timeout, resolver::question_deadline);
  config.max_connect_attempts = options.max_connect_attempts;
  config.failover_rcodes = options.failover_rcodes;
  config.expire = options.expire;
  config.max_age = options.max_age;
  config.max_idle_connections = options.max_idle_conns;
  if (!options.source_address.empty()) config.source_address = base::IpAddress::parse(options.source_address);
  const bool speaks_tls = std::ranges::any_of(
      config.upstreams, [](const auto& upstream) { return upstream.protocol == resolver::UpstreamProtocol::tls; });
  if (speaks_tls) {
    // Loaded for those who need it alone: the system's CAs cost 30 ms.
    const auto files = options.tls.value_or(ForwardOptions::Tls{});
    auto context = resolver::make_tls_client_context(
        {.certificate_file = files.certificate_file, .key_file = files.key_file, .ca_file = files.ca_file});
    if (!context) return std::unexpected(std::move(context.error()));
    config.tls = std::move(*context);
  }
  return config;
}

ForwardHandler::ForwardHandler(const ForwardOptions& options, std::shared_ptr<resolver::Forwarder> forwarder,
                               std::string why_no_upstreams, bool rotates_answers)
    : from_(options.from),
      except_(options.except),
      next_rcodes_(options.next_rcodes),
      next_on_nodata_(options.next_on_nodata),
      forwarder_(std::move(forwarder)),
      why_no_upstreams_(std::move(why_no_upstreams)),
      rotates_answers_(rotates_answers) {}

bool ForwardHandler::takes(const QueryContext& context) const {
  const dns::NameView qname = context.query.qname;
  if (!qname.is_at_or_below(from_)) return false;
  return std::ranges::none_of(except_, [&](const auto& zone) { return qname.is_at_or_below(zone); });
}

// The one that is asked instead of this reply being given, if there is one.
const ForwardHandler* ForwardHandler::next_for(const QueryContext& context, const resolver::Reply& reply) const {
  const bool is_nodata = reply.rcode() == dns::Rcode::noerror && reply.count(dns::Section::answer) == 0;
  const bool is_passed_on =
      (next_on_nodata_ && is_nodata) ||
      std::ranges::find(next_rcodes_, static_cast<std::uint16_t>(reply.rcode())) != next_rcodes_.end();
  if (!is_passed_on) return nullptr;
  const ForwardHandler* next = next_;
  while (next != nullptr && !next->takes(context)) next = next->next_;
  return next;
}

Step ForwardHandler::handle(QueryContext& context) {
  if (!takes(context)) return Step::next;
  std::shared_ptr<PendingQuery> pending = PendingQuery::suspend(context);
  if (pending == nullptr) {
    write_failure(context, {.fault = ForwardFault::too_many_concurrent, .upstream = std::nullopt});
    return Step::answered;
  }
  ask(context, std::move(pending));
  return Step::suspended;
}

void ForwardHandler::ask(const QueryContext& context, std::shared_ptr<PendingQuery> pending) const {
  const resolver::ForwardQuestion question{
      .qname = context.query.qname,
      .qtype = context.query.qtype,
      .qclass = context.query.qclass,
      .recursion_desired = context.query.header.has(dns::Header::rd),
      .checking_disabled = context.query.header.has(dns::Header::cd),
      // A cache in front learns for everyone whether the answer was validated.
      .authentic_data = context.observer_count > 0 || context.query.header.has(dns::Header::ad),
      .dnssec_ok = context.query.edns && context.query.edns->dnssec_ok,
      .edns_options =
          context.sends_options && context.query.edns ? context.query.edns->options : std::span<const std::uint8_t>(),
      .client_transport = context.origin.transport(),
  };
  const bool is_watched = context.plan->watch != nullptr;
  const auto asked = is_watched ? std::chrono::steady_clock::now() : base::TimePoint();
  const auto ticket = forwarder_->ask(question, [this, pending, asked](const resolver::ForwardResult& result) {
    if (!result && result.error().fault == ForwardFault::cancelled) return;
    QueryContext& own = pending->context();
    const auto upstream = result ? std::optional(result->upstream) : result.error().upstream;
    if (upstream && *upstream < forwarder_->upstreams().size()) {
      own.upstream = &forwarder_->upstreams()[*upstream]->address();
    }
    QueryWatch* const watch = own.plan->watch;
    const UpstreamExchange exchange{.upstream = own.upstream,
                                    .asked = asked,
                                    .replied = watch != nullptr ? std::chrono::steady_clock::now() : base::TimePoint()};
    const QueryWatch::During during(watch, exchange);
    if (!result) {
      write_failure(own, result.error());
    } else if (const ForwardHandler* next = next_for(own, result->reply)) {
      return next->ask(own, pending);
    } else {
      own.upstream_reply = &*result;
      own.run_observers();
      resolver::copy_reply(result->reply, wants_authentic_data(own.query), own.shown_ttl, own.writer);
      if (const auto error = result->reply.extended_error()) own.writer.set_extended_error(*error);
      own.upstream_reply = nullptr;
      own.rotate = rotates_answers_;
    }
    pending->reply(label_);
  });
  if (!ticket) {
    write_failure(pending->context(), ticket.error());
    pending->reply(label_);
  }
}

std::span<const std::string_view> ForwardHandler::metadata_labels() const {
  static constexpr std::array<std::string_view, 1> labels{"forward/upstream"};
  return labels;
}

std::string ForwardHandler::metadata(const QueryContext& context, std::string_view) const {
  return context.upstream != nullptr ? context.upstream->to_string() : std::string();
}

std::string ForwardHandler::upstream_text(const resolver::ForwardError& error) const {
  if (!error.upstream || *error.upstream >= forwarder_->upstreams().size()) return {};
  const resolver::Upstream& upstream = *forwarder_->upstreams()[*error.upstream];
  std::string text = upstream.address().to_string();
  if (!upstream.trouble().empty()) text += ": " + std::string(upstream.trouble());
  return text;
}

void ForwardHandler::write_failure(QueryContext& context, const resolver::ForwardError& error) const {
  const bool refused = error.fault == ForwardFault::too_many_concurrent;
  context.writer.set_rcode(refused ? dns::Rcode::refused : dns::Rcode::servfail);
  context.error = std::string(to_string(error.fault));
  if (forwarder_->upstreams().empty() && !refused) {
    context.error = "no upstream" + (why_no_upstreams_.empty() ? std::string() : ": " + why_no_upstreams_);
  } else if (const std::string upstream = upstream_text(error); !upstream.empty()) {
    context.error += ", last upstream " + upstream;
  }
  // The context lives until the reply is finished, and so does the text.
  const bool is_limit = refused || error.fault == ForwardFault::overloaded;
  context.writer.set_extended_error({is_limit ? dns::ExtendedError::other
                                     : error.fault == ForwardFault::timed_out
                                         ? dns::ExtendedError::no_reachable_authority
                                         : dns::ExtendedError::network_error,
                                     context.error});
}

}  // namespace fairlead::server
