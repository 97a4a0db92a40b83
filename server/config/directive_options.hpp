// The typed options of every directive that Fairlead serves, as plain structs.
//
// A struct holds what the Corefile says, checked, with CoreDNS's defaults filled in. Nothing here is resolved: a file
// reference is still a path and an interface still a name, because a pure description can be compared and tested, and
// what it points to may change between two reloads.
//
// Threads: values; immutable once load_corefile() has returned them.
// Standards: CoreDNS 1.14's plugin READMEs for syntax and defaults.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "server/config/fault.hpp"
#include "server/config/log_format.hpp"
#include "server/config/regular_expression.hpp"
#include "zones/dns/domain_name.hpp"

namespace fairlead::server {

using Duration = std::chrono::nanoseconds;

/// An IP address in its canonical text ("10.0.0.1", "2001:db8::1", "fe80::1%eth0") and a port.
struct IpEndpoint {
  std::string address;
  std::uint16_t port = 0;

  bool is_ipv6() const { return address.find(':') != std::string::npos; }
  friend bool operator==(const IpEndpoint&, const IpEndpoint&) = default;
};
/// "10.0.0.1:53", "[2001:db8::1]:53".
std::string to_string(const IpEndpoint& endpoint);

/// Where an HTTP responder listens. An empty host is every local address; it may be a name such as "localhost".
struct HttpAddress {
  std::string host;
  std::uint16_t port = 0;

  friend bool operator==(const HttpAddress&, const HttpAddress&) = default;
};
/// As it is written in a Corefile: ":8080", "127.0.0.1:8080", "[::1]:8080".
std::string to_string(const HttpAddress& address);

/// `fallthrough [ZONES...]`: which NXDOMAINs go on to the next directive.
struct Fallthrough {
  bool enabled = false;
  std::vector<dns::DomainName> zones;  // empty: all zones of the directive

