// One cluster kept in step: the API client, a reflector for each kind, the object store and the publisher behind one
// door. `server/` sees this header and cluster_table.hpp only.
//
// Threads: start() and stop() on the owner's thread; everything else from any thread.
// Limits: memory is proportional to the cluster's DNS objects; nothing queues without bound.
// Errors: create() reports credentials and kubeconfig faults as text; what happens later is logged and retried.
#pragma once

#include <chrono>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "k8s/api_counters.hpp"
#include "k8s/cluster_table.hpp"
#include "k8s/cluster_version.hpp"
#include "k8s/request_gate.hpp"
#include "k8s/snapshot_counters.hpp"
#include "zones/base/ip_address.hpp"
#include "zones/base/log.hpp"
#include "zones/dns/domain_name.hpp"

namespace fairlead::k8s {

struct ClusterOptions {
  // Where the API server is; all empty: the in-cluster service account.
  std::string endpoint;  // URL
  std::string client_certificate_file, client_key_file, ca_file;
  std::string kubeconfig_file, kubeconfig_context;
  ApiLimits api_limits = {};

  // How objects become names.
  std::uint32_t ttl = 5;
  bool pod_names = false;         // `pods insecure` and `verified`: Namespaces get a "<ns>.pod" name
  bool watch_pods = false;        // `pods verified`
  bool pod_object_names = false;  // and their names are kept, for `metadata`
  bool endpoint_pod_names = false;
  bool no_endpoints = false;
  bool ignore_empty_services = false;
  bool zonal = false;
  bool multicluster = false;  // ServiceImports become names of a clusterset
  /// The names of `k8s_external`, in ClusterTable::external.
  struct External {
    dns::DomainName zone;  // the first forward zone
    std::uint32_t ttl = 5;
    bool headless = false;
  };
  std::optional<External> external;
  dns::DomainName zone;                          // the first forward zone: PTR targets lie in it
  std::vector<base::IpAddress> local_addresses;  // the server's own, for the apex NS

  // Which objects are served; empty: all.
  std::vector<std::string> namespaces;
  std::string label_selector;            // of Services, ServiceImports and EndpointSlices, as the API writes it
  std::string namespace_label_selector;  // of Namespaces

  // Where the objects are kept for the next start; empty: nowhere.
  std::string snapshot_file;
  std::chrono::seconds snapshot_age_max{std::chrono::hours(24)};

  base::LogFunction log;
};

/// Counters for metrics; a consistent set is not promised.
struct ClusterCounters {
  std::uint64_t lists = 0;
  std::uint64_t list_failures = 0;
  std::uint64_t watches = 0;
  std::uint64_t watch_failures = 0;
  std::uint64_t events = 0;
  std::uint64_t skipped_objects = 0;  // missing or odd fields
  std::uint64_t names = 0;
  std::uint64_t pods = 0;  // addresses of Pods in Namespaces
  bool api_reachable = false;
  std::uint64_t streamed_lists = 0;
  std::uint64_t silent_watches = 0;
  std::uint64_t protobuf_answers = 0;
  /// What was wrong with what the API server sent, by kind; see Oddity in reflector.hpp.
  struct Odd {
    const char* resource;  // "services"
    const char* reason;    // "object"
    std::uint64_t count;
  };
  std::vector<Odd> odd = {};
  ApiCounters api = {};
  std::optional<SnapshotCounters> snapshot = {};  // nothing without a file
  ProgrammingDurations programming = {};
};

class Cluster {
 public:
  static std::expected<std::unique_ptr<Cluster>, std::string> create(ClusterOptions options);
  /// Stops if that was not done.
  virtual ~Cluster() = default;

  virtual void start() = 0;
  /// Ends watches and threads; the table stays readable until destruction.
  virtual void stop() = 0;
  virtual const ClusterTable& table() const = 0;
  /// The names of the clusterset; null unless ServiceImports are watched. Without reverse names and nameservers.
  virtual const ClusterTable* clusterset_table() const { return nullptr; }
  /// All tables are in step. An API server that has no ServiceImports, or not for us, is not waited for.
  virtual bool is_in_step() const { return table().synced.load(); }
  /// What is not in step answers from a snapshot. A clusterset counts once the cluster's own names are in step.
  virtual bool is_from_snapshot() const { return table().names_from.load() == NamesFrom::snapshot; }
  virtual ClusterCounters counters() const = 0;
  /// One version of the names, given to `use` on another thread, soon: while a batch is published, after it. Entries of
  /// it may be read as long as this cluster lives.
  virtual void take_version(ClusterPart, VersionUser use) { use(std::nullopt); }
};

}  // namespace fairlead::k8s
