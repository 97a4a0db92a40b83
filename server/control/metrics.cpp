#include "server/control/metrics.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <limits>
#include <map>
#include <mutex>
#include <sstream>
#include <thread>
#include <tuple>

#include "server/control/query_watch.hpp"

namespace fairlead::server {
namespace {

// The directives that may write a response; anything else is "other".
constexpr std::array<std::string_view, 37> plugin_names{
    "",         "acl",    "any",          "auto",       "autopath",    "bufsize", "cache",   "chaos",
    "dns64",    "dnssec", "erratic",      "errors",     "etcd",        "file",    "forward", "grpc",
    "header",   "hosts",  "k8s_external", "kubernetes", "loadbalance", "local",   "log",     "loop",
    "minimal",  "nsid",   "rewrite",      "root",       "secondary",   "shed",    "sign",    "template",
    "transfer", "tsig",   "view",         "whoami",     "other"};
static_assert(plugin_names.size() <= ZoneSlots::plugin_count);
static_assert(plugin_names.back() == "other");

// In the order of ZoneSlots::type_index.
constexpr std::array<std::string_view, ZoneSlots::type_count> type_names{
    "A",    "AAAA", "SRV",    "PTR",   "CNAME", "TXT",   "NS",  "SOA",  "MX",   "HTTPS",
    "SVCB", "DS",   "DNSKEY", "RRSIG", "NSEC",  "NSEC3", "ANY", "IXFR", "AXFR", "other"};
constexpr std::array<const char*, 2> proto_names{"udp", "tcp"};
constexpr std::array<const char*, 2> family_names{"1", "2"};

std::string rcode_name(std::size_t index) {
  if (index == ZoneSlots::rcode_count - 1) return "other";
  return dns::to_string(index == 11 ? dns::Rcode::badvers : static_cast<dns::Rcode>(index));
}

const std::vector<double>& duration_bounds() {
  static const std::vector<double> bounds = exponential_buckets(0.00025, 2, duration_bucket_count);
  return bounds;
}
const std::vector<double>& size_bounds() {
  static const std::vector<double> bounds(size_bucket_bounds.begin(), size_bucket_bounds.end());
  return bounds;
}

// Label values must be UTF-8, or the scraper refuses the whole page.
std::string to_label_value(std::string_view text) {
  std::string value;
  value.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    std::size_t length = lead < 0x80 ? 1 : lead >= 0xc2 && lead < 0xe0 ? 2 : lead >= 0xe0 && lead < 0xf0 ? 3 : 0;
    if (lead >= 0xf0 && lead < 0xf5) length = 4;
    bool valid = length > 0 && i + length <= text.size();
    for (std::size_t k = 1; valid && k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      valid = (next & 0xc0) == 0x80;
      // Overlong forms, surrogates and what lies above U+10FFFF.
      if (k == 1 && ((lead == 0xe0 && next < 0xa0) || (lead == 0xed && next > 0x9f) || (lead == 0xf0 && next < 0x90) ||
                     (lead == 0xf4 && next > 0x8f))) {
        valid = false;
      }
    }
    if (valid) {
      value.append(text.substr(i, length));
      i += length;
    } else {
      value += "\xEF\xBF\xBD";
      ++i;
    }
  }
  return value;
}

MetricSample counter_sample(MetricLabels labels, std::uint64_t value) {
  MetricSample sample;
  sample.labels = std::move(labels);
  sample.value = static_cast<double>(value);
  return sample;
}

// Families by name, with their samples by labels: where all sources meet.
class Page {
 public:
  void add(MetricFamily&& family) {
    auto [found, is_new] = families_.try_emplace(family.name);
    Entry& entry = found->second;
    if (is_new) {
      entry.help = std::move(family.help);
      entry.type = family.type;
    } else if (entry.type != family.type) {
      dropped_ += family.samples.size();
      return;
    }
    for (MetricSample& sample : family.samples) add(entry, std::move(sample));
  }

