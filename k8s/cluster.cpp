#include "k8s/cluster.hpp"

#include <utility>

#include "k8s/api_client.hpp"
#include "k8s/api_health.hpp"
#include "k8s/credentials.hpp"
#include "k8s/kubeconfig.hpp"
#include "k8s/object_store.hpp"
#include "k8s/publisher.hpp"
#include "k8s/reflector.hpp"

namespace fairlead::k8s {

namespace {

std::expected<ApiAccess, std::string> access_of(const ClusterOptions& options) {
  if (!options.kubeconfig_file.empty()) return load_kubeconfig(options.kubeconfig_file, options.kubeconfig_context);
  if (!options.endpoint.empty()) {
    return endpoint_access(options.endpoint, options.client_certificate_file, options.client_key_file, options.ca_file);
  }
  return in_cluster_access();
}

/// API server -> reflectors -> store -> publisher -> table.
class ApiCluster final : public Cluster {
 public:
  ApiCluster(ClusterOptions options, std::unique_ptr<ApiClient> client)
      : client_(std::move(client)),
        health_(client_->url(), clock_, options.log),
        store_({.records = {.pod_names = options.pod_names,
                            .endpoint_pod_names = options.endpoint_pod_names,
                            .no_endpoints = options.no_endpoints,
                            .ignore_empty_services = options.ignore_empty_services,
                            .zonal = options.zonal,
                            .zone = options.zone},
                .local_addresses = options.local_addresses,
                .namespaces = options.namespaces,
                .pods = options.watch_pods,
                .pod_object_names = options.pod_object_names}),
        publisher_(store_, table_, {.ttl = options.ttl, .on_published = {}, .unix_time = {}}) {
    const auto add = [&](Kind kind, const std::string& selector, const char* fields = "") {
      ReflectorOptions reflector;
      reflector.kind = kind;
      reflector.label_selector = selector;
      reflector.field_selector = fields;
      reflector.log = options.log;
      reflectors_.push_back(std::make_unique<Reflector>(std::move(reflector), *client_, store_, health_));
    };
    if (options.watch_pods) table_.pods = std::make_unique<PodTable>(options.pod_object_names);
    add(Kind::kNamespace, options.namespace_label_selector);
    add(Kind::service, options.label_selector);
    if (options.no_endpoints) {
      // Nothing of the slices would become a name; the store still waits for a list of them.
      store_.begin_list(Kind::endpoint_slice);
      store_.end_list(Kind::endpoint_slice);
    } else {
      add(Kind::endpoint_slice, options.label_selector);
    }
    // A Pod that has ended keeps its address in the API, but another may have it by then.
    constexpr const char* live_pods = "status.phase!=Succeeded,status.phase!=Failed,status.phase!=Unknown";
    if (options.watch_pods) add(Kind::pod, options.label_selector, live_pods);
  }

  ~ApiCluster() override { stop(); }

  void start() override {
    publisher_.start();
    for (const auto& reflector : reflectors_) reflector->start();
  }

  void stop() override {
    // All are asked before one is waited for.
    for (const auto& reflector : reflectors_) reflector->request_stop();
    for (const auto& reflector : reflectors_) reflector->stop();
    publisher_.stop();
  }

  const ClusterTable& table() const override { return table_; }

  ClusterCounters counters() const override {
    ClusterCounters sum;
    for (const auto& reflector : reflectors_) {
      const ReflectorCounters one = reflector->counters();
      sum.lists += one.lists;
      sum.list_failures += one.list_failures;
      sum.watches += one.watches;
      sum.watch_failures += one.watch_failures;
      sum.events += one.events;
      sum.skipped_objects += one.skipped_objects;
      sum.streamed_lists += one.streamed_lists;
      sum.silent_watches += one.silent_watches;
      for (std::size_t oddity = 0; oddity < oddity_count; ++oddity) {
        sum.odd.push_back({resource_of(reflector->kind()), name_of(static_cast<Oddity>(oddity)), one.oddities[oddity]});
      }
    }
    sum.skipped_objects += store_.skipped_objects();
    sum.names = publisher_.names();
    sum.pods = table_.pods != nullptr ? table_.pods->size() : 0;
    sum.api_reachable = health_.is_reachable();
    return sum;
  }

 private:
  // In the order in which they need each other: the last is destroyed first.
  base::SteadyClock clock_;
  ClusterTable table_;
  std::unique_ptr<ApiClient> client_;
  ApiHealth health_;
  ObjectStore store_;
  Publisher publisher_;
  std::vector<std::unique_ptr<Reflector>> reflectors_;
};

}  // namespace

std::expected<std::unique_ptr<Cluster>, std::string> Cluster::create(ClusterOptions options) {
  auto access = access_of(options);
  if (!access) return std::unexpected(access.error());
  auto client = ApiClient::create(std::move(*access));
  if (!client) return std::unexpected(client.error());
  return std::make_unique<ApiCluster>(std::move(options), std::move(*client));
}

}  // namespace fairlead::k8s
