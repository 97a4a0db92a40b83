#include "server/control/source_metrics.hpp"

#include <array>
#include <utility>

namespace fairlead::server {
namespace {

// A family with one sample; the registry merges those of one name.
void add(std::vector<MetricFamily>& families, MetricType type, const char* name, const char* help, MetricLabels labels,
         std::uint64_t value) {
  MetricSample sample;
  sample.labels = std::move(labels);
  sample.value = static_cast<double>(value);
  families.push_back({name, help, type, {std::move(sample)}});
}

template <typename Source, typename Pick>
std::uint64_t sum(const std::vector<const Source*>& workers, Pick&& pick) {
  std::uint64_t total = 0;
  for (const Source* worker : workers) total += pick(*worker).value();
  return total;
}

// Sums a member of every worker.
template <typename Source>
std::uint64_t sum(const std::vector<const Source*>& workers, base::Counter Source::* member) {
  return sum(workers, [member](const Source& worker) -> const base::Counter& { return worker.*member; });
}

MetricLabels with(MetricLabels labels, const char* name, std::string value) {
  labels.emplace_back(name, std::move(value));
  return labels;
}

void collect_cache_share(const CacheSource& source, const char* type,
                         resolver::CacheShareCounters resolver::CacheCounters::* share,
                         std::vector<MetricFamily>& families) {
  const MetricLabels labels{{"server", source.server}, {"type", type}, {"zones", source.zones}, {"view", source.view}};
  const auto total = [&](base::Counter resolver::CacheShareCounters::* member) {
    return sum(source.workers, [&](const auto& worker) -> const base::Counter& { return (worker.*share).*member; });
  };
  add(families, MetricType::gauge, "coredns_cache_entries", "The number of elements in the cache.", labels,
      total(&resolver::CacheShareCounters::entries));
  add(families, MetricType::counter, "coredns_cache_hits_total", "The count of cache hits.", labels,
      total(&resolver::CacheShareCounters::hits));
  add(families, MetricType::counter, "coredns_cache_evictions_total", "The count of cache evictions.", labels,
      total(&resolver::CacheShareCounters::evictions));
  add(families, MetricType::gauge, "fairlead_cache_size_bytes", "Memory that the cached replies take.", labels,
      total(&resolver::CacheShareCounters::octets));
}

void collect_upstream(const std::string& proxy_name, const ForwardSource::Upstream& upstream,
                      std::vector<MetricFamily>& families) {
  using Counters = resolver::UpstreamCounters;
  const MetricLabels labels{{"proxy_name", proxy_name}, {"to", upstream.to}};

  MetricFamily durations{
      "coredns_proxy_request_duration_seconds", "Histogram of the time each request took.", MetricType::histogram, {}};
  for (std::size_t slot = 0; slot < resolver::rcode_slots; ++slot) {
    MetricSample sample;
    std::uint64_t requests = 0;
    for (std::size_t bucket = 0; bucket <= resolver::duration_buckets; ++bucket) {
      sample.counts.push_back(sum(upstream.workers, [&](const Counters& worker) -> const base::Counter& {
        return worker.request_duration[slot].buckets[bucket];
      }));
      requests += sample.counts.back();
    }
    if (requests == 0) continue;
    sample.labels =
        with(labels, "rcode", slot == resolver::rcode_other ? "other" : dns::to_string(static_cast<dns::Rcode>(slot)));
    sample.bounds.assign(resolver::duration_bucket_bounds.begin(), resolver::duration_bucket_bounds.end());
    sample.sum = static_cast<double>(sum(upstream.workers,
                                         [&](const Counters& worker) -> const base::Counter& {
                                           return worker.request_duration[slot].sum_nanoseconds;
                                         })) /
                 1e9;
    durations.samples.push_back(std::move(sample));
  }
  families.push_back(std::move(durations));

  const std::array<const char*, 2> transports{"udp", upstream.is_tls ? "tcp-tls" : "tcp"};
  for (std::size_t transport = 0; transport < transports.size(); ++transport) {
    const auto hits = sum(upstream.workers, [&](const Counters& worker) -> const base::Counter& {
      return worker.connection_cache_hits[transport];
    });
    const auto misses = sum(upstream.workers, [&](const Counters& worker) -> const base::Counter& {
      return worker.connection_cache_misses[transport];
    });
    const MetricLabels with_proto = with(labels, "proto", transports[transport]);
    if (hits > 0) {
      add(families, MetricType::counter, "coredns_proxy_conn_cache_hits_total",
          "Counter of connection cache hits per upstream and protocol.", with_proto, hits);
    }
    if (misses > 0) {
      add(families, MetricType::counter, "coredns_proxy_conn_cache_misses_total",
          "Counter of connection cache misses per upstream and protocol.", with_proto, misses);
    }
  }

  const auto counter = [&](const char* name, const char* help, base::Counter Counters::* member) {
    add(families, MetricType::counter, name, help, labels, sum(upstream.workers, member));
  };
  counter("coredns_proxy_healthcheck_failures_total", "Counter of the number of failed healthchecks.",
          &Counters::healthcheck_failures);
  counter("fairlead_upstream_timeouts_total", "Queries that the upstream did not answer in time.", &Counters::timeouts);
  counter("fairlead_upstream_failures_total", "Queries that failed for another reason than time.", &Counters::failures);
  counter("fairlead_upstream_truncated_total", "Truncated UDP replies that were asked again over TCP.",
          &Counters::truncated);
  counter("fairlead_upstream_ignored_replies_total",
          "Datagrams from the upstream that answered none of our queries: late, forged or broken.",
          &Counters::ignored_replies);
  if (upstream.is_tls) {
    constexpr const char* help = "TLS handshakes with the upstream: in full, or resumed with an earlier ticket.";
    add(families, MetricType::counter, "fairlead_upstream_tls_handshakes_total", help, with(labels, "resumed", "false"),
        sum(upstream.workers, &Counters::tls_handshakes));
    add(families, MetricType::counter, "fairlead_upstream_tls_handshakes_total", help, with(labels, "resumed", "true"),
        sum(upstream.workers, &Counters::tls_resumptions));
  }
  add(families, MetricType::gauge, "fairlead_upstream_outstanding", "Queries that the upstream has yet to answer.",
      labels, sum(upstream.workers, &Counters::outstanding));
  // Each worker checks for itself; they agree but for moments.
  add(families, MetricType::gauge, "fairlead_upstream_down", "1 while the upstream is marked down.", labels,
      sum(upstream.workers, &Counters::down) > 0 ? 1 : 0);
}

}  // namespace

void collect_cache(const CacheSource& source, std::vector<MetricFamily>& families) {
  using Counters = resolver::CacheCounters;
  collect_cache_share(source, "success", &Counters::success, families);
  collect_cache_share(source, "denial", &Counters::denial, families);
  const MetricLabels labels{{"server", source.server}, {"zones", source.zones}, {"view", source.view}};
  const auto counter = [&](const char* name, const char* help, base::Counter Counters::* member) {
    add(families, MetricType::counter, name, help, labels, sum(source.workers, member));
  };
  counter("coredns_cache_requests_total", "The count of cache requests.", &Counters::requests);
  counter("coredns_cache_misses_total",
          "The count of cache misses. Deprecated, derive misses from cache hits/requests counters.", &Counters::misses);
  counter("coredns_cache_prefetch_total", "The number of times the cache has prefetched a cached item.",
          &Counters::prefetches);
  counter("coredns_cache_drops_total", "The number responses that are not cached, because the reply is malformed.",
          &Counters::drops);
  counter("coredns_cache_served_stale_total", "The number of requests served from stale cache entries.",
          &Counters::served_stale);
}

void collect_forward(const ForwardSource& source, std::vector<MetricFamily>& families) {
  using Counters = resolver::ForwardCounters;
  const auto counter = [&](const char* name, const char* help, base::Counter Counters::* member) {
    add(families, MetricType::counter, name, help, {}, sum(source.workers, member));
  };
  counter("coredns_forward_healthcheck_broken_total", "Counter of the number of complete failures of the healthchecks.",
          &Counters::healthcheck_broken);
  counter("coredns_forward_max_concurrent_rejects_total",
          "Counter of the number of queries rejected because the concurrent queries were at maximum.",
          &Counters::max_concurrent_rejects);
  counter("fairlead_forward_requests_total", "Queries of clients that were given to an upstream.", &Counters::requests);
  counter("fairlead_forward_joined_total", "Queries of clients that shared the upstream query of an equal one.",
          &Counters::joined);
  counter("fairlead_forward_shared_total", "Questions that another worker was asking already.",
          &Counters::joined_elsewhere);
  counter("fairlead_forward_hedges_total", "Questions for which a second upstream was asked as the first was slow.",
          &Counters::hedges);
  counter("fairlead_forward_failed_total", "Questions that no upstream answered.", &Counters::failed);
  counter("fairlead_forward_shed_total", "Questions beyond what upstreams answer in time.", &Counters::shed);
  counter("fairlead_forward_limit_rejects_total", "Queries refused by limits that are not max_concurrent.",
          &Counters::limit_rejects);
  for (const ForwardSource::Upstream& upstream : source.upstreams) {
    collect_upstream(source.proxy_name, upstream, families);
  }
}

namespace {

template <std::size_t size>
void add_histogram(std::vector<MetricFamily>& families, const char* name, const char* help, MetricLabels labels,
                   const k8s::DurationHistogram<size>& histogram, const std::array<double, size>& bounds) {
  MetricSample sample;
  sample.labels = std::move(labels);
  sample.bounds.assign(bounds.begin(), bounds.end());
  sample.counts.assign(histogram.counts.begin(), histogram.counts.end());
  sample.sum = histogram.sum_seconds;
  families.push_back({name, help, MetricType::histogram, {std::move(sample)}});
}

/// Labels and buckets are those of CoreDNS, which are client-go's.
void collect_api(const k8s::ApiCounters& api, const MetricLabels& labels, std::vector<MetricFamily>& families) {
  for (const auto& [code, count] : api.requests) {
    add(families, MetricType::counter, "coredns_kubernetes_rest_client_requests_total",
        "Number of HTTP requests, partitioned by status code, method, and host.",
        with(with(with(labels, "code", code), "method", "GET"), "host", api.host), count);
  }
  const MetricLabels of_host = with(with(labels, "verb", "GET"), "host", api.host);
  add_histogram(families, "coredns_kubernetes_rest_client_request_duration_seconds",
                "Request latency in seconds. Broken down by verb and host.", of_host, api.duration,
                k8s::request_duration_bounds);
  add_histogram(families, "coredns_kubernetes_rest_client_rate_limiter_duration_seconds",
                "Client side rate limiter latency in seconds. Broken down by verb and host.", of_host, api.rate_limiter,
                k8s::request_duration_bounds);
}

}  // namespace

void collect_cluster(const k8s::Cluster& cluster, const MetricLabels& labels, std::vector<MetricFamily>& families) {
  const k8s::ClusterCounters counters = cluster.counters();
  const auto counter = [&](const char* name, const char* help, std::uint64_t value) {
    add(families, MetricType::counter, name, help, labels, value);
  };
  const auto gauge = [&](const char* name, const char* help, std::uint64_t value) {
    add(families, MetricType::gauge, name, help, labels, value);
  };
  gauge("fairlead_kubernetes_synced", "1 once every kind was listed in full.", cluster.table().synced ? 1 : 0);
  gauge("fairlead_kubernetes_api_reachable", "1 while the API server answers.", counters.api_reachable ? 1 : 0);
  gauge("fairlead_kubernetes_names", "Names in the cluster's table.", counters.names);
  if (cluster.table().pods != nullptr) {
    gauge("fairlead_kubernetes_pods", "Addresses of Pods, each once in a Namespace.", counters.pods);
  }
  gauge("fairlead_kubernetes_serial", "SOA serial: the Unix time of the last visible change.", cluster.table().serial);
  counter("fairlead_kubernetes_lists_total", "Lists asked of the API server.", counters.lists);
  counter("fairlead_kubernetes_list_failures_total", "Lists that failed.", counters.list_failures);
  counter("fairlead_kubernetes_watches_total", "Watches asked of the API server.", counters.watches);
  counter("fairlead_kubernetes_watch_failures_total", "Watches that failed.", counters.watch_failures);
  counter("fairlead_kubernetes_events_total", "Watch events received.", counters.events);
  counter("fairlead_kubernetes_skipped_objects_total", "Objects left out for missing or odd fields.",
          counters.skipped_objects);
  counter("fairlead_kubernetes_streamed_lists_total", "Lists that came as the beginning of a watch.",
          counters.streamed_lists);
  counter("fairlead_kubernetes_protobuf_answers_total", "Lists and watches that the API server answered in protobuf.",
          counters.protobuf_answers);
  counter("fairlead_kubernetes_silent_watches_total", "Watches taken up anew because even bookmarks stayed away.",
          counters.silent_watches);
  collect_api(counters.api, labels, families);
  for (const auto& [kind, durations] :
       {std::pair("cluster_ip", &counters.programming.cluster_ip),
        std::pair("headless_with_selector", &counters.programming.headless_with_selector)}) {
    add_histogram(families, "coredns_kubernetes_dns_programming_duration_seconds",
                  "Histogram of the time (in seconds) it took to program a dns instance.",
                  with(labels, "service_kind", kind), *durations, k8s::programming_duration_bounds);
  }
  for (const auto& odd : counters.odd) {
    add(families, MetricType::counter, "fairlead_kubernetes_odd_input_total",
        "What the API server sent and could not be used, by resource and reason.",
        with(with(labels, "resource", odd.resource), "reason", odd.reason), odd.count);
  }
  if (!counters.snapshot) return;
  const k8s::SnapshotCounters& snapshot = *counters.snapshot;
  if (snapshot.age) {
    gauge("fairlead_kubernetes_snapshot_age_seconds",
          "How long ago the objects of the snapshot file were known to be those of the API server.",
          static_cast<std::uint64_t>(*snapshot.age));
  }
  gauge("fairlead_kubernetes_snapshot_in_use", "1 while answers are from the snapshot.", snapshot.is_in_use ? 1 : 0);
  counter("fairlead_kubernetes_snapshot_writes_total", "Snapshots written.", snapshot.writes);
  counter("fairlead_kubernetes_snapshot_write_failures_total", "Snapshots that could not be written.",
          snapshot.write_failures);
  counter("fairlead_kubernetes_snapshot_refusals_total", "Snapshot files that were there and were not used.",
          snapshot.refusals);
}

}  // namespace fairlead::server