  std::uint64_t dropped() const { return dropped_; }

  std::vector<prometheus::MetricFamily> convert() const {
    std::vector<prometheus::MetricFamily> result;
    for (const auto& [name, entry] : families_) {
      if (entry.samples.empty()) continue;
      prometheus::MetricFamily& family = result.emplace_back();
      family.name = name;
      family.help = entry.help;
      family.type = entry.type == MetricType::counter ? prometheus::MetricType::Counter
                    : entry.type == MetricType::gauge ? prometheus::MetricType::Gauge
                                                      : prometheus::MetricType::Histogram;
      for (const auto& [labels, sample] : entry.samples) family.metric.push_back(convert(labels, sample, entry.type));
    }
    return result;
  }

 private:
  struct Entry {
    std::string help;
    MetricType type{};
    std::map<MetricLabels, MetricSample> samples;
  };

  void add(Entry& entry, MetricSample&& sample) {
    if (entry.type == MetricType::histogram && sample.counts.size() != sample.bounds.size() + 1) {
      ++dropped_;
      return;
    }
    MetricLabels labels = std::move(sample.labels);
    for (auto& [name, value] : labels) value = to_label_value(value);
    const auto found = entry.samples.find(labels);
    if (found == entry.samples.end()) {
      if (entry.samples.size() < metrics_family_samples_max) {
        entry.samples.emplace(std::move(labels), std::move(sample));
      } else {
        ++dropped_;
      }
      return;
    }
    MetricSample& held = found->second;
    switch (entry.type) {
      case MetricType::counter: held.value += sample.value; break;
      case MetricType::gauge: held.value = sample.value; break;
      case MetricType::histogram:
        if (held.bounds != sample.bounds) {
          ++dropped_;
          break;
        }
        for (std::size_t i = 0; i < held.counts.size(); ++i) held.counts[i] += sample.counts[i];
        held.sum += sample.sum;
        break;
    }
  }

  static prometheus::ClientMetric convert(const MetricLabels& labels, const MetricSample& sample, MetricType type) {
    prometheus::ClientMetric metric;
    for (const auto& [name, value] : labels) metric.label.push_back({name, value});
    switch (type) {
      case MetricType::counter: metric.counter.value = sample.value; break;
      case MetricType::gauge: metric.gauge.value = sample.value; break;
      case MetricType::histogram: {
        std::uint64_t cumulative = 0;
        for (std::size_t i = 0; i < sample.counts.size(); ++i) {
          cumulative += sample.counts[i];
          const bool last = i == sample.bounds.size();
          metric.histogram.bucket.push_back(
              {cumulative, last ? std::numeric_limits<double>::infinity() : sample.bounds[i]});
        }
        // The count is the sum of the buckets that were read, so that the two never contradict each other.
        metric.histogram.sample_count = cumulative;
        metric.histogram.sample_sum = sample.sum;
        break;
      }
    }
    return metric;
  }

  std::map<std::string, Entry> families_;
  std::uint64_t dropped_ = 0;
};

struct ZoneKey {
  std::string server, zone, view;
  friend auto operator<=>(const ZoneKey&, const ZoneKey&) = default;

  MetricLabels labels() const { return {{"server", server}, {"zone", zone}, {"view", view}}; }
  MetricLabels labels(std::initializer_list<std::pair<std::string, std::string>> more) const {
    MetricLabels all = labels();
    all.insert(all.end(), more);
    return all;
  }
};

// The families of coredns_dns_*, filled zone by zone.
class ZoneFamilies {
 public:
  using Slots = std::map<unsigned, std::unique_ptr<ZoneSlots>>;

