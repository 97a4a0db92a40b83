#include "server/control/serving_plan.hpp"

#include <algorithm>
#include <iterator>
#include <sstream>
#include <type_traits>

#include "resolver/resolv_conf.hpp"
#include "resolver/shared_questions.hpp"
#include "server/control/chain_builder.hpp"
#include "server/control/listener_plan.hpp"
#include "server/control/logging.hpp"
#include "server/control/watched_files.hpp"
#include "server/handlers/forward_handler.hpp"
#include "server/handlers/k8s_external_handler.hpp"
#include "server/handlers/kubernetes_handler.hpp"
#include "server/query/view_filter.hpp"

namespace fairlead::server {
namespace {

// Two directives with equal signatures may share what was made for one of them.
class Signature {
 public:
  template <typename T>
  Signature& add(const T& value) {
    if constexpr (std::is_same_v<T, dns::DomainName>) {
      text_ << value.to_string();
    } else if constexpr (std::is_same_v<T, base::IpAddress>) {
      text_ << value.to_string();
    } else if constexpr (std::is_enum_v<T>) {
      text_ << static_cast<long>(value);
    } else if constexpr (requires { value.count(); }) {
      text_ << value.count();
    } else if constexpr (std::is_convertible_v<T, std::string_view>) {
      text_ << std::string_view(value).size() << ':' << value;
    } else if constexpr (requires { value.begin(); }) {
      text_ << value.size() << '[';
      for (const auto& item : value) add(item);
    } else {
      text_ << value;
    }
    text_ << '|';
    return *this;
  }
  std::string text() const { return text_.str(); }

