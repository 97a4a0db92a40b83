// The server as a process: starts what a Corefile says, reloads it, and ends without losing a query.
//
//     start    plan, sockets, /health and friends, clusters (at most startup_timeout), workers
//     reload   the same beside what runs; only then the swap; a plan that fails changes nothing
//     stop     /ready turns 503, lameduck, no more queries are taken, what is owed is sent, exit
//
// Threads: main's, which runs the control io_context; workers and the HTTP responder have their own.
// Errors: exit code 1 with one line that says why and what to do.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <vector>

#include "server/control/health_probe.hpp"
#include "server/control/host_watch.hpp"
#include "server/control/http_responder.hpp"
#include "server/control/metrics.hpp"
#include "server/control/notifier.hpp"
#include "server/control/options.hpp"
#include "server/control/refresher.hpp"
#include "server/control/serving_plan.hpp"
#include "server/net/worker.hpp"
#include "zones/base/asio.hpp"
#include "zones/base/clock.hpp"
#include "zones/base/guarded.hpp"

namespace fairlead::server {

/// What the names that are answered stand on.
enum class Footing : std::uint8_t { nothing, snapshot, in_step };

class App {
 public:
  explicit App(Options options);
  ~App();

  /// Serves until a signal ends it; gives the exit code.
  int run();

 private:
  struct WorkerState {
    std::unique_ptr<Worker> worker;
    WorkerResources resources;
    std::shared_ptr<WorkerPlan> plan;
    std::map<ListenAddress, std::shared_ptr<UdpListener>> udp;
    std::map<ListenAddress, std::shared_ptr<TcpListener>> tcp;
  };

  std::expected<std::unique_ptr<ServingPlan>, std::string> make_plan(Corefile corefile, bool keeps_hosts = false);
  std::expected<void, std::string> apply(std::unique_ptr<ServingPlan> plan);
  using SocketsByAddress = std::map<ListenAddress, ListenSockets>;
  std::expected<SocketsByAddress, std::string> open_new_sockets(const ServingPlan& plan);
  void add_listeners(SocketsByAddress opened);
  std::expected<void, std::string> open_endpoints(const ServingPlan& plan);
  void start_clusters(const ServingPlan& plan);
  std::expected<void, std::string> replace_clusters(const ServingPlan& plan);
  void serve(const ServingPlan& plan);
  void announce(const ServingPlan& plan);
  void retire(std::unique_ptr<ServingPlan> plan);
  bool is_still_read(const ServingPlan& plan) const;

  HttpResponse answer_ready(bool until_ready);
  Footing footing() const;

  void wait_for_signal();
  void reload();
  void schedule_reload_check();
  void schedule_housekeeping();
  void schedule_upstream_check();
  void check_upstream_files();
  void use_host(const std::string& word, const NamedUpstream& found, bool is_changed);
  void plan_upstreams_anew();
  void send_loop_probes(int round);
  void report_loop(const std::string& zone, const std::string& probe, const std::string& client);

  void begin_stop(bool lameduck);
  void drain();
  void finish_when_drained(base::TimePoint give_up);

  LoadSettings load_settings() const;

  const Options options_;
  base::SteadyClock clock_;
  asio::io_context control_;
  asio::signal_set signals_;
  asio::steady_timer reload_timer_;
  asio::steady_timer housekeeping_timer_;
  asio::steady_timer upstream_timer_;
  asio::steady_timer loop_timer_;
  asio::steady_timer stop_timer_;
  HostWatch host_watch_{control_, [this](const std::string& word, const NamedUpstream& found, bool is_changed) {
                          use_host(word, found, is_changed);
                        }};
  Notifier notifier_{control_};
  Refresher refresher_{control_};
  MetricsRegistry metrics_;
  MetricsRegistry::Registration plan_metrics_;
  MetricsRegistry::Registration process_metrics_;
  HttpResponder http_;
  HealthProbe health_probe_{metrics_};
  std::vector<WorkerState> workers_;
  std::unique_ptr<ServingPlan> plan_;
  std::vector<std::pair<base::TimePoint, std::unique_ptr<ServingPlan>>> retired_;
  // Read by the HTTP thread.
  base::Guarded<std::vector<std::shared_ptr<k8s::Cluster>>> clusters_;
  std::atomic<bool> serving_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> was_ready_{false};
  std::string failed_digest_;
  bool finished_ = false;
  int exit_code_ = 0;
};

/// Cores that the process may use: its affinity, and no more than its cgroup's quota pays for.
unsigned usable_cores();

}  // namespace fairlead::server