  void add(const ZoneKey& key, const Slots& workers) {
    const auto sum = [&](auto&& pick) {
      std::uint64_t total = 0;
      for (const auto& [worker, slots] : workers) total += pick(*slots).value();
      return total;
    };
    for (std::size_t proto = 0; proto < 2; ++proto) {
      for (std::size_t family = 0; family < 2; ++family) {
        for (std::size_t type = 0; type < ZoneSlots::type_count; ++type) {
          const auto count = sum([&](auto& s) -> auto& { return s.requests[proto][family][type]; });
          if (count == 0) continue;
          requests_.samples.push_back(counter_sample(key.labels({{"proto", proto_names[proto]},
                                                                 {"family", family_names[family]},
                                                                 {"type", std::string(type_names[type])}}),
                                                     count));
        }
      }
      add_sizes(request_sizes_, key, proto, sum, [proto](auto& s) -> auto& { return s.request_sizes[proto]; });
      add_sizes(response_sizes_, key, proto, sum, [proto](auto& s) -> auto& { return s.response_sizes[proto]; });
    }
    if (const auto count = sum([](auto& s) -> auto& { return s.do_requests; })) {
      do_requests_.samples.push_back(counter_sample(key.labels(), count));
    }
    if (const auto count = sum([](auto& s) -> auto& { return s.autopath_successes; })) {
      autopaths_.samples.push_back(counter_sample({{"server", key.server}}, count));
    }
    if (const auto count = sum([](auto& s) -> auto& { return s.acl_allowed; })) {
      acl_allowed_.samples.push_back(counter_sample({{"server", key.server}, {"view", key.view}}, count));
    }
    for (std::size_t plugin = 0; plugin < plugin_names.size(); ++plugin) {
      for (std::size_t rcode = 0; rcode < ZoneSlots::rcode_count; ++rcode) {
        const auto count = sum([&](auto& s) -> auto& { return s.responses[plugin][rcode]; });
        if (count == 0) continue;
        responses_.samples.push_back(counter_sample(
            key.labels({{"rcode", rcode_name(rcode)}, {"plugin", std::string(plugin_names[plugin])}}), count));
      }
    }
    MetricSample durations;
    durations.labels = key.labels();
    durations.bounds = duration_bounds();
    std::uint64_t total = 0;
    for (std::size_t i = 0; i <= duration_bucket_count; ++i) {
      durations.counts.push_back(sum([&](auto& s) -> auto& { return s.durations.buckets[i]; }));
      total += durations.counts.back();
    }
    durations.sum = static_cast<double>(sum([](auto& s) -> auto& { return s.durations.sum; })) / 1e9;
    if (total > 0) durations_.samples.push_back(std::move(durations));
  }

  void move_to(Page& page) {
    for (MetricFamily* family : {&requests_, &do_requests_, &durations_, &request_sizes_, &response_sizes_, &responses_,
                                 &autopaths_, &acl_allowed_}) {
      page.add(std::move(*family));
    }
  }

 private:
  template <typename Sum, typename Pick>
  static void add_sizes(MetricFamily& family, const ZoneKey& key, std::size_t proto, const Sum& sum, const Pick& pick) {
    MetricSample sample;
    std::uint64_t total = 0;
    for (std::size_t i = 0; i <= size_bucket_bounds.size(); ++i) {
      sample.counts.push_back(sum([&](auto& s) -> auto& { return pick(s).buckets[i]; }));
      total += sample.counts.back();
    }
    if (total == 0) return;
    sample.labels = key.labels({{"proto", proto_names[proto]}});
    sample.bounds = size_bounds();
    sample.sum = static_cast<double>(sum([&](auto& s) -> auto& { return pick(s).sum; }));
    family.samples.push_back(std::move(sample));
  }