 private:
  std::ostringstream text_;
};

k8s::ClusterOptions make_cluster_options(const KubernetesOptions& options,
                                         const std::vector<base::IpAddress>& local_addresses, bool has_metadata) {
  k8s::ClusterOptions cluster;
  cluster.endpoint = options.endpoint;
  if (options.tls) {
    cluster.client_certificate_file = options.tls->certificate_file;
    cluster.client_key_file = options.tls->key_file;
    cluster.ca_file = options.tls->ca_file;
  }
  if (options.kubeconfig) {
    cluster.kubeconfig_file = options.kubeconfig->file;
    cluster.kubeconfig_context = options.kubeconfig->context;
  }
  cluster.api_limits = {options.apiserver_qps, options.apiserver_burst, options.apiserver_max_inflight};
  cluster.ttl = options.ttl;
  cluster.pod_names = options.pods != KubernetesOptions::Pods::disabled;
  cluster.watch_pods = options.pods == KubernetesOptions::Pods::verified;
  cluster.pod_object_names = cluster.watch_pods && has_metadata;
  cluster.endpoint_pod_names = options.endpoint_pod_names;
  cluster.no_endpoints = !options.endpoints;
  cluster.ignore_empty_services = options.ignore_empty_service;
  cluster.zonal = options.zonal;
  cluster.multicluster = !options.multicluster_zones.empty();
  cluster.zone = options.zones[options.primary_zone];
  cluster.local_addresses = local_addresses;
  cluster.namespaces = options.namespaces;
  cluster.label_selector = options.labels;
  cluster.namespace_label_selector = options.namespace_labels;
  if (options.snapshot) {
    cluster.snapshot_file = options.snapshot->file;
    cluster.snapshot_age_max = std::chrono::duration_cast<std::chrono::seconds>(options.snapshot->age_max);
  }
  cluster.log = log_function("plugin/kubernetes: ");
  return cluster;
}

std::string sign(const k8s::ClusterOptions& options) {
  return Signature()
      .add(options.endpoint)
      .add(options.client_certificate_file)
      .add(options.client_key_file)
      .add(options.ca_file)
      .add(options.kubeconfig_file)
      .add(options.kubeconfig_context)
      .add(options.api_limits.qps)
      .add(options.api_limits.burst)
      .add(options.api_limits.max_inflight)
      .add(options.ttl)
      .add(options.pod_names)
      .add(options.watch_pods)
      .add(options.pod_object_names)
      .add(options.endpoint_pod_names)
      .add(options.no_endpoints)
      .add(options.ignore_empty_services)
      .add(options.zonal)
      .add(options.multicluster)
      .add(options.zone)
      .add(options.local_addresses)
      .add(options.namespaces)
      .add(options.label_selector)
      .add(options.namespace_label_selector)
      .add(options.snapshot_file)
      .add(options.snapshot_age_max)
      .add(options.external.has_value())
      .add(options.external.value_or(k8s::ClusterOptions::External{}).zone)
      .add(options.external.value_or(k8s::ClusterOptions::External{}).ttl)
      .add(options.external.value_or(k8s::ClusterOptions::External{}).headless)
      .text();
}

std::string sign(const ServerBlock& block, const CacheOptions& options) {
  Signature signature;
  signature.add(block.zones())
      .add(block.keys.front().port)
      .add(block.keys.front().scheme)
      .add(options.zones)
      .add(options.servfail_ttl);
  // Blocks of one zone that tell clients apart must not tell them each other's answers.
  if (block.options.view) {
    signature.add(block.options.view->name);
    for (const Expression& condition : block.options.view->conditions) signature.add(condition.text());
  }
  for (const auto& share : {options.success, options.denial}) {
    signature.add(share.capacity).add(share.ttl_max).add(share.ttl_min).add(share.disabled_zones);
  }
  const auto prefetch = options.prefetch.value_or(CacheOptions::Prefetch{});
  const auto stale = options.serve_stale.value_or(CacheOptions::ServeStale{.up_to = Duration(0)});
  return signature.add(options.keep_ttl)
      .add(prefetch.amount)
      .add(prefetch.duration)
      .add(prefetch.percentage)
      .add(stale.up_to)
      .add(stale.verify)
      .add(stale.response_ttl)
      .add(stale.failure_recheck)
      .add(stale.prefer_positive)
      .text();
}

std::string sign(const resolver::ForwarderConfig& config, const std::vector<WatchedFile>& files, std::size_t block,
                 std::size_t index) {
  Signature signature;
  signature.add(block).add(index);
  // A certificate that was replaced is another one, whatever its file is called.
  for (const auto& file : files) signature.add(file.path).add(file.digest);
  for (const auto& upstream : config.upstreams) {
    signature.add(upstream.to_string()).add(upstream.protocol).add(upstream.tls_server_name);
  }
  return signature.add(config.policy)
      .add(config.force_tcp)
      .add(config.prefer_udp)
      .add(config.max_fails)
      .add(config.health_check_interval)
      .add(config.health_check_recursion_desired)
      .add(config.health_check_domain)
      .add(config.failfast_all_unhealthy)
      .add(config.max_concurrent)
      .add(config.read_timeout)
      .add(config.failover_rcodes)
      .add(config.max_connect_attempts.value_or(~0u))
      .add(config.max_idle_connections)
      .add(config.source_address.has_value())
      .add(config.source_address.value_or(base::IpAddress{}))
      .add(config.expire)
      .add(config.max_age)
      .text();
}

std::expected<std::vector<ListenAddress>, std::string> listen_addresses(const ServerBlock& block) {
  const auto hosts = resolve_bind(block.options.bind);
  if (!hosts) return std::unexpected(hosts.error());
  std::vector<ListenAddress> addresses;
  for (const auto& key : block.keys) {
    for (const auto& host : *hosts) {
      const ListenAddress address{.address = host, .port = key.port, .scheme = key.scheme};
      if (std::ranges::find(addresses, address) == addresses.end()) addresses.push_back(address);
    }
  }
  return addresses;
}

std::shared_ptr<k8s::Cluster> find_cluster(const ServingPlan* plan, const std::string& signature) {
  if (plan == nullptr) return nullptr;
  const auto same = std::ranges::find_if(plan->blocks, [&](const auto& block) {
    return block.cluster != nullptr && block.cluster_signature == signature;
  });
  return same == plan->blocks.end() ? nullptr : same->cluster;
}

std::expected<void, std::string> plan_cluster(PlannedBlock& planned, const ServingPlan& plan,
                                              const ServingPlan* previous) {
  const auto& options = planned.block->options.kubernetes;
  if (!options) return {};
  auto cluster_options = make_cluster_options(*options, nameserver_addresses(planned.addresses),
                                              planned.block->options.metadata.has_value());
  if (const auto& external = planned.block->options.k8s_external) {
    cluster_options.external = {
        .zone = external->zones[external->primary_zone], .ttl = external->ttl, .headless = external->headless};
  }
  planned.cluster_signature = sign(cluster_options);
  planned.cluster = find_cluster(&plan, planned.cluster_signature);
  if (planned.cluster == nullptr) planned.cluster = find_cluster(previous, planned.cluster_signature);
  if (planned.cluster != nullptr) return {};
  auto cluster = k8s::Cluster::create(cluster_options);
  if (!cluster) return std::unexpected("plugin/kubernetes: " + cluster.error());
  planned.cluster = std::move(*cluster);
  return {};
}

std::vector<WatchedFile> certificate_files(const ForwardOptions& options) {
  std::vector<WatchedFile> files;
  if (!options.tls) return files;
  for (const auto& path : {options.tls->certificate_file, options.tls->key_file, options.tls->ca_file}) {
    if (!path.empty()) files.push_back(watch_file(path));
  }
  return files;
}

void watch_upstream_files(const ForwardOptions& options, std::vector<WatchedFile>& files) {
  for (const auto& upstream : options.to) {
    const auto* const file = std::get_if<ForwardOptions::ResolvConf>(&upstream);
    if (file == nullptr || std::ranges::find(files, file->path, &WatchedFile::path) != files.end()) continue;
    files.push_back(watch_file(file->path));
  }
}

std::expected<void, std::string> plan_forwarders(PlannedBlock& planned, ServingPlan& plan, std::size_t index,
                                                 bool keeps_hosts) {
  for (const auto& options : planned.block->options.forward) {
    const std::vector<WatchedFile> files = certificate_files(options);
    // Before they are read: what changes in between is seen as a change.
    watch_upstream_files(options, plan.upstream_files);
    auto list = list_upstreams(options, planned.addresses, plan.named_upstreams, keeps_hosts);
    if (!list) return std::unexpected(to_string(options.at) + ": forward: " + list.error());
    std::ranges::move(list->hosts, std::back_inserter(plan.hosts));
    for (const auto& warning : list->warnings) log_warning(to_string(options.at) + ": forward: " + warning);
    auto config = make_forwarder_config(options, list->upstreams, std::make_shared<std::atomic<std::uint32_t>>(0));
    if (!config) return std::unexpected(to_string(options.at) + ": forward: " + config.error());
    config->shared = std::make_shared<resolver::SharedQuestions>();
    planned.upstream_lists.push_back(std::move(*list));
    planned.forwarder_signatures.push_back(sign(*config, files, index, planned.forwarders.size()));
    planned.forwarders.push_back(std::move(*config));
  }
  return {};
}

std::expected<void, std::string> plan_autopath(PlannedBlock& planned) {
  const auto& options = planned.block->options.autopath;
  if (!options) return {};
  auto list = resolver::read_search_list(options->resolv_conf);
  if (list) {
    planned.search_list = std::move(*list);
  } else if (!options->from_kubernetes) {
    // With `@kubernetes` the cluster's names come first, and the server's own list may be missing.
    return std::unexpected(to_string(options->at) + ": autopath: " + list.error());
  }
  return {};
}

// Zone files never fail a plan: a file with faults is logged, and its zone SERVFAIL or as it was.
void plan_zone_store(PlannedBlock& planned, const ServingPlan* previous, const base::Clock& clock,
                     const std::string& signature, const std::string& path, ZoneStore::Options options) {
  std::shared_ptr<ZoneStore> store;
  std::shared_ptr<ZoneStore> similar;  // of the same files
  if (previous != nullptr) {
    for (const PlannedBlock& block : previous->blocks) {
      for (std::size_t i = 0; i < block.zone_stores.size(); ++i) {
        if (block.zone_store_signatures[i] == signature) store = block.zone_stores[i];
        if (block.zone_store_signatures[i].starts_with(path)) similar = block.zone_stores[i];
      }
    }
  }
  if (store != nullptr) {
    store->check_now();
  } else {
    store = std::make_shared<ZoneStore>(std::move(options), clock);
    store->load(similar.get());
  }
  planned.zone_stores.push_back(std::move(store));
  planned.zone_store_signatures.push_back(signature);
}

void plan_zone_files(PlannedBlock& planned, const ServingPlan* previous, const base::Clock& clock) {
  const auto& root = planned.block->options.root;
  for (const FileOptions& options : planned.block->options.file) {
    const std::string file = below_root(root, options.path);
    const std::string path = Signature().add(std::string_view("file")).add(file).text();
    const std::string rest = Signature().add(options.zones).add(options.reload).add(options.reload_by_mtime).text();
    plan_zone_store(planned, previous, clock, path + rest, path,
                    {.directive = "file",
                     .find_sources =
                         [zones = options.zones, file] {
                           std::vector<ZoneSource> sources;
                           for (const auto& zone : zones) sources.push_back({zone, file});
                           return sources;
                         },
                     .reload = options.reload,
                     .ignores_serial = options.reload_by_mtime});
  }
  if (auto options = planned.block->options.auto_zones) {
    options->directory = below_root(root, options->directory);
    const std::string path = Signature().add(std::string_view("auto")).add(options->directory).text();
    const std::string rest = Signature().add(options->pattern.text()).add(options->origin).add(options->reload).text();
    plan_zone_store(planned, previous, clock, path + rest, path,
                    {.directive = "auto",
                     .find_sources = [options = *options] { return find_zone_files(options); },
                     .reload = options->reload});
  }
}

std::string sign(const HostsOptions& options, const std::string& path) {
  return Signature().add(path).add(options.zones).add(options.inline_lines).add(options.reverse).text();
}

std::shared_ptr<HostsSource> find_hosts(const ServingPlan* plan, const std::string& signature) {
  if (plan == nullptr) return nullptr;
  const auto same = std::ranges::find_if(
      plan->blocks, [&](const auto& block) { return block.hosts != nullptr && block.hosts_signature == signature; });
  return same == plan->blocks.end() ? nullptr : same->hosts;
}

// A million lines are not read again because something else in the Corefile changed.
void plan_hosts(PlannedBlock& planned, ServingPlan& plan, const ServingPlan* previous) {
  const auto& options = planned.block->options.hosts;
  if (!options) return;
  const std::string path = below_root(planned.block->options.root, options->file);
  planned.hosts_signature = sign(*options, path);
  planned.hosts = find_hosts(&plan, planned.hosts_signature);
  if (planned.hosts == nullptr) planned.hosts = find_hosts(previous, planned.hosts_signature);
  if (planned.hosts == nullptr) planned.hosts = std::make_shared<HostsSource>(*options, path);
  if (options->reload.count() == 0) return;
  plan.refreshes.push_back({.interval = options->reload, .run = [hosts = planned.hosts] { hosts->refresh(); }});
}

std::expected<void, std::string> plan_weights(PlannedBlock& planned, ServingPlan& plan) {
  const auto& options = planned.block->options.loadbalance;
  if (!options || options->policy != LoadbalanceOptions::Policy::weighted) return {};
  auto weights = WeightSource::create(below_root(planned.block->options.root, options->weight_file));
  if (!weights) return std::unexpected(to_string(planned.block->at) + ": loadbalance: " + weights.error());
  planned.weights = std::move(*weights);
  if (options->weight_reload.count() == 0) return {};
  plan.refreshes.push_back(
      {.interval = options->weight_reload, .run = [weights = planned.weights] { weights->refresh(); }});
  return {};
}

std::expected<void, std::string> plan_dnstap(PlannedBlock& planned, DnstapService& service) {
  for (const DnstapOptions& options : planned.block->options.dnstap) {
    auto outlet = service.outlet(options);
    if (!outlet) return std::unexpected(to_string(options.at) + ": dnstap: " + outlet.error());
    planned.dnstap.push_back(std::move(*outlet));
  }
  return {};
}

// The zones of a block that can be transferred; of two with one name the one that answers first.
std::vector<ServedZone> served_zones(const PlannedBlock& planned) {
  if (planned.cluster == nullptr) return {};
  const DirectiveOptions& options = planned.block->options;
  std::vector<ServedZone> zones;
  if (options.k8s_external) zones = served_zones(*options.k8s_external, *planned.cluster);
  std::ranges::move(served_zones(*options.kubernetes, *planned.cluster), std::back_inserter(zones));
  return zones;
}

// The directive that lets the zone be transferred: the longest match, the first of several.
const TransferOptions* find_transfer(const std::vector<TransferOptions>& directives, const dns::DomainName& zone) {
  const TransferOptions* best = nullptr;
  std::size_t best_labels = 0;
  for (const auto& transfer : directives) {
    for (const auto& covered : transfer.zones) {
      const std::size_t labels = covered.view().label_count();
      if (!zone.view().is_at_or_below(covered) || (best != nullptr && labels <= best_labels)) continue;
      best = &transfer;
      best_labels = labels;
    }
  }
  return best;
}

}  // namespace

std::string view_name(const DirectiveOptions& options) { return options.view ? options.view->name : std::string(); }

std::string server_label(const ListenAddress& address) {
  return std::string(to_string(address.scheme)) + "://" + address.to_string();
}

std::expected<std::unique_ptr<ServingPlan>, std::string> make_serving_plan(Corefile corefile,
                                                                           const ServingPlan* previous,
                                                                           const PlanContext& context) {
  auto plan = std::make_unique<ServingPlan>();
  plan->transfers = previous != nullptr ? previous->transfers : std::make_shared<TransferGate>();
  plan->dnstap = previous != nullptr ? previous->dnstap : std::make_shared<DnstapService>();
  if (previous != nullptr) plan->named_upstreams = previous->named_upstreams;
  plan->corefile = std::move(corefile);
  for (const auto& block : plan->corefile.blocks) {
    PlannedBlock planned;
    planned.block = &block;
    auto addresses = listen_addresses(block);
    if (!addresses) return std::unexpected(to_string(block.at) + ": " + addresses.error());
    planned.addresses = std::move(*addresses);
    for (const auto& address : planned.addresses) {
      if (std::ranges::find(plan->addresses, address) == plan->addresses.end()) plan->addresses.push_back(address);
    }
    if (auto done = plan_listeners(planned, *plan, previous); !done) return std::unexpected(done.error());
    if (auto done = plan_cluster(planned, *plan, previous); !done) return std::unexpected(done.error());
    if (auto done = plan_autopath(planned); !done) return std::unexpected(done.error());
    if (auto done = plan_forwarders(planned, *plan, plan->blocks.size(), context.keeps_hosts); !done) {
      return std::unexpected(done.error());
    }
    plan_hosts(planned, *plan, previous);
    if (auto done = plan_weights(planned, *plan); !done) return std::unexpected(done.error());
    plan_zone_files(planned, previous, context.clock);
    if (auto done = plan_dnstap(planned, *plan->dnstap); !done) return std::unexpected(done.error());
    if (block.options.cache) planned.cache_signature = sign(block, *block.options.cache);
    if (!block.options.transfer.empty()) planned.transfers = plan->transfers;
    if (block.options.errors) planned.errors = std::make_shared<ErrorLog>(*block.options.errors, context.clock);
    if (!block.options.log.empty()) planned.log = std::make_shared<const QueryLog>(block.options.log);
    if (block.options.loop) {
      planned.loop = std::make_shared<LoopProbe>(block.options.loop->zone);
      planned.loop->on_loop = [probe = planned.loop.get(), on_loop = context.on_loop](std::string client) {
        on_loop(*probe, std::move(client));
      };
    }
    plan->blocks.push_back(std::move(planned));
  }
  return plan;
}

std::shared_ptr<WorkerPlan> make_worker_plan(const ServingPlan& plan, unsigned worker, asio::io_context& io,
                                             WorkerResources& resources, MetricsRegistry& metrics,
                                             const base::Clock& clock) {
  auto result = std::make_shared<WorkerPlan>();
  result->routers.resize(plan.addresses.size());
  for (std::size_t i = 0; i < plan.addresses.size(); ++i) result->routers[i].port = plan.addresses[i].port;
  for (const auto& planned : plan.blocks) {
    ChainBuilder builder({.plan = plan,
                          .planned = planned,
                          .worker = worker,
                          .io = io,
                          .resources = resources,
                          .metrics = metrics,
                          .clock = clock},
                         result->resources.emplace_back());
    result->chains.push_back(builder.build());
    result->serves_other_classes |= result->chains.back()->serves_other_classes;
    const bool counts = planned.block->options.prometheus.has_value();
    for (const auto& address : planned.addresses) {
      const auto router = static_cast<std::size_t>(std::ranges::find(plan.addresses, address) - plan.addresses.begin());
      set_listener(planned, address, metrics, result->routers[router]);
      for (const auto& key : planned.block->keys) {
        if (!is_served_at(key, address)) continue;
        ZoneSlots* const slots = counts ? metrics.zone_slots(worker, server_label(address), key.zone.to_string(),
                                                             view_name(planned.block->options))
                                        : nullptr;
        std::shared_ptr<const ViewFilter> view;
        if (const auto& options = planned.block->options.view) {
          view = std::make_shared<const ViewFilter>(*options, address.port);
        }
        result->routers[router].add(
            {.zone = key.zone, .chain = result->chains.back().get(), .slots = slots, .view = std::move(view)});
        if (counts && result->dropped_slots == nullptr) {
          result->dropped_slots = metrics.zone_slots(worker, server_label(address), "dropped");
          result->watch = metrics.query_watches().of_worker(worker);
        }
      }
    }
  }
  return result;
}

std::vector<std::shared_ptr<DnstapOutlet>> dnstap_outlets(const ServingPlan& plan) {
  std::vector<std::shared_ptr<DnstapOutlet>> outlets;
  for (const auto& planned : plan.blocks) {
    for (const auto& outlet : planned.dnstap) {
      if (std::ranges::find(outlets, outlet) == outlets.end()) outlets.push_back(outlet);
    }
  }
  return outlets;
}

std::vector<NotifiedZone> notified_zones(const ServingPlan& plan) {
  std::vector<NotifiedZone> zones;
  const auto add = [&](const PlannedBlock& planned, const dns::DomainName& name,
                       std::function<std::optional<std::uint32_t>()> serial) {
    const TransferOptions* const transfer = find_transfer(planned.block->options.transfer, name);
    const bool is_known = std::ranges::any_of(zones, [&](const auto& known) { return known.zone == name; });
    if (transfer == nullptr || transfer->to.empty() || is_known) return;
    zones.push_back({.zone = name, .targets = transfer->to, .source = transfer->source, .serial = std::move(serial)});
  };
  for (const auto& planned : plan.blocks) {
    for (const ServedZone& served : served_zones(planned)) {
      const auto serial = [cluster = planned.cluster, served]() -> std::optional<std::uint32_t> {
        if (!served.table->synced.load(std::memory_order_relaxed)) return std::nullopt;
        return served.serial->load(std::memory_order_relaxed);
      };
      add(planned, served.name, serial);
    }
    for (const auto& store : planned.zone_stores) {
      for (const LoadedZone& loaded : store->read()->zones()) {
        add(planned, loaded.apex, [store, apex = loaded.apex]() -> std::optional<std::uint32_t> {
          // On the thread that replaces it.
          const auto* const now = store->read()->find_apex(apex);
          return now != nullptr && now->zone != nullptr ? std::optional(now->zone->serial()) : std::nullopt;
        });
      }
    }
  }
  return zones;
}

}  // namespace fairlead::server
