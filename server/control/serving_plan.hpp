// A Corefile with everything that it needs from the system: addresses to listen on, upstreams read from resolv.conf,
// clusters, and each worker's handlers.
//
// A reload makes a second plan beside the first. What a directive did not change is taken over: the cluster's tables,
// the caches, the upstream channels, the sockets.
//
// Threads: the control thread; make_worker_plan() on the worker's own.
// Errors: sentences for the operator.
#pragma once

#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "k8s/cluster.hpp"
#include "resolver/cache.hpp"
#include "resolver/forwarder.hpp"
#include "server/config/corefile.hpp"
#include "server/control/dnstap_service.hpp"
#include "server/control/hosts_source.hpp"
#include "server/control/metrics.hpp"
#include "server/control/notifier.hpp"
#include "server/control/refresher.hpp"
#include "server/control/tls_source.hpp"
#include "server/control/upstream_list.hpp"
#include "server/control/watched_files.hpp"
#include "server/control/weight_source.hpp"
#include "server/handlers/error_log.hpp"
#include "server/handlers/loop_handler.hpp"
#include "server/handlers/query_log.hpp"
#include "server/handlers/transfer_handler.hpp"
#include "server/handlers/zone_store.hpp"
#include "server/net/listen_address.hpp"
#include "server/query/worker_plan.hpp"
#include "zones/base/asio.hpp"

namespace fairlead::server {

/// What one server block needs, resolved.
struct PlannedBlock {
  const ServerBlock* block = nullptr;  // in ServingPlan::corefile
  std::vector<ListenAddress> addresses;
  std::shared_ptr<TlsSource> tls;          // null without a zone of `tls://`
  std::shared_ptr<TlsSource> metrics_tls;  // of `prometheus { tls }`; null without
  std::shared_ptr<k8s::Cluster> cluster;   // null without `kubernetes`
  std::string cluster_signature;
  std::vector<UpstreamList> upstream_lists;           // as block->options.forward
  std::vector<resolver::ForwarderConfig> forwarders;  // the same
  std::vector<std::string> forwarder_signatures;
  std::string cache_signature;
  std::vector<dns::DomainName> search_list;  // of `autopath`
  std::shared_ptr<HostsSource> hosts;        // null without `hosts`
  std::string hosts_signature;
  std::shared_ptr<WeightSource> weights;  // null without `loadbalance weighted`
  std::shared_ptr<ErrorLog> errors;
  std::shared_ptr<const QueryLog> log;
  std::vector<std::shared_ptr<DnstapOutlet>> dnstap;    // as block->options.dnstap
  std::vector<std::shared_ptr<ZoneStore>> zone_stores;  // as block->options.file, and behind them that of `auto`
  std::vector<std::string> zone_store_signatures;
  std::shared_ptr<LoopProbe> loop;
  std::shared_ptr<TransferGate> transfers;  // the process's; null without `transfer`
};

struct ServingPlan {
  Corefile corefile;
  std::vector<ListenAddress> addresses;  // a router's index is its address's
  std::vector<PlannedBlock> blocks;
  std::shared_ptr<TransferGate> transfers;
  std::shared_ptr<DnstapService> dnstap;  // the process's
  NamedUpstreams named_upstreams;
  std::vector<WatchedHost> hosts;           // that `forward` was told of
  std::vector<WatchedFile> upstream_files;  // that `forward` was told of; a change makes another plan
  std::vector<RefreshTask> refreshes;       // of files that directives read again by themselves
};

/// Of all blocks, each once.
std::vector<std::shared_ptr<DnstapOutlet>> dnstap_outlets(const ServingPlan& plan);

struct PlanContext {
  const base::Clock& clock;
  /// Host names of upstreams that the plan before knows stay as they are: what changed is something else.
  bool keeps_hosts = false;
  /// Called once on a worker's thread when a query came back to us.
  std::function<void(const LoopProbe& probe, std::string client)> on_loop;
};

/// Clusters of `previous` whose directive is the same are taken over; new ones are made but not started.
std::expected<std::unique_ptr<ServingPlan>, std::string> make_serving_plan(Corefile corefile,
                                                                           const ServingPlan* previous,
                                                                           const PlanContext& context);

/// What a worker keeps from plan to plan, found again by what configured it.
struct WorkerResources {
  std::map<std::string, std::weak_ptr<resolver::Cache>> caches;
  std::map<std::string, std::weak_ptr<resolver::Forwarder>> forwarders;
};

std::shared_ptr<WorkerPlan> make_worker_plan(const ServingPlan& plan, unsigned worker, asio::io_context& io,
                                             WorkerResources& resources, MetricsRegistry& metrics,
                                             const base::Clock& clock);

/// The zones of the plan whose secondaries want to be told of changes.
std::vector<NotifiedZone> notified_zones(const ServingPlan& plan);

/// The `view` label of metrics; empty without `view`.
std::string view_name(const DirectiveOptions& options);

/// Whether the zone is served on that address, if its block is.
inline bool is_served_at(const ServerKey& key, const ListenAddress& address) {
  return key.port == address.port && key.scheme == address.scheme;
}

/// "dns://:53", the `server` label of metrics.
std::string server_label(const ListenAddress& address);

}  // namespace fairlead::server
