#include "server/control/plan_metrics.hpp"

#include <algorithm>

#include "server/control/source_metrics.hpp"

namespace fairlead::server {
namespace {

struct Sources {
  std::vector<CacheSource> caches;
  std::vector<ForwardSource> forwards;
  std::vector<std::shared_ptr<k8s::Cluster>> clusters;
  std::vector<std::shared_ptr<const HostsSource>> hosts;
  std::vector<std::shared_ptr<DnstapOutlet>> dnstap;
};

std::string join_zones(const std::vector<dns::DomainName>& zones) {
  std::string text;
  for (const auto& zone : zones) text += (text.empty() ? "" : ",") + zone.to_string();
  return text;
}

CacheSource make_cache_source(const PlannedBlock& block, std::size_t index,
                              const std::vector<std::shared_ptr<WorkerPlan>>& workers) {
  const auto& zones = block.block->options.cache->zones;
  CacheSource source{.server = server_label(block.addresses.front()),
                     .zones = join_zones(zones.empty() ? block.block->zones() : zones),
                     .view = view_name(block.block->options),
                     .workers = {}};
  for (const auto& worker : workers) source.workers.push_back(worker->resources.at(index).cache);
  return source;
}

ForwardSource make_forward_source(std::size_t block, std::size_t directive,
                                  const std::vector<std::shared_ptr<WorkerPlan>>& workers) {
  ForwardSource source;
  for (const auto& worker : workers) {
    const resolver::Forwarder& forwarder = *worker->resources.at(block).forwarders.at(directive);
    source.workers.push_back(&forwarder.counters());
    const auto upstreams = forwarder.upstreams();
    source.upstreams.resize(upstreams.size());
    for (std::size_t i = 0; i < upstreams.size(); ++i) {
      const resolver::UpstreamAddress& address = upstreams[i]->address();
      source.upstreams[i].to = address.to_string();
      source.upstreams[i].is_tls = address.protocol == resolver::UpstreamProtocol::tls;
      source.upstreams[i].workers.push_back(&upstreams[i]->counters());
    }
  }
  return source;
}

// Of several files of one name, or changed last, the last holds, as in CoreDNS.
void collect_hosts(const std::vector<std::shared_ptr<const HostsSource>>& hosts, std::vector<MetricFamily>& families) {
  if (hosts.empty()) return;
  MetricFamily entries{
      "coredns_hosts_entries", "The combined number of entries in hosts and Corefile.", MetricType::gauge, {}};
  MetricFamily written{"coredns_hosts_reload_timestamp_seconds",
                       "The timestamp of the last reload of hosts file.",
                       MetricType::gauge,
                       {}};
  double last = 0;
  for (const auto& source : hosts) {
    entries.samples.push_back(
        {.labels = {{"hostsfile", source->path()}}, .value = static_cast<double>(source->entry_count())});
    last = std::max(last, source->written_seconds());
  }
  written.samples.push_back({.labels = {}, .value = last});
  families.push_back(std::move(entries));
  families.push_back(std::move(written));
}

void collect_dnstap(const std::vector<std::shared_ptr<DnstapOutlet>>& outlets, std::vector<MetricFamily>& families) {
  if (outlets.empty()) return;
  MetricFamily sent{
      "fairlead_dnstap_messages_sent_total", "Messages that receivers of dnstap took.", MetricType::counter, {}};
  MetricFamily lost{"fairlead_dnstap_messages_lost_total",
                    "Messages that receivers of dnstap did not take in time.",
                    MetricType::counter,
                    {}};
  MetricFamily receivers{"fairlead_dnstap_receivers", "Receivers of dnstap that are connected.", MetricType::gauge, {}};
  for (const auto& outlet : outlets) {
    const DnstapOutlet::Figures figures = outlet->figures();
    const MetricLabels labels{{"endpoint", outlet->name()}};
    sent.samples.push_back({.labels = labels, .value = static_cast<double>(figures.sent)});
    lost.samples.push_back({.labels = labels, .value = static_cast<double>(figures.lost)});
    receivers.samples.push_back({.labels = labels, .value = static_cast<double>(figures.receivers)});
  }
  families.push_back(std::move(sent));
  families.push_back(std::move(lost));
  families.push_back(std::move(receivers));
}

}  // namespace

MetricsCollector make_plan_collector(const ServingPlan& plan, const std::vector<std::shared_ptr<WorkerPlan>>& workers) {
  const auto sources = std::make_shared<Sources>();
  sources->dnstap = dnstap_outlets(plan);
  for (std::size_t i = 0; i < plan.blocks.size(); ++i) {
    const PlannedBlock& block = plan.blocks[i];
    if (block.block->options.cache) sources->caches.push_back(make_cache_source(block, i, workers));
    for (std::size_t n = 0; n < block.forwarders.size(); ++n) {
      sources->forwards.push_back(make_forward_source(i, n, workers));
    }
    const bool known = std::ranges::find(sources->clusters, block.cluster) != sources->clusters.end();
    if (block.cluster != nullptr && !known) sources->clusters.push_back(block.cluster);
    if (block.hosts != nullptr) sources->hosts.push_back(block.hosts);
  }
  return [sources](std::vector<MetricFamily>& families) {
    for (const auto& source : sources->caches) collect_cache(source, families);
    collect_hosts(sources->hosts, families);
    collect_dnstap(sources->dnstap, families);
    for (const auto& source : sources->forwards) collect_forward(source, families);
    for (std::size_t i = 0; i < sources->clusters.size(); ++i) {
      MetricLabels labels;
      if (sources->clusters.size() > 1) labels.emplace_back("cluster", std::to_string(i));
      collect_cluster(*sources->clusters[i], labels, families);
    }
  };
}

std::vector<EnabledPlugin> enabled_plugins(const ServingPlan& plan) {
  std::vector<EnabledPlugin> enabled;
  for (const auto& planned : plan.blocks) {
    for (const auto& address : planned.addresses) {
      for (const auto& key : planned.block->keys) {
        if (!is_served_at(key, address)) continue;
        for (const auto& directive : planned.block->directives) {
          enabled.push_back({.server = server_label(address),
                             .zone = key.zone.to_string(),
                             .view = view_name(planned.block->options),
                             .name = std::string(directive.name)});
        }
      }
    }
  }
  std::ranges::sort(enabled);
  const auto repeated = std::ranges::unique(enabled);
  enabled.erase(repeated.begin(), repeated.end());
  return enabled;
}

}  // namespace fairlead::server