  MetricFamily requests_{"coredns_dns_requests_total",
                         "Counter of DNS requests made per zone, protocol and family.",
                         MetricType::counter,
                         {}};
  MetricFamily do_requests_{
      "coredns_dns_do_requests_total", "Counter of DNS requests with DO bit set per zone.", MetricType::counter, {}};
  MetricFamily durations_{"coredns_dns_request_duration_seconds",
                          "Histogram of the time (in seconds) each request took per zone.",
                          MetricType::histogram,
                          {}};
  MetricFamily request_sizes_{
      "coredns_dns_request_size_bytes", "Size of the request in bytes.", MetricType::histogram, {}};
  MetricFamily response_sizes_{
      "coredns_dns_response_size_bytes", "Size of the returned response in bytes.", MetricType::histogram, {}};
  MetricFamily responses_{"coredns_dns_responses_total", "Counter of response status codes.", MetricType::counter, {}};
  MetricFamily acl_allowed_{
      "coredns_acl_allowed_requests_total", "Counter of DNS requests being allowed.", MetricType::counter, {}};
  MetricFamily autopaths_{
      "coredns_autopath_success_total", "Counter of requests that did autopath.", MetricType::counter, {}};
};

}  // namespace

PluginLabel plugin_label(std::string_view directive) {
  const auto found = std::ranges::find(plugin_names, directive);
  const auto index =
      found == plugin_names.end() ? plugin_names.size() - 1 : static_cast<std::size_t>(found - plugin_names.begin());
  return static_cast<PluginLabel>(index);
}

std::string_view to_string(PluginLabel label) {
  return plugin_names[std::min(static_cast<std::size_t>(label), plugin_names.size() - 1)];
}

std::vector<double> exponential_buckets(double first, double factor, std::size_t count) {
  std::vector<double> bounds;
  for (; bounds.size() < count; first *= factor) bounds.push_back(first);
  return bounds;
}

SharedHistogram::SharedHistogram(std::vector<double> bounds)
    : bounds_(std::move(bounds)), counts_(new std::atomic<std::uint64_t>[bounds_.size() + 1]()) {}

