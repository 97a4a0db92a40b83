// The server's metrics, under CoreDNS 1.14's names, labels and buckets, so that its dashboards and alerts work
// unedited.
//
// Three ways in, by how often they are used:
//   - ZoneSlots: per query. Plain counters that belong to one worker alone and are summed when someone scrapes.
//   - SharedCounter, SharedGauge, SharedHistogram: for rare events from any thread (a reload, a health check).
//   - add_collector(): figures that someone else keeps (a cache's size), read when someone scrapes.
//
// Threads: everything in MetricsRegistry from any thread. A ZoneSlots is written by its worker only, and read by any.
// Limits: metrics_zone_slots_max slots and metrics_shared_max shared metrics; what is asked for beyond them counts
//   under "other" or is not shown, and fairlead_metrics_dropped_series says how many. metrics_family_samples_max
//   samples are written of one family.
// Errors: none; a collector that throws is left out of that scrape and counted.
// Standards: the Prometheus text format 0.0.4.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "zones/base/counter.hpp"
#include "zones/dns/rcode.hpp"
#include "zones/dns/rr_type.hpp"

namespace fairlead::server {

inline constexpr std::size_t metrics_zone_slots_max = 4096;  // of some 5 kB each
inline constexpr std::size_t metrics_shared_max = 10000;
inline constexpr std::size_t metrics_family_samples_max = 20000;

enum class Proto : std::uint8_t { udp, tcp };
enum class Family : std::uint8_t { ipv4, ipv6 };

/// The `plugin` label: the directive that wrote the response. The empty one is the server itself.
enum class PluginLabel : std::uint8_t {};
inline constexpr PluginLabel no_plugin{0};
/// Looked up when a plan is built, not per query. A name that no directive of ours has is "other".
PluginLabel plugin_label(std::string_view directive);
std::string_view to_string(PluginLabel label);

// The bounds of coredns_dns_request_duration_seconds: 0.25 ms, doubled up to 8.192 s.
inline constexpr std::size_t duration_bucket_count = 16;
// The bounds of coredns_dns_*_size_bytes.
inline constexpr std::array<std::uint32_t, 14> size_bucket_bounds{0,    100,  200,  300,   400,   511,   1023,
                                                                  2047, 4095, 8291, 16000, 32000, 48000, 64000};

/// One worker's counters of one zone of one server.
class alignas(64) ZoneSlots {
 public:
  static constexpr std::size_t type_count = 20;   // CoreDNS's nineteen and "other"
  static constexpr std::size_t rcode_count = 13;  // RCODEs 0 to 10, BADVERS, and all others
  static constexpr std::size_t plugin_count = 40;

  /// A query as it was received, before any directive rewrites it.
  void count_request(Proto proto, Family family, dns::RRType type, std::size_t size, bool dnssec_ok) {
    requests[index(proto)][index(family)][type_index(type)].add();
    request_sizes[index(proto)].buckets[size_bucket(size)].add();
    request_sizes[index(proto)].sum.add(size);
    if (dnssec_ok) do_requests.add();
  }

  /// Its response, as it was sent.
  void count_response(Proto proto, dns::Rcode rcode, PluginLabel plugin, std::size_t size,
                      std::chrono::nanoseconds duration) {
    responses[static_cast<std::size_t>(plugin) % plugin_count][rcode_index(rcode)].add();
    response_sizes[index(proto)].buckets[size_bucket(size)].add();
    response_sizes[index(proto)].sum.add(size);
    const auto ns = duration.count() > 0 ? static_cast<std::uint64_t>(duration.count()) : 0;
    durations.buckets[duration_bucket(ns)].add();
    durations.sum.add(ns);
  }

