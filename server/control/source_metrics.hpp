// The figures that the resolver and the cluster keep, as families for a MetricsCollector.
//
//     registry.add_collector([=](auto& families) { collect_cache(source, families); });
//
// Threads: the thread that scrapes; what the sources point to must live as long as their collector is registered.
// Limits: the series follow from the Corefile (directives and upstreams), never from traffic.
// Errors: none. Counters start again at zero with a new source, which rate() takes for a restart.
#pragma once

#include <string>
#include <vector>

#include "k8s/cluster.hpp"
#include "resolver/counters.hpp"
#include "server/control/metrics.hpp"

namespace fairlead::server {

/// One `cache` directive, on all workers.
struct CacheSource {
  std::string server;  // "dns://:53"
  std::string zones;   // of the directive, joined by commas
  std::string view;
  std::vector<const resolver::CacheCounters*> workers;
};
void collect_cache(const CacheSource& source, std::vector<MetricFamily>& families);

/// One `forward` directive, on all workers.
struct ForwardSource {
  struct Upstream {
    std::string to;  // "10.0.0.10:53"
    bool is_tls = false;
    std::vector<const resolver::UpstreamCounters*> workers;
  };
  std::string proxy_name = "forward";
  std::vector<const resolver::ForwardCounters*> workers;
  std::vector<Upstream> upstreams;
};
void collect_forward(const ForwardSource& source, std::vector<MetricFamily>& families);

/// One cluster. `labels` tell several apart; empty for one.
void collect_cluster(const k8s::Cluster& cluster, const MetricLabels& labels, std::vector<MetricFamily>& families);

}  // namespace fairlead::server