void SharedHistogram::observe(double value) {
  const auto bucket = std::ranges::lower_bound(bounds_, value) - bounds_.begin();
  counts_[static_cast<std::size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

std::vector<std::uint64_t> SharedHistogram::counts() const {
  std::vector<std::uint64_t> counts;
  for (std::size_t i = 0; i <= bounds_.size(); ++i) counts.push_back(counts_[i].load(std::memory_order_relaxed));
  return counts;
}

struct MetricsRegistry::State {
  // One shared metric; which pointer is set follows from the family's type.
  struct Shared {
    std::unique_ptr<SharedCounter> counter;
    std::unique_ptr<SharedGauge> gauge;
    std::unique_ptr<SharedHistogram> histogram;
  };
  struct SharedFamily {
    std::string help;
    MetricType type{};
    std::map<MetricLabels, Shared> metrics;
  };

  // Null when the name has another type or there is no more room.
  Shared* find_or_add(MetricType type, std::string_view name, std::string_view help, MetricLabels&& labels) {
    auto family = shared.find(name);
    if (family != shared.end()) {
      if (family->second.type != type) return nullptr;
      if (const auto found = family->second.metrics.find(labels); found != family->second.metrics.end()) {
        return &found->second;
      }
    }
    if (shared_count >= metrics_shared_max) return nullptr;
    if (family == shared.end()) {
      family = shared.emplace(std::string(name), SharedFamily{std::string(help), type, {}}).first;
    }
    ++shared_count;
    return &family->second.metrics[std::move(labels)];
  }

  std::mutex mutex;  // all but the collectors
  std::map<ZoneKey, ZoneFamilies::Slots> zones;
  std::size_t zone_slots_count = 0;
  std::map<std::string, SharedFamily, std::less<>> shared;
  std::size_t shared_count = 0;
  std::uint64_t dropped = 0;
  std::vector<EnabledPlugin> enabled_plugins;
  std::string reload_version;
  // What is counted here is not shown.
  SharedCounter lost_counter;
  SharedGauge lost_gauge;
  SharedHistogram lost_histogram{{}};

  // Held while collectors run, so that a Registration's end waits for them. Taken before `mutex`.
  std::mutex scrape_mutex;
  std::map<std::uint64_t, MetricsCollector> collectors;
  std::uint64_t next_collector = 1;
  std::uint64_t failed_collections = 0;

  // There is no worker more than there are cores.
  QueryWatches query_watches{std::thread::hardware_concurrency()};
};

MetricsRegistry::MetricsRegistry() : state_(std::make_unique<State>()) {
  panics_ = counter("coredns_panics_total", "A metrics that counts the number of panics.");
  failed_reloads_ = counter("coredns_reload_failed_total", "Counter of the number of failed reload attempts.");
  health_durations_ =
      histogram("coredns_health_request_duration_seconds", "Histogram of the time (in seconds) each request took.",
                exponential_buckets(0.00025, 10, 5));
  health_failures_ = counter("coredns_health_request_failures_total", "The number of times the health check failed.");
  gauge("coredns_build_info", "A metric with a constant '1' value labeled by version, revision, and goversion.",
        {{"version", "fairlead-" FAIRLEAD_VERSION}, {"revision", ""}, {"goversion", ""}})
      ->set(1);
}

MetricsRegistry::~MetricsRegistry() = default;

QueryWatches& MetricsRegistry::query_watches() { return state_->query_watches; }

ZoneSlots* MetricsRegistry::zone_slots(unsigned worker, std::string_view server, std::string_view zone,
                                       std::string_view view) {
  const std::scoped_lock lock(state_->mutex);
  const ZoneKey key{std::string(server), std::string(zone), std::string(view)};
  auto found = state_->zones.find(key);
  if (found != state_->zones.end()) {
    if (const auto slots = found->second.find(worker); slots != found->second.end()) return slots->second.get();
  }
  if (state_->zone_slots_count >= metrics_zone_slots_max) {
    // Still one writer for each: the number of workers bounds these.
    ++state_->dropped;
    auto& slots = state_->zones[ZoneKey{"other", "other", ""}][worker];
    if (!slots) slots = std::make_unique<ZoneSlots>();
    return slots.get();
  }
  ++state_->zone_slots_count;
  return (state_->zones[key][worker] = std::make_unique<ZoneSlots>()).get();
}

SharedCounter* MetricsRegistry::counter(std::string_view name, std::string_view help, MetricLabels labels) {
  const std::scoped_lock lock(state_->mutex);
  auto* shared = state_->find_or_add(MetricType::counter, name, help, std::move(labels));
  if (!shared) {
    ++state_->dropped;
    return &state_->lost_counter;
  }
  if (!shared->counter) shared->counter = std::make_unique<SharedCounter>();
  return shared->counter.get();
}

SharedGauge* MetricsRegistry::gauge(std::string_view name, std::string_view help, MetricLabels labels) {
  const std::scoped_lock lock(state_->mutex);
  auto* shared = state_->find_or_add(MetricType::gauge, name, help, std::move(labels));
  if (!shared) {
    ++state_->dropped;
    return &state_->lost_gauge;
  }
  if (!shared->gauge) shared->gauge = std::make_unique<SharedGauge>();
  return shared->gauge.get();
}

SharedHistogram* MetricsRegistry::histogram(std::string_view name, std::string_view help, std::vector<double> bounds,
                                            MetricLabels labels) {
  const std::scoped_lock lock(state_->mutex);
  auto* shared = state_->find_or_add(MetricType::histogram, name, help, std::move(labels));
  if (!shared) {
    ++state_->dropped;
    return &state_->lost_histogram;
  }
  if (!shared->histogram) shared->histogram = std::make_unique<SharedHistogram>(std::move(bounds));
  return shared->histogram.get();
}

MetricsRegistry::Registration::Registration(Registration&& other) noexcept
    : registry_(std::exchange(other.registry_, nullptr)), id_(other.id_) {}

MetricsRegistry::Registration& MetricsRegistry::Registration::operator=(Registration&& other) noexcept {
  std::swap(registry_, other.registry_);
  std::swap(id_, other.id_);
  return *this;
}

MetricsRegistry::Registration::~Registration() {
  if (!registry_) return;
  const std::scoped_lock lock(registry_->state_->scrape_mutex);
  registry_->state_->collectors.erase(id_);
}

MetricsRegistry::Registration MetricsRegistry::add_collector(MetricsCollector collector) {
  const std::scoped_lock lock(state_->scrape_mutex);
  Registration registration;
  registration.registry_ = this;
  registration.id_ = state_->next_collector++;
  state_->collectors.emplace(registration.id_, std::move(collector));
  return registration;
}

void MetricsRegistry::set_enabled_plugins(std::vector<EnabledPlugin> plugins) {
  const std::scoped_lock lock(state_->mutex);
  state_->enabled_plugins = std::move(plugins);
}

void MetricsRegistry::set_reload_version(std::string sha512) {
  const std::scoped_lock lock(state_->mutex);
  state_->reload_version = std::move(sha512);
}

void MetricsRegistry::observe_dns_programming(std::string_view service_kind, double seconds) {
  histogram("coredns_kubernetes_dns_programming_duration_seconds",
            "Histogram of the time (in seconds) it took to program a dns instance.", exponential_buckets(0.001, 2, 20),
            {{"service_kind", std::string(service_kind)}})
      ->observe(seconds);
}

std::string MetricsRegistry::scrape() {
  const std::scoped_lock scrape_lock(state_->scrape_mutex);
  Page page;
  for (const auto& [id, collector] : state_->collectors) {
    std::vector<MetricFamily> families;
    try {
      collector(families);
    } catch (...) {
      ++state_->failed_collections;
      continue;
    }
    for (MetricFamily& family : families) page.add(std::move(family));
  }

  const std::scoped_lock lock(state_->mutex);
  ZoneFamilies zones;
  for (const auto& [key, workers] : state_->zones) zones.add(key, workers);
  zones.move_to(page);

  for (const auto& [name, family] : state_->shared) {
    MetricFamily shown{name, family.help, family.type, {}};
    for (const auto& [labels, shared] : family.metrics) {
      MetricSample sample;
      sample.labels = labels;
      if (shared.counter) sample.value = static_cast<double>(shared.counter->value());
      if (shared.gauge) sample.value = shared.gauge->value();
      if (shared.histogram) {
        sample.bounds = shared.histogram->bounds();
        sample.counts = shared.histogram->counts();
        sample.sum = shared.histogram->sum();
      }
      shown.samples.push_back(std::move(sample));
    }
    page.add(std::move(shown));
  }

  MetricFamily enabled{"coredns_plugin_enabled",
                       "A metric that indicates whether a plugin is enabled on per server and zone basis.",
                       MetricType::gauge,
                       {}};
  for (const EnabledPlugin& plugin : state_->enabled_plugins) {
    enabled.samples.push_back(counter_sample(
        {{"server", plugin.server}, {"zone", plugin.zone}, {"view", plugin.view}, {"name", plugin.name}}, 1));
  }
  page.add(std::move(enabled));

  MetricFamily version{"coredns_reload_version_info",
                       "A metric with a constant '1' value labeled by hash, and value which type of hash generated.",
                       MetricType::gauge,
                       {}};
  if (!state_->reload_version.empty()) {
    version.samples.push_back(counter_sample({{"hash", "sha512"}, {"value", state_->reload_version}}, 1));
  }
  page.add(std::move(version));

  page.add({"fairlead_metrics_dropped_series",
            "Series that were asked for beyond the limits, or that contradict another series, and are not shown.",
            MetricType::gauge,
            {counter_sample({}, state_->dropped + page.dropped())}});
  page.add({"fairlead_metrics_failed_collections_total",
            "Sources of metrics that failed while they were read.",
            MetricType::counter,
            {counter_sample({}, state_->failed_collections)}});

  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, page.convert());
  return std::move(text).str();
}

}  // namespace fairlead::server
