#include "server/control/listener_plan.hpp"

#include <algorithm>
#include <filesystem>

#include "server/config/source_reader.hpp"
#include "server/control/logging.hpp"
#include "server/control/web_config.hpp"
#include "server/net/proxy_policy.hpp"

namespace fairlead::server {
namespace {

using TlsOfBlock = std::shared_ptr<TlsSource> PlannedBlock::*;

std::shared_ptr<TlsSource> find_tls(const ServingPlan* plan, TlsOfBlock member, const TlsSourceOptions& options) {
  if (plan == nullptr) return nullptr;
  const auto same = std::ranges::find_if(plan->blocks, [&](const PlannedBlock& block) {
    const auto& source = block.*member;
    return source != nullptr && is_same_tls(source->options().files, options.files) &&
           source->options().requires_tls13 == options.requires_tls13;
  });
  return same == plan->blocks.end() ? nullptr : (*same).*member;
}

// Shared with an earlier block, taken over from the plan before, or read.
std::expected<void, std::string> take_tls(PlannedBlock& planned, TlsOfBlock member, TlsSourceOptions options,
                                          ServingPlan& plan, const ServingPlan* previous) {
  auto& source = planned.*member;
  source = find_tls(&plan, member, options);
  if (source != nullptr) return {};
  source = find_tls(previous, member, options);
  if (source != nullptr) {
    source->refresh();
  } else {
    auto made = TlsSource::create(std::move(options));
    if (!made) return std::unexpected(made.error());
    source = std::move(*made);
  }
  plan.refreshes.push_back({.interval = tls_check_interval, .run = [source] { source->refresh(); }});
  return {};
}

std::expected<void, std::string> plan_tls(PlannedBlock& planned, ServingPlan& plan, const ServingPlan* previous) {
  const auto& written = planned.block->options.tls;
  const bool is_encrypted =
      std::ranges::any_of(planned.block->keys, [](const ServerKey& key) { return key.scheme == Scheme::tls; });
  if (!written || !is_encrypted) return {};
  auto done =
      take_tls(planned, &PlannedBlock::tls,
               {.directive = "tls", .files = below_root(planned.block->options.root, *written), .protocol = "dot"},
               plan, previous);
  if (!done) return std::unexpected(to_string(written->at) + ": tls: " + done.error());
  return {};
}

std::expected<void, std::string> plan_metrics_tls(PlannedBlock& planned, ServingPlan& plan,
                                                  const ServingPlan* previous) {
  const auto& options = planned.block->options.prometheus;
  if (!options || options->tls_config_file.empty()) return {};
  const std::filesystem::path file = options->tls_config_file;
  const auto& uses = planned.block->directives;
  const std::string where =
      to_string(std::ranges::find(uses, "prometheus", &DirectiveUse::name)->at) + ": prometheus: ";
  const auto text = disk_reader().read(file, web_config_octets_max);
  if (!text) return std::unexpected(where + "cannot read " + file.string() + ": " + text.error().reason);
  auto config = parse_web_config(*text, file.parent_path());
  if (!config) return std::unexpected(where + file.string() + ": " + config.error());
  for (const auto& warning : config->warnings) log_warning(where + file.string() + ": " + warning);
  if (!config->tls) {
    log_warning(where + file.string() + " has no tls_server_config; metrics are served without encryption");
    return {};
  }
  auto done = take_tls(planned, &PlannedBlock::metrics_tls,
                       {.directive = "prometheus",
                        .files = std::move(config->tls->files),
                        .protocol = "http/1.1",
                        .requires_tls13 = config->tls->requires_tls13},
                       plan, previous);
  if (!done) return std::unexpected(where + done.error());
  return {};
}

void set_tcp_times(const TimeoutsOptions& options, TcpTimes& times) {
  times.read = options.read.value_or(times.read);
  times.write = options.write.value_or(times.write);
  times.idle = options.idle.value_or(times.idle);
  times.queries_max = options.queries_max.value_or(times.queries_max);
}

std::shared_ptr<const ProxyPolicy> make_proxy_policy(const DirectiveOptions& options, const ListenAddress& address,
                                                     MetricsRegistry& metrics) {
  using Action = ProxyPolicy::Action;
  const ProxyprotoOptions& written = *options.proxyproto;
  auto policy = std::make_shared<ProxyPolicy>();
  policy->is_open = written.allow.empty();
  policy->allowed = base::IpNetworkSet(written.allow);
  policy->otherwise = written.otherwise.value_or(policy->is_open ? Action::use : Action::ignore);
  policy->session_time = written.session_time;
  policy->sessions_max = written.sessions_max;
  if (!options.prometheus) return policy;
  const auto counter = [&](const std::string& reason) {
    return metrics.counter("fairlead_proxyproto_dropped_total",
                           "Connections and datagrams that were dropped for their PROXY header, by reason.",
                           {{"server", server_label(address)}, {"reason", reason}});
  };
  policy->malformed = counter("malformed");
  policy->rejected = counter("rejected");
  return policy;
}

void count_handshakes(const ListenAddress& address, MetricsRegistry& metrics, ZoneRouter& router) {
  if (router.tls_handshakes) return;
  const auto counter = [&](const std::string& outcome) {
    return metrics.counter("fairlead_tls_handshakes_total", "Handshakes of encrypted connections by their outcome.",
                           {{"server", server_label(address)}, {"outcome", outcome}});
  };
  // In the order of TlsHandshake.
  router.tls_handshakes = {counter("full"), counter("resumed"), counter("failed")};
}

}  // namespace

std::expected<void, std::string> plan_listeners(PlannedBlock& planned, ServingPlan& plan, const ServingPlan* previous) {
  if (auto done = plan_tls(planned, plan, previous); !done) return done;
  return plan_metrics_tls(planned, plan, previous);
}

void set_listener(const PlannedBlock& planned, const ListenAddress& address, MetricsRegistry& metrics,
                  ZoneRouter& router) {
  const DirectiveOptions& options = planned.block->options;
  if (options.timeouts) set_tcp_times(*options.timeouts, router.tcp);
  if (options.proxyproto) router.proxy = make_proxy_policy(options, address, metrics);
  if (address.scheme != Scheme::tls) return;
  router.tls = planned.tls->identity();
  if (options.prometheus) count_handshakes(address, metrics, router);
}

}  // namespace fairlead::server
