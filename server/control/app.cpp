#include "server/control/app.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <random>
#include <thread>

#include "resolver/limits.hpp"
#include "server/control/debug_pages.hpp"
#include "server/control/logging.hpp"
#include "server/control/own_cache_lines.hpp"
#include "server/control/plan_metrics.hpp"
#include "server/control/process_metrics.hpp"

namespace fairlead::server {
namespace {

using namespace std::chrono_literals;

// A little more than a forwarded query may take, for its reply.
constexpr auto drain_max = resolver::question_deadline_max + 1s;
constexpr auto drain_step = 10ms;
// Longer than any query of an old plan waits.
constexpr auto retire_after = resolver::question_deadline_max + 5s;
constexpr auto sync_step = 2ms;

void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

template <typename Options, typename F>
void for_each_option(const ServingPlan& plan, std::optional<Options> DirectiveOptions::* member, const F& use) {
  for (const auto& block : plan.corefile.blocks) {
    if (const auto& options = block.options.*member) use(*options);
  }
}

// Each once, though several blocks may share one.
std::vector<std::shared_ptr<k8s::Cluster>> clusters_of(const ServingPlan& plan) {
  std::vector<std::shared_ptr<k8s::Cluster>> clusters;
  for (const auto& planned : plan.blocks) {
    const bool is_known = std::ranges::find(clusters, planned.cluster) != clusters.end();
    if (planned.cluster != nullptr && !is_known) clusters.push_back(planned.cluster);
  }
  return clusters;
}

// Of the cluster that knows least.
Footing footing_of(const std::vector<std::shared_ptr<k8s::Cluster>>& clusters) {
  Footing least = Footing::in_step;
  for (const auto& cluster : clusters) {
    if (cluster->is_in_step()) continue;
    least = std::min(least, cluster->is_from_snapshot() ? Footing::snapshot : Footing::nothing);
  }
  return least;
}

// ".:53", and "tls://.:853 on 127.0.0.1" with `tls` and `bind`.
std::string startup_line(const ServerKey& key, const ListenAddress& address) {
  std::string line = key.scheme == Scheme::dns ? "" : std::string(to_string(key.scheme)) + "://";
  line += key.zone.to_string() + ":" + std::to_string(key.port);
  if (address.address) line += " on " + address.address->to_string();
  return line;
}

void warn_of_early_serving() {
  log_warning(
      "plugin/kubernetes: serving before the cluster is in step: startup_timeout is over; its names are SERVFAIL until "
      "then");
}

void log_warnings(const Corefile& corefile) {
  for (const auto& warning : corefile.warnings) log_warning(to_string(warning));
}

}  // namespace

App::App(Options options)
    : options_(std::move(options)),
      signals_(control_),
      reload_timer_(control_),
      housekeeping_timer_(control_),
      upstream_timer_(control_),
      loop_timer_(control_),
      stop_timer_(control_) {}

App::~App() = default;

LoadSettings App::load_settings() const {
  LoadSettings settings;
  settings.default_port = options_.port;
  return settings;
}

int App::run() {
  init_logging({.quiet = options_.quiet, .json = options_.json_log});
  std::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();

  auto corefile = load_corefile(options_.corefile, load_settings());
  if (!corefile) {
    for (const auto& fault : corefile.error()) print_fatal(to_string(fault));
    return 1;
  }
  log_warnings(*corefile);
  signals_.add(SIGTERM);
  signals_.add(SIGINT);
  signals_.add(SIGUSR1);
  wait_for_signal();

  for (unsigned i = 0; i < usable_cores(); ++i) {
    const OwnCacheLines lines;
    workers_.emplace_back();
    workers_.back().worker = std::make_unique<Worker>(i);
    workers_.back().worker->start();
  }
  process_metrics_ = metrics_.add_collector(process_metrics());

  auto plan = make_plan(std::move(*corefile));
  auto applied = plan ? apply(std::move(*plan)) : std::unexpected(plan.error());
  if (!applied) {
    print_fatal(applied.error());
    exit_code_ = 1;
    begin_stop(false);
  }
  if (!options_.pidfile.empty() && !(std::ofstream(options_.pidfile) << getpid() << '\n')) {
    print_fatal("cannot write -pidfile '" + options_.pidfile + "'; choose a folder that this user can write to");
    exit_code_ = 1;
    begin_stop(false);
  }
  if (!finished_) control_.run();
  if (!options_.pidfile.empty()) unlink(options_.pidfile.c_str());
  return exit_code_;
}

std::expected<std::unique_ptr<ServingPlan>, std::string> App::make_plan(Corefile corefile, bool keeps_hosts) {
  const PlanContext context{
      .clock = clock_, .keeps_hosts = keeps_hosts, .on_loop = [this](const LoopProbe& probe, std::string client) {
        asio::post(control_, [this, zone = probe.zone().to_string(), name = probe.qname().to_string(),
                              client = std::move(client)] { report_loop(zone, name, client); });
      }};
  return make_serving_plan(std::move(corefile), plan_.get(), context);
}

std::expected<void, std::string> App::apply(std::unique_ptr<ServingPlan> plan) {
  // Both open what is new beside what runs; until both have, nothing that runs is touched.
  auto sockets = open_new_sockets(*plan);
  if (!sockets) return std::unexpected(sockets.error());
  if (plan_ == nullptr) {
    // /health answers while the clusters are read for the first time.
    if (auto done = open_endpoints(*plan); !done) return done;
    start_clusters(*plan);
    if (stopping_) return {};
  } else if (auto done = replace_clusters(*plan); !done) {
    return done;
  }
  add_listeners(std::move(*sockets));
  serve(*plan);
  notifier_.watch(notified_zones(*plan));
  refresher_.start(plan->refreshes);
  host_watch_.start(plan->hosts, plan->named_upstreams);
  announce(*plan);
  retire(std::exchange(plan_, std::move(plan)));
  serving_ = true;
  schedule_reload_check();
  schedule_housekeeping();
  schedule_upstream_check();
  send_loop_probes(0);
  return {};
}

std::expected<App::SocketsByAddress, std::string> App::open_new_sockets(const ServingPlan& plan) {
  SocketsByAddress opened;
  for (const auto& address : plan.addresses) {
    if (workers_.front().tcp.contains(address)) continue;
    auto sockets = open_sockets(address, workers_.size());
    if (!sockets) return std::unexpected(sockets.error());
    opened.emplace(address, std::move(*sockets));
  }
  return opened;
}

void App::add_listeners(SocketsByAddress opened) {
  const OwnCacheLines lines;
  for (auto& [address, sockets] : opened) {
    for (std::size_t i = 0; i < workers_.size(); ++i) {
      asio::io_context& io = workers_[i].worker->io();
      // Null where there is nothing over UDP.
      auto& udp = workers_[i].udp[address];
      if (!sockets.udp.empty()) udp = std::make_shared<UdpListener>(io, std::move(sockets.udp[i]), !address.address);
      workers_[i].tcp[address] = std::make_shared<TcpListener>(io, std::move(sockets.tcp[i]));
    }
  }
}

std::expected<void, std::string> App::open_endpoints(const ServingPlan& plan) {
  std::vector<HttpEndpoint> endpoints;
  const auto add = [&](const HttpAddress& address, const std::string& path, HttpRoute route,
                       std::shared_ptr<const TlsIdentity> tls = nullptr) {
    endpoints.push_back(
        {.host = address.host, .port = address.port, .routes = {{path, std::move(route)}}, .tls = std::move(tls)});
  };
  for_each_option(plan, &DirectiveOptions::health, [&](const HealthOptions& options) {
    add(options.address, "/health", [] { return HttpResponse{.status = 200, .body = "OK"}; });
  });
  for_each_option(plan, &DirectiveOptions::ready, [&](const ReadyOptions& options) {
    const bool until_ready = options.monitor == ReadyOptions::Monitor::until_ready;
    add(options.address, "/ready", [this, until_ready] { return answer_ready(until_ready); });
  });
  for (const auto& planned : plan.blocks) {
    const auto& options = planned.block->options.prometheus;
    if (!options) continue;
    const auto route = [this] {
      return HttpResponse{
          .status = 200, .content_type = std::string(MetricsRegistry::content_type), .body = metrics_.scrape()};
    };
    add(options->address, "/metrics", route,
        planned.metrics_tls != nullptr ? planned.metrics_tls->identity() : nullptr);
    endpoints.back().local_routes = debug_routes(metrics_.query_watches());
  }
  auto done = http_.set_endpoints(std::move(endpoints));
  if (!done) return done;
  std::vector<HealthProbe::Target> probed;
  for_each_option(plan, &DirectiveOptions::health, [&](const HealthOptions& options) {
    const auto& [host, port] = options.address;
    HealthProbe::Target target{.host = host, .port = http_.bound_port(host, port)};
    if (std::ranges::find(probed, target) == probed.end()) probed.push_back(std::move(target));
  });
  health_probe_.watch(std::move(probed));
  return done;
}

Footing App::footing() const {
  return clusters_.with([](const auto& clusters) { return footing_of(clusters); });
}

HttpResponse App::answer_ready(bool until_ready) {
  if (stopping_) return {.status = 503, .body = "stopping"};
  if (!serving_) return {.status = 503, .body = "starting"};
  if (until_ready && was_ready_) return {.status = 200, .body = "OK"};
  if (footing() < Footing::snapshot) return {.status = 503, .body = "kubernetes"};
  was_ready_ = true;
  return {.status = 200, .body = "OK"};
}

void App::start_clusters(const ServingPlan& plan) {
  Duration timeout{0};
  const auto clusters = clusters_of(plan);
  for (const auto& cluster : clusters) cluster->start();
  for_each_option(plan, &DirectiveOptions::kubernetes,
                  [&](const KubernetesOptions& options) { timeout = std::max(timeout, options.startup_timeout); });
  clusters_.with([&](auto& running) { running = clusters; });
  // CoreDNS too waits before it answers, so that a restart does not begin with SERVFAIL.
  const auto give_up = clock_.now() + timeout;
  while (footing() < Footing::snapshot && clock_.now() < give_up && !stopping_) {
    control_.run_for(sync_step);
    if (!finished_) control_.restart();
  }
  if (footing() < Footing::snapshot && !stopping_) {
    warn_of_early_serving();
  }
}

// A cluster of changed options is read beside the one that runs, which is given up only for one that knows its names as
// well: with an API server that is away, a reload that changes no more than `ttl` would turn every name into SERVFAIL,
// or into what a snapshot remembers.
std::expected<void, std::string> App::replace_clusters(const ServingPlan& plan) {
  const auto known = clusters_.with([](const auto& running) { return running; });
  auto fresh = clusters_of(plan);
  std::erase_if(fresh, [&](const auto& cluster) { return std::ranges::find(known, cluster) != known.end(); });
  Duration timeout{0};
  for (const auto& planned : plan.blocks) {
    if (std::ranges::find(fresh, planned.cluster) == fresh.end()) continue;
    timeout = std::max(timeout, planned.block->options.kubernetes->startup_timeout);
  }
  const Footing footing_now = footing();
  for (const auto& cluster : fresh) cluster->start();
  const auto is_as_good = [&] { return footing_of(fresh) >= std::max(footing_now, Footing::snapshot); };
  const auto give_up = clock_.now() + timeout;
  // A reload runs on the control io_context, which must not be run again from within; signals wait meanwhile.
  while (!is_as_good() && clock_.now() < give_up) std::this_thread::sleep_for(sync_step);

  std::expected<void, std::string> done;
  const bool is_whole = is_as_good();
  if (!is_whole && footing_now > Footing::nothing) {
    // Nothing is wrong with the Corefile, so it is tried again at the next interval.
    failed_digest_.clear();
    done = std::unexpected(std::string(
        "plugin/kubernetes: the cluster could not be read within startup_timeout; is the API server reachable, and may "
        "it be listed?"));
  } else {
    done = open_endpoints(plan);
  }
  if (!done) {
    for (const auto& cluster : fresh) cluster->stop();
    return done;
  }
  if (!is_whole) warn_of_early_serving();
  clusters_.with([&](auto& running) { running = clusters_of(plan); });
  return {};
}

void App::serve(const ServingPlan& plan) {
  // The figures of the plan that goes must not be read while it goes.
  plan_metrics_ = {};
  std::vector<std::shared_ptr<WorkerPlan>> worker_plans;
  for (auto& state : workers_) {
    std::vector<std::shared_ptr<UdpListener>> udp;
    std::vector<std::shared_ptr<TcpListener>> tcp;
    for (const auto& address : plan.addresses) {
      udp.push_back(state.udp.at(address));
      tcp.push_back(state.tcp.at(address));
    }
    state.worker->call([&] {
      const OwnCacheLines lines;
      state.plan = make_worker_plan(plan, state.worker->index(), state.worker->io(), state.resources, metrics_, clock_);
      state.worker->serve(state.plan, udp, tcp);
    });
    worker_plans.push_back(state.plan);
    const auto is_gone = [&](const auto& entry) {
      return std::ranges::find(plan.addresses, entry.first) == plan.addresses.end();
    };
    // Listeners end on their worker's thread.
    state.worker->call([&] {
      std::erase_if(state.udp, is_gone);
      std::erase_if(state.tcp, is_gone);
    });
  }
  plan_metrics_ = metrics_.add_collector(make_plan_collector(plan, worker_plans));
}

void App::announce(const ServingPlan& plan) {
  std::string zones;
  for (const auto& planned : plan.blocks) {
    for (const auto& address : planned.addresses) {
      for (const auto& key : planned.block->keys) {
        if (is_served_at(key, address)) zones += startup_line(key, address) + "\n";
      }
    }
  }
  metrics_.set_enabled_plugins(enabled_plugins(plan));
  metrics_.set_reload_version(plan.corefile.digest);
  bool debug = false;
  for_each_option(plan, &DirectiveOptions::debug, [&](const DebugOptions&) { debug = true; });
  set_debug_logging(debug);
  if (plan_ == nullptr) print_startup(zones);
  for_each_option(plan, &DirectiveOptions::reload, [&](const ReloadOptions&) {
    log_info("plugin/reload: Running configuration SHA512 = " + plan.corefile.digest);
  });
  if (plan_ == nullptr) print_startup(version_text());
}

// An old plan's queries may still wait, and its clusters be read by them.
void App::retire(std::unique_ptr<ServingPlan> plan) {
  if (plan == nullptr) return;
  stop_unused(dnstap_outlets(*plan), dnstap_outlets(*plan_));
  const auto running = clusters_.with([](const auto& clusters) { return clusters; });
  for (const auto& planned : plan->blocks) {
    if (planned.loop != nullptr) planned.loop->finish();
    if (planned.errors != nullptr) planned.errors->flush_all();
    if (planned.cluster != nullptr && std::ranges::find(running, planned.cluster) == running.end()) {
      planned.cluster->stop();
    }
  }
  retired_.emplace_back(clock_.now() + retire_after, std::move(plan));
}

// By a transfer to a slow client. Whoever lets go of a cluster last waits for its end, and that must be no worker.
bool App::is_still_read(const ServingPlan& plan) const {
  return std::ranges::any_of(plan.blocks, [&](const PlannedBlock& planned) {
    const auto running = clusters_.with([](const auto& clusters) { return clusters; });
    if (planned.cluster == nullptr || std::ranges::find(running, planned.cluster) != running.end()) return false;
    long retired = 0;
    for (const auto& [when, old] : retired_) {
      retired += std::ranges::count(old->blocks, planned.cluster, &PlannedBlock::cluster);
    }
    return planned.cluster.use_count() > retired;
  });
}

void App::wait_for_signal() {
  signals_.async_wait([this](const boost::system::error_code& error, int signal) {
    if (error) return;
    wait_for_signal();
    if (signal == SIGUSR1) {
      if (serving_ && !stopping_) reload();
    } else {
      begin_stop(signal == SIGTERM);
    }
  });
}

void App::reload() {
  log_info("Reloading");
  const auto fail = [this](const std::string& why) {
    metrics_.failed_reloads().add();
    log_error("Restart failed: " + why + "; everything goes on as before");
    schedule_reload_check();
  };
  auto corefile = load_corefile(options_.corefile, load_settings());
  if (!corefile) {
    for (const auto& fault : corefile.error()) log_error(to_string(fault));
    return fail("the Corefile has " + std::to_string(corefile.error().size()) + " fault(s)");
  }
  log_warnings(*corefile);
  auto plan = make_plan(std::move(*corefile));
  if (!plan) return fail(plan.error());
  if (auto applied = apply(std::move(*plan)); !applied) return fail(applied.error());
  log_info("Reloading complete");
}

void App::schedule_reload_check() {
  reload_timer_.cancel();
  const ReloadOptions* reload_options = nullptr;
  for_each_option(*plan_, &DirectiveOptions::reload, [&](const ReloadOptions& options) { reload_options = &options; });
  if (reload_options == nullptr) return;
  // Spread over the jitter, so that replicas do not reload in step.
  std::mt19937_64 random{std::random_device{}()};
  const auto jitter = reload_options->jitter.count();
  const Duration wait =
      reload_options->interval +
      Duration(jitter > 0 ? static_cast<Duration::rep>(random() % static_cast<std::uint64_t>(jitter)) : 0);
  reload_timer_.expires_after(std::chrono::duration_cast<std::chrono::steady_clock::duration>(wait));
  reload_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error || stopping_) return;
    const auto digest = corefile_digest(options_.corefile, load_settings());
    if (digest && *digest != plan_->corefile.digest && *digest != failed_digest_) {
      failed_digest_ = *digest;  // a Corefile that fails is tried once, not at every interval
      return reload();
    }
    schedule_reload_check();
  });
}