  bool covers(dns::NameView qname) const;
  friend bool operator==(const Fallthrough&, const Fallthrough&) = default;
};

// In the order of the directive table.

/// `metadata [ZONES...]`
struct MetadataOptions {
  std::vector<dns::DomainName> zones;
};

/// `reload [INTERVAL] [JITTER]`
struct ReloadOptions {
  Duration interval = std::chrono::seconds(30);
  Duration jitter = std::chrono::seconds(15);  // at most half of the interval; 0 switches it off
};

/// `bind ADDRESS|IFACE... { except ADDRESS|IFACE... }`
struct BindOptions {
  struct Target {
    std::string text;  // canonical IP address, or the name of an interface
    bool is_interface = false;
    friend bool operator==(const Target&, const Target&) = default;
  };
  std::vector<Target> targets;
  std::vector<Target> except;
};

/// `debug`
struct DebugOptions {};

/// `ready [ADDRESS] { monitor until-ready|continuously }`
struct ReadyOptions {
  enum class Monitor { until_ready, continuously };
  HttpAddress address{"", 8181};
  Monitor monitor = Monitor::until_ready;
};

/// `health [ADDRESS] { lameduck DURATION }`
struct HealthOptions {
  HttpAddress address{"", 8080};
  Duration lameduck{0};
};

/// `prometheus [ADDRESS]`
struct PrometheusOptions {
  HttpAddress address{"localhost", 9153};
  bool runtime_metrics = false;  // Go's runtime; accepted without effect
  std::string tls_config_file;
};

/// `errors { stacktrace; consolidate DURATION REGEXP [LEVEL] [show_first] }`
struct ErrorsOptions {
  enum class Level { debug, info, warning, error };
  struct Consolidate {
    Duration period{0};
    RegularExpression pattern;
    Level level = Level::error;
    bool show_first = false;
  };
  std::vector<Consolidate> consolidate;  // the first that matches takes the message
  bool stacktrace = false;               // accepted without effect
};

/// `log [NAMES...] [FORMAT] { class CLASSES... }`; a block may have several, the first whose names cover a query
/// counts.
struct LogOptions {
  struct Classes {
    bool success = true;
    bool denial = true;
    bool error = true;
    friend bool operator==(const Classes&, const Classes&) = default;
  };
  std::vector<dns::DomainName> names;  // never empty; the root is every name
  LogFormat format;
  Classes classes;
};

/// `loadbalance [round_robin | weighted FILE { reload DURATION }] { prefer CIDR... }`
struct LoadbalanceOptions {
  enum class Policy { round_robin, weighted };
  Policy policy = Policy::round_robin;
  std::string weight_file;
  Duration weight_reload = std::chrono::seconds(30);
  std::vector<std::string> prefer;  // networks, "10.0.0.0/8"
};

/// `autopath [ZONES...] RESOLV-CONF|@kubernetes`
struct AutopathOptions {
  SourceLine at;
  std::vector<dns::DomainName> zones;
  bool from_kubernetes = false;
  std::string resolv_conf;  // as written; its search list is walked
};

/// `cache [TTL] [ZONES...] { ... }`. Cluster names bypass the cache handler, whatever is written here.
struct CacheOptions {
  struct Share {
    std::size_t capacity = 9984;  // entries
    std::chrono::seconds ttl_max{0};
    std::chrono::seconds ttl_min{5};
    std::vector<dns::DomainName> disabled_zones;  // names at or below these are not cached; the root is every name
  };
  struct Prefetch {
    std::size_t amount = 0;
    Duration duration = std::chrono::minutes(1);
    unsigned percentage = 10;
  };
  struct ServeStale {
    Duration up_to = std::chrono::hours(1);
    bool verify = false;
    Duration verify_timeout{0};
    std::chrono::seconds response_ttl{0};
    Duration failure_recheck{0};
    bool prefer_positive = false;
  };
  std::vector<dns::DomainName> zones;
  Share success{9984, std::chrono::seconds(3600), std::chrono::seconds(5), {}};
  Share denial{9984, std::chrono::seconds(1800), std::chrono::seconds(5), {}};
  Duration servfail_ttl = std::chrono::seconds(5);  // RFC 2308 §7.1: never above five minutes
  std::optional<Prefetch> prefetch;
  std::optional<ServeStale> serve_stale;
  bool keep_ttl = false;
};

/// `transfer [ZONES...] { to ADDRESS...|*; source ADDRESS }`; a block may have several, the longest match counts.
struct TransferOptions {
  std::vector<dns::DomainName> zones;
  bool to_all = false;         // `to *`
  std::vector<IpEndpoint> to;  // who may transfer, from any port; NOTIFY goes to the port
  std::string source;          // the address that NOTIFY comes from; empty: any
};

/// `k8s_external [ZONES...] { ... }`, beside `kubernetes` in the same block
struct K8sExternalOptions {
  std::vector<dns::DomainName> zones;  // reverse zones included
  std::size_t primary_zone = 0;        // index of the first zone that is not a reverse zone
  std::string apex = "dns";            // the label above the nameserver's, in lower case
  std::uint32_t ttl = 5;
  bool headless = false;
  Fallthrough fallthrough;
};

/// `kubernetes [ZONES...] { ... }`
struct KubernetesOptions {
  enum class Pods { disabled, insecure, verified };
  struct ClientTls {
    std::string certificate_file;
    std::string key_file;
    std::string ca_file;
  };
  struct Kubeconfig {
    std::string file;
    std::string context;  // empty: the file's current context
  };
  std::vector<dns::DomainName> zones;  // reverse zones included
  std::size_t primary_zone = 0;        // index of the first zone that is not a reverse zone
  Pods pods = Pods::disabled;
  std::uint32_t ttl = 5;
  Fallthrough fallthrough;
  std::string endpoint;  // URL; empty: the in-cluster service account
  std::optional<ClientTls> tls;
  std::optional<Kubeconfig> kubeconfig;
  Duration startup_timeout = std::chrono::seconds(5);
  std::vector<std::string> namespaces;
  std::string namespace_labels;  // a label selector; empty: none
  std::string labels;
  bool endpoints = true;  // false: noendpoints
  bool endpoint_pod_names = false;
  bool ignore_empty_service = false;
  std::vector<dns::DomainName> multicluster_zones;
  bool zonal = false;
  double apiserver_qps = 0;                  // 0: no limit of ours
  std::uint32_t apiserver_burst = 0;         // 0: no limit of ours
  std::uint32_t apiserver_max_inflight = 0;  // 0: no limit of ours
  struct Snapshot {
    std::string file;
    Duration age_max = std::chrono::hours(24);
    std::string directive;  // the words of the whole directive: blocks with the same ones may share a file
  };
  std::optional<Snapshot> snapshot;
};

/// `loop`
struct LoopOptions {
  dns::DomainName zone;   // the probe's name is below the block's first zone
  bool degrades = false;  // a loop ends forwarding, not the server
};

/// `forward FROM TO... { ... }`; a block may have several, asked in file order.
struct ForwardOptions {
  enum class Policy { random, round_robin, sequential };
  enum class Transport { dns, tls, https };
  struct Address {
    Transport transport = Transport::dns;
    IpEndpoint endpoint;
    std::string tls_server_name;
  };
  struct ResolvConf {
    std::string path;  // as written; its nameserver lines are the upstreams
  };
  struct Host {
    Transport transport = Transport::dns;
    std::string name;
    std::uint16_t port = 53;
    std::string tls_server_name;
  };
  using Upstream = std::variant<Address, ResolvConf, Host>;
  struct Tls {
    std::string certificate_file;
    std::string key_file;
    std::string ca_file;
  };
  SourceLine at;
  dns::DomainName from;
  std::vector<Upstream> to;
  std::vector<dns::DomainName> except;
  bool force_tcp = false;
  bool prefer_udp = false;
  Duration expire = std::chrono::seconds(10);
  Duration max_age{0};
  std::uint32_t max_fails = 2;  // 0: never marked down, never probed
  Policy policy = Policy::random;
  Duration health_check_interval = std::chrono::milliseconds(500);
  bool health_check_recursion_desired = true;
  dns::DomainName health_check_domain;  // the root unless set
  std::uint32_t max_concurrent = 0;     // 0: no limit of the Corefile's
  std::uint32_t max_idle_conns = 0;     // 0: no limit of the Corefile's
  Duration read_timeout = std::chrono::seconds(2);
  std::optional<std::uint32_t> max_connect_attempts;
  bool failfast_all_unhealthy_upstreams = false;
  std::vector<std::uint16_t> failover_rcodes;
  std::vector<std::uint16_t> next_rcodes;
  bool next_on_nodata = false;
  std::optional<Tls> tls;
  std::string tls_server_name;
  bool doh_get = false;
  std::string source_address;
  std::vector<IpEndpoint> resolver;
};

}  // namespace fairlead::server