  /// The bucket of a duration, duration_bucket_count for +Inf.
  static std::size_t duration_bucket(std::uint64_t ns) {
    if (ns <= 250'000) return 0;
    const auto bucket = static_cast<std::size_t>(std::bit_width((ns - 1) / 250'000));
    return bucket < duration_bucket_count ? bucket : duration_bucket_count;
  }
  /// The bucket of a size, size_bucket_bounds.size() for +Inf.
  static std::size_t size_bucket(std::size_t size) {
    if (size <= 400) return (size + 99) / 100;
    std::size_t bucket = 5;
    while (bucket < size_bucket_bounds.size() && size > size_bucket_bounds[bucket]) ++bucket;
    return bucket;
  }
  static std::size_t type_index(dns::RRType type);
  static std::size_t rcode_index(dns::Rcode rcode) {
    const auto value = static_cast<std::size_t>(rcode);
    return value <= 10 ? value : rcode == dns::Rcode::badvers ? 11 : 12;
  }

  // Read by the registry.
  struct Sizes {
    std::array<base::Counter, size_bucket_bounds.size() + 1> buckets{};
    base::Counter sum;
  };
  struct Durations {
    std::array<base::Counter, duration_bucket_count + 1> buckets{};
    base::Counter sum;  // nanoseconds
  };
  base::Counter do_requests;
  base::Counter autopath_successes;
  base::Counter acl_allowed;
  Durations durations;
  std::array<Sizes, 2> request_sizes;
  std::array<Sizes, 2> response_sizes;
  std::array<std::array<std::array<base::Counter, type_count>, 2>, 2> requests{};
  std::array<std::array<base::Counter, rcode_count>, plugin_count> responses{};

 private:
  template <typename E>
  static std::size_t index(E value) {
    return static_cast<std::size_t>(value) & 1;
  }
};

inline std::size_t ZoneSlots::type_index(dns::RRType type) {
  switch (type) {
    case dns::RRType::a: return 0;
    case dns::RRType::aaaa: return 1;
    case dns::RRType::srv: return 2;
    case dns::RRType::ptr: return 3;
    case dns::RRType::cname: return 4;
    case dns::RRType::txt: return 5;
    case dns::RRType::ns: return 6;
    case dns::RRType::soa: return 7;
    case dns::RRType::mx: return 8;
    case dns::RRType::https: return 9;
    case dns::RRType::svcb: return 10;
    case dns::RRType::ds: return 11;
    case dns::RRType::dnskey: return 12;
    case dns::RRType::rrsig: return 13;
    case dns::RRType::nsec: return 14;
    case dns::RRType::nsec3: return 15;
    case dns::RRType::any: return 16;
    case dns::RRType::ixfr: return 17;
    case dns::RRType::axfr: return 18;
    default: return 19;
  }
}

/// Buckets as prometheus.ExponentialBuckets gives them.
std::vector<double> exponential_buckets(double first, double factor, std::size_t count);

class QueryWatches;

class SharedCounter {
 public:
  void add(std::uint64_t by = 1) { count_.fetch_add(by, std::memory_order_relaxed); }
  std::uint64_t value() const { return count_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> count_{0};
};

class SharedGauge {
 public:
  void set(double value) { value_.store(value, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

class SharedHistogram {
 public:
  /// `bounds` ascend; +Inf is added.
  explicit SharedHistogram(std::vector<double> bounds);
  void observe(double value);

  const std::vector<double>& bounds() const { return bounds_; }
  /// Not cumulative, one longer than bounds().
  std::vector<std::uint64_t> counts() const;
  double sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  const std::vector<double> bounds_;
  const std::unique_ptr<std::atomic<std::uint64_t>[]> counts_;
  std::atomic<double> sum_{0};
};

enum class MetricType : std::uint8_t { counter, gauge, histogram };
using MetricLabels = std::vector<std::pair<std::string, std::string>>;

struct MetricSample {
  MetricLabels labels = {};
  double value = 0;  // a counter or gauge
  // A histogram: counts per bucket, not cumulative, one more than bounds.
  std::vector<double> bounds = {};
  std::vector<std::uint64_t> counts = {};
  double sum = 0;
};

struct MetricFamily {
  std::string name;
  std::string help;
  MetricType type = MetricType::gauge;
  std::vector<MetricSample> samples;
};

/// Adds its families to what it is given. Families of one name are merged; of samples with equal labels counters and
/// histograms are added up and the last gauge holds.
using MetricsCollector = std::function<void(std::vector<MetricFamily>&)>;

/// One directive of one zone, for coredns_plugin_enabled.
struct EnabledPlugin {
  std::string server, zone, view, name;
  friend auto operator<=>(const EnabledPlugin&, const EnabledPlugin&) = default;
};

class MetricsRegistry {
 public:
  MetricsRegistry();
  ~MetricsRegistry();
  MetricsRegistry(const MetricsRegistry&) = delete;
  MetricsRegistry& operator=(const MetricsRegistry&) = delete;

  /// Stable for the registry's life, never null; the same arguments give the same slots, so counters go on over a
  /// reload. `server` as in "dns://:53", `zone` with its closing dot, or "dropped" for what never reached a zone.
  ZoneSlots* zone_slots(unsigned worker, std::string_view server, std::string_view zone, std::string_view view = "");

  /// Likewise stable and never null. Name and type belong together: a name of another type gives a metric that is
  /// not shown.
  SharedCounter* counter(std::string_view name, std::string_view help, MetricLabels labels = {});
  SharedGauge* gauge(std::string_view name, std::string_view help, MetricLabels labels = {});
  SharedHistogram* histogram(std::string_view name, std::string_view help, std::vector<double> bounds,
                             MetricLabels labels = {});

  /// Ends the collector when it is destroyed; waits for a scrape under way. Not to be destroyed by the collector
  /// itself, nor after the registry.
  class Registration {
   public:
    Registration() = default;
    Registration(Registration&& other) noexcept;
    Registration& operator=(Registration&& other) noexcept;
    ~Registration();

   private:
    friend class MetricsRegistry;
    MetricsRegistry* registry_ = nullptr;
    std::uint64_t id_ = 0;
  };
  [[nodiscard]] Registration add_collector(MetricsCollector collector);

  /// coredns_plugin_enabled; replaces what was set before.
  void set_enabled_plugins(std::vector<EnabledPlugin> plugins);
  /// coredns_reload_version_info: the SHA-512 of the Corefile, in hex.
  void set_reload_version(std::string sha512);

  // CoreDNS's process-wide metrics; present from the start, at zero.
  SharedCounter& panics() { return *panics_; }
  SharedCounter& failed_reloads() { return *failed_reloads_; }
  SharedHistogram& health_durations() { return *health_durations_; }  // seconds
  SharedCounter& health_failures() { return *health_failures_; }
  /// Seconds from the change of an object to its visibility; service_kind is "cluster_ip", "headless_with_selector"
  /// or "headless_without_selector".
  void observe_dns_programming(std::string_view service_kind, double seconds);

  /// Who asks most, and what took long; for pages of their own.
  QueryWatches& query_watches();

  /// The body of /metrics and its content type.
  std::string scrape();
  static constexpr std::string_view content_type = "text/plain; version=0.0.4; charset=utf-8";

 private:
  struct State;
  std::unique_ptr<State> state_;
  SharedCounter* panics_;
  SharedCounter* failed_reloads_;
  SharedHistogram* health_durations_;
  SharedCounter* health_failures_;
};

}  // namespace fairlead::server
