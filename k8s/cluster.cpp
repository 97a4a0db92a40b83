#include "k8s/cluster.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "k8s/api_client.hpp"
#include "k8s/api_health.hpp"
#include "k8s/clusterset_intake.hpp"
#include "k8s/credentials.hpp"
#include "k8s/kubeconfig.hpp"
#include "k8s/object_store.hpp"
#include "k8s/packed_objects.hpp"
#include "k8s/publisher.hpp"
#include "k8s/reflector.hpp"
#include "k8s/snapshot_keeper.hpp"
#include "k8s/tee_sink.hpp"
#include "zones/base/checksum.hpp"
#include "zones/base/published.hpp"

namespace fairlead::k8s {

namespace {

std::expected<ApiAccess, std::string> access_of(const ClusterOptions& options) {
  if (!options.kubeconfig_file.empty()) return load_kubeconfig(options.kubeconfig_file, options.kubeconfig_context);
  if (!options.endpoint.empty()) {
    return endpoint_access(options.endpoint, options.client_certificate_file, options.client_key_file, options.ca_file);
  }
  return in_cluster_access();
}

std::optional<ExternalRecordOptions> external_records_of(const ClusterOptions& options) {
  if (!options.external) return std::nullopt;
  return ExternalRecordOptions{.zone = options.external->zone, .headless = options.external->headless};
}

/// What ServiceImports become: as a cluster's own names, in a table of its own.
struct Clusterset {
  explicit Clusterset(const ClusterOptions& options)
      : store({.records = {.endpoint_pod_names = options.endpoint_pod_names,
                           .ignore_empty_services = options.ignore_empty_services,
                           .clusterset = true,
                           .zone = options.zone},
               .local_addresses = {},
               .namespaces = options.namespaces}),
        publisher(store, table, {.ttl = options.ttl, .on_published = {}, .unix_time = {}}) {}

  ClusterTable table;
  ObjectStore store;
  ClustersetIntake intake{store};
  Publisher publisher;
  const Reflector* imports = nullptr;

  bool is_in_step() const { return table.synced.load() || imports->is_kind_denied(); }
};

/// Of what the objects in the store depend on: the cluster, the selectors, and what packing leaves out. A snapshot is
/// of no use to a server that would hold others.
class SnapshotFingerprint {
 public:
  SnapshotFingerprint(const ClusterOptions& options, const ApiAccess& access) : ca_(access.ca) {
    add(std::to_string(packed_version));
    add(access.url.to_string());
    for (const auto& name : options.namespaces) add(name);
    add("");
    add(options.label_selector);
    add(options.namespace_label_selector);
    for (const bool option :
         {options.endpoint_pod_names, options.no_endpoints, options.zonal, options.external.has_value()}) {
      add(option ? "1" : "0");
    }
  }
  /// In a Pod the API server's address is the same in most clusters; its certificate authority is not.
  std::uint64_t value() const {
    std::string ca = ca_.text;
    if (!ca_.file.empty()) ca = read_credential_file(ca_.file).value_or("");
    return base::checksum(text_ + ca);
  }

 private:
  void add(const std::string& field) { text_ += std::to_string(field.size()) + ':' + field; }

  std::string text_;
  PemSource ca_;
};

/// API server -> reflectors -> store -> publisher -> table.
class ApiCluster final : public Cluster {
 public:
  ApiCluster(ClusterOptions options, std::unique_ptr<ApiClient> client, SnapshotFingerprint fingerprint)
      : client_(std::move(client)),
        health_(client_->url(), clock_, options.log),
        store_({.records = {.pod_names = options.pod_names,
                            .endpoint_pod_names = options.endpoint_pod_names,
                            .no_endpoints = options.no_endpoints,
                            .ignore_empty_services = options.ignore_empty_services,
                            .zonal = options.zonal,
                            .zone = options.zone},
                .local_addresses = options.local_addresses,
                .external = external_records_of(options),
                .namespaces = options.namespaces,
                .pods = options.watch_pods,
                .pod_object_names = options.pod_object_names}),
        publisher_(store_, table_,
                   {.ttl = options.ttl,
                    .external_ttl = options.external ? options.external->ttl : options.ttl,
                    .on_published = {},
                    .unix_time = {}}) {
    if (options.external) {
      table_.external = std::make_unique<ExternalTable>();
      table_.external->ptr_zone = options.external->zone;
    }
    if (options.multicluster) {
      clusterset_ = std::make_unique<Clusterset>(options);
      namespaces_tee_ = std::make_unique<TeeSink>(store_, clusterset_->intake);
    }
    const auto add = [&](Kind kind, ObjectSink& sink, const std::string& selector, const char* fields = "") {
      ReflectorOptions reflector;
      reflector.kind = kind;
      reflector.label_selector = selector;
      reflector.field_selector = fields;
      reflector.wanted = {.pod_names = options.endpoint_pod_names, .topology_zones = options.zonal};
      reflector.log = options.log;
      return reflectors_.emplace_back(std::make_unique<Reflector>(std::move(reflector), *client_, sink, health_)).get();
    };
    if (options.watch_pods) table_.pods = std::make_unique<PodTable>(options.pod_object_names);
    ObjectSink& namespaces = namespaces_tee_ != nullptr ? static_cast<ObjectSink&>(*namespaces_tee_) : store_;
    add(Kind::kNamespace, namespaces, options.namespace_label_selector);
    add(Kind::service, store_, options.label_selector);
    if (options.no_endpoints) {
      // Nothing of the slices would become a name; the store still waits for a list of them.
      store_.begin_list(Kind::endpoint_slice);
      store_.end_list(Kind::endpoint_slice);
    } else {
      add(Kind::endpoint_slice, store_, options.label_selector);
    }
    // A Pod that has ended keeps its address in the API, but another may have it by then.
    constexpr const char* live_pods = "status.phase!=Succeeded,status.phase!=Failed,status.phase!=Unknown";
    if (options.watch_pods) add(Kind::pod, store_, options.label_selector, live_pods);
    if (clusterset_ != nullptr) {
      clusterset_->imports = add(Kind::service_import, clusterset_->intake, options.label_selector);
      // Imported slices are few among all; `noendpoints` is about the cluster's own.
      add(Kind::endpoint_slice, clusterset_->intake,
          (options.label_selector.empty() ? "" : options.label_selector + ",") +
              "multicluster.kubernetes.io/service-name");
    }
    if (!options.snapshot_file.empty()) read_snapshot(options, std::move(fingerprint));
  }