void App::begin_stop(bool lameduck) {
  const bool first = !stopping_.exchange(true);
  // A second signal ends a lameduck that is under way.
  if (!first && lameduck) return;
  reload_timer_.cancel();
  housekeeping_timer_.cancel();
  upstream_timer_.cancel();
  loop_timer_.cancel();
  notifier_.stop();
  refresher_.stop();
  health_probe_.watch({});
  host_watch_.stop();
  Duration wait{0};
  if (lameduck && plan_ != nullptr) {
    for_each_option(*plan_, &DirectiveOptions::health,
                    [&](const HealthOptions& options) { wait = std::max(wait, options.lameduck); });
    if (wait.count() > 0) {
      log_info("plugin/health: Going into lameduck mode for " +
               std::to_string(std::chrono::duration_cast<std::chrono::seconds>(wait).count()) + "s");
    }
  }
  stop_timer_.expires_after(std::chrono::duration_cast<std::chrono::steady_clock::duration>(wait));
  stop_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) drain();
  });
}

void App::drain() {
  for (auto& state : workers_) state.worker->call([&] { state.worker->stop_listening(); });
  finish_when_drained(clock_.now() + drain_max);
}

void App::finish_when_drained(base::TimePoint give_up) {
  std::size_t owed = 0;
  for (auto& state : workers_) state.worker->call([&] { owed += state.worker->owed(); });
  if (owed > 0 && clock_.now() < give_up && exit_code_ == 0) {
    stop_timer_.expires_after(drain_step);
    stop_timer_.async_wait([this, give_up](const boost::system::error_code& error) {
      if (!error) finish_when_drained(give_up);
    });
    return;
  }
  plan_metrics_ = {};
  for (auto& state : workers_) {
    state.worker->call([&] {
      state.plan.reset();
      state.udp.clear();
    });
    state.worker->stop();
    state.tcp.clear();
  }
  http_.stop();
  for (const auto& cluster : clusters_.with([](const auto& running) { return running; })) cluster->stop();
  if (plan_ != nullptr) {
    plan_->dnstap->finish();
    for (const auto& planned : plan_->blocks) {
      if (planned.errors != nullptr) planned.errors->flush_all();
    }
  }
  shutdown_logging();
  finished_ = true;
  control_.stop();
}

}  // namespace fairlead::server