  ~ApiCluster() override { stop(); }

  void start() override {
    if (snapshot_) snapshot_->start();
    publisher_.start();
    if (clusterset_ != nullptr) clusterset_->publisher.start();
    for (const auto& reflector : reflectors_) reflector->start();
  }

  void stop() override {
    if (snapshot_) snapshot_->request_stop();
    // All are asked before one is waited for.
    for (const auto& reflector : reflectors_) reflector->request_stop();
    for (const auto& reflector : reflectors_) reflector->stop();
    publisher_.stop();
    if (clusterset_ != nullptr) clusterset_->publisher.stop();
    if (snapshot_) snapshot_->stop();
  }

  const ClusterTable& table() const override { return table_; }
  const ClusterTable* clusterset_table() const override {
    return clusterset_ != nullptr ? &clusterset_->table : nullptr;
  }
  bool is_from_snapshot() const override {
    const ClusterTable& behind = clusterset_ != nullptr && table_.synced.load() ? clusterset_->table : table_;
    return behind.names_from.load() == NamesFrom::snapshot;
  }
  bool is_in_step() const override {
    return table_.synced.load() && (clusterset_ == nullptr || clusterset_->is_in_step());
  }

  void take_version(ClusterPart part, VersionUser use) override {
    const bool is_clusterset = part == ClusterPart::clusterset;
    if (is_clusterset && clusterset_ == nullptr) return use(std::nullopt);
    (is_clusterset ? clusterset_->publisher : publisher_).take_version(part, std::move(use));
  }

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
      sum.protobuf_answers += one.protobuf_answers;
      for (std::size_t oddity = 0; oddity < oddity_count; ++oddity) {
        add(sum.odd, {resource_of(reflector->kind()), name_of(static_cast<Oddity>(oddity)), one.oddities[oddity]});
      }
    }
    sum.skipped_objects += store_.skipped_objects();
    sum.names = publisher_.names();
    sum.pods = table_.pods != nullptr ? table_.pods->size() : 0;
    if (clusterset_ != nullptr) {
      sum.skipped_objects += clusterset_->store.skipped_objects() + clusterset_->intake.skipped_objects();
      sum.names += clusterset_->publisher.names();
    }
    sum.api_reachable = health_.is_reachable();
    sum.api = client_->counters();
    if (snapshot_) sum.snapshot = snapshot_->counters();
    sum.programming = publisher_.programming_durations();
    return sum;
  }

 private:
  // Imported slices have a reflector of their own, and are slices all the same.
  static void add(std::vector<ClusterCounters::Odd>& odd, const ClusterCounters::Odd& one) {
    const auto same = std::ranges::find_if(odd, [&](const auto& other) {
      return std::string_view(other.resource) == one.resource && std::string_view(other.reason) == one.reason;
    });
    if (same == odd.end()) {
      odd.push_back(one);
    } else {
      same->count += one.count;
    }
  }

  // The tables are filled before anybody can ask.
  void read_snapshot(const ClusterOptions& options, SnapshotFingerprint fingerprint) {
    SnapshotKeeperOptions keeper;
    keeper.file = options.snapshot_file;
    keeper.age_max = options.snapshot_age_max;
    keeper.fingerprint = [fingerprint = std::move(fingerprint)] { return fingerprint.value(); };
    keeper.log = options.log;
    std::optional<SnapshotClusterset> clusterset;
    if (clusterset_ != nullptr) {
      clusterset.emplace(clusterset_->store, clusterset_->table,
                         [imports = clusterset_->imports] { return imports->is_kind_denied(); });
    }
    snapshot_.emplace(std::move(keeper), store_, table_, health_, std::move(clusterset));
    if (!snapshot_->read()) return;
    const base::ReaderThread reader;
    publisher_.publish_pending();
    if (clusterset_ != nullptr) clusterset_->publisher.publish_pending();
  }

  // In the order in which they need each other: the last is destroyed first.
  base::SteadyClock clock_;
  ClusterTable table_;
  std::unique_ptr<ApiClient> client_;
  ApiHealth health_;
  ObjectStore store_;
  Publisher publisher_;
  std::unique_ptr<Clusterset> clusterset_;
  std::unique_ptr<TeeSink> namespaces_tee_;
  std::vector<std::unique_ptr<Reflector>> reflectors_;
  std::optional<SnapshotKeeper> snapshot_;
};

}  // namespace

std::expected<std::unique_ptr<Cluster>, std::string> Cluster::create(ClusterOptions options) {
  auto access = access_of(options);
  if (!access) return std::unexpected(access.error());
  SnapshotFingerprint fingerprint(options, *access);
  auto client = ApiClient::create(std::move(*access), options.api_limits);
  if (!client) return std::unexpected(client.error());
  return std::make_unique<ApiCluster>(std::move(options), std::move(*client), std::move(fingerprint));
}

}  // namespace fairlead::k8s
