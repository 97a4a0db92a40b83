#include "server/control/chain_builder.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "server/handlers/acl_handler.hpp"
#include "server/handlers/any_handler.hpp"
#include "server/handlers/autopath_handler.hpp"
#include "server/handlers/bufsize_handler.hpp"
#include "server/handlers/cache_handler.hpp"
#include "server/handlers/cancel_handler.hpp"
#include "server/handlers/chaos_handler.hpp"
#include "server/handlers/class_gate.hpp"
#include "server/handlers/dns64_handler.hpp"
#include "server/handlers/dnstap_handler.hpp"
#include "server/handlers/forward_handler.hpp"
#include "server/handlers/header_handler.hpp"
#include "server/handlers/hosts_handler.hpp"
#include "server/handlers/k8s_external_handler.hpp"
#include "server/handlers/kubernetes_handler.hpp"
#include "server/handlers/loadbalance_handler.hpp"
#include "server/handlers/local_handler.hpp"
#include "server/handlers/minimal_handler.hpp"
#include "server/handlers/nsid_handler.hpp"
#include "server/handlers/rewrite_handler.hpp"
#include "server/handlers/template_handler.hpp"
#include "server/handlers/view_handler.hpp"
#include "server/handlers/whoami_handler.hpp"
#include "server/handlers/zone_file_handler.hpp"

namespace fairlead::server {
namespace {

AutopathSearch make_autopath_search(const PlannedBlock& planned) {
  const DirectiveOptions& options = planned.block->options;
  AutopathSearch search{
      .zones = options.autopath->zones, .list = planned.search_list, .cluster = nullptr, .cluster_zones = {}};
  if (!options.autopath->from_kubernetes) return search;
  if (options.kubernetes && options.kubernetes->pods == KubernetesOptions::Pods::verified) {
    search.cluster = planned.cluster;
    search.cluster_zones = options.kubernetes->zones;
  } else {
    search.zones.clear();  // nobody knows the clients: no name is searched for
  }
  return search;
}

// Of all blocks: "is it in step?" is asked of the server, whichever block serves the question. Each once.
std::vector<NamedCluster> clusters_of(const ServingPlan& plan) {
  std::vector<NamedCluster> clusters;
  for (const auto& planned : plan.blocks) {
    const bool is_known = std::ranges::find(clusters, planned.cluster, &NamedCluster::cluster) != clusters.end();
    if (planned.cluster == nullptr || is_known) continue;
    const KubernetesOptions& options = *planned.block->options.kubernetes;
    clusters.push_back({options.zones[options.primary_zone].to_string(), planned.cluster});
  }
  return clusters;
}

// Addresses have an order of their own, and no rotation does.
bool is_ordered(const LoadbalanceOptions& options) {
  return options.policy == LoadbalanceOptions::Policy::weighted || !options.prefer.empty();
}

std::vector<std::string> server_labels(const ServingPlan& plan) {
  std::vector<std::string> labels;
  for (const auto& address : plan.addresses) labels.push_back(server_label(address));
  return labels;
}

template <typename T, typename Make>
std::shared_ptr<T> find_or_make(std::map<std::string, std::weak_ptr<T>>& known, const std::string& signature,
                                const Make& make) {
  std::erase_if(known, [](const auto& entry) { return entry.second.expired(); });
  if (auto found = known[signature].lock()) return found;
  std::shared_ptr<T> fresh = make();
  known[signature] = fresh;
  return fresh;
}

}  // namespace

std::vector<base::IpAddress> nameserver_addresses(const std::vector<ListenAddress>& listening) {
  std::vector<base::IpAddress> addresses;
  for (const auto& address : listening) {
    if (address.address && std::ranges::find(addresses, *address.address) == addresses.end()) {
      addresses.push_back(*address.address);
    }
  }
  return addresses.empty() ? local_addresses() : addresses;
}

ChainBuilder::ChainBuilder(const Context& context, WorkerPlan::BlockResources& used)
    : plan_(context.plan),
      planned_(context.planned),
      options_(context.planned.block->options),
      worker_(context.worker),
      io_(context.io),
      resources_(context.resources),
      metrics_(context.metrics),
      clock_(context.clock),
      used_(used),
      rotates_(options_.loadbalance && !is_ordered(*options_.loadbalance)) {}

template <typename T, typename... Arguments>
T& ChainBuilder::add(Arguments&&... arguments) {
  auto handler = std::make_unique<T>(std::forward<Arguments>(arguments)...);
  T& added = *handler;
  chain_->handlers.push_back(std::move(handler));
  return added;
}

std::unique_ptr<Chain> ChainBuilder::build() {
  chain_ = std::make_unique<Chain>();
  chain_->rotates_answers = rotates_;
  chain_->errors = planned_.errors;
  chain_->log = planned_.log;
  if (options_.metadata) chain_->metadata_zones = options_.metadata->zones;
  if (!options_.dnstap.empty()) {
    chain_->taps = std::make_shared<DnstapTaps>(options_.dnstap, planned_.dnstap, worker_);
  }
  chain_->looks_back = chain_->metadata_zones || chain_->taps != nullptr;
  add_questions();
  add_class_gate();
  add_zones();
  add_upstreams();
  if (options_.view) add<ViewHandler>(*options_.view);
  link_transfers();
  return std::move(chain_);
}

void ChainBuilder::add_questions() {
  if (planned_.loop != nullptr) add<LoopHandler>(planned_.loop);
  if (options_.cancel) add<CancelHandler>(*options_.cancel, io_);
  if (options_.nsid) add<NsidHandler>(*options_.nsid);
  if (options_.bufsize) add<BufsizeHandler>(*options_.bufsize);
  if (chain_->taps != nullptr) add<DnstapHandler>(chain_->taps);
  if (options_.local) add<LocalHandler>(*options_.local, metrics_);
  if (options_.dns64) add<Dns64Handler>(*options_.dns64, server_labels(plan_), metrics_);
  if (options_.any) add<AnyHandler>();
  if (options_.chaos)
    add<ChaosHandler>(*options_.chaos, std::string("Fairlead-") + FAIRLEAD_VERSION, clusters_of(plan_));
  if (options_.loadbalance && is_ordered(*options_.loadbalance)) {
    add<LoadbalanceHandler>(*options_.loadbalance, planned_.weights);
  }
  if (options_.rewrite) add<RewriteHandler>(*options_.rewrite, io_);
  if (options_.autopath) add<AutopathHandler>(make_autopath_search(planned_), io_);
  // In front of everything that answers from zones or memory.
  if (!options_.acl.empty()) add<AclHandler>(options_.acl, server_labels(plan_), view_name(options_), metrics_);
  if (options_.header) add<HeaderHandler>(*options_.header);
  if (options_.minimal) add<MinimalHandler>();
  if (!options_.templates.empty())
    add<TemplateHandler>(options_.templates, server_labels(plan_), view_name(options_), metrics_);
}

void ChainBuilder::add_class_gate() {
  chain_->serves_other_classes = options_.chaos || knows_other_classes(options_.templates) ||
                                 (options_.rewrite && knows_other_classes(*options_.rewrite));
  if (chain_->serves_other_classes) add<ClassGate>();
}

void ChainBuilder::add_zones() {
  if (planned_.transfers != nullptr) add<TransferHandler>(options_.transfer, planned_.transfers);
  if (planned_.hosts != nullptr) add<HostsHandler>(*options_.hosts, planned_.hosts, rotates_);
  if (options_.k8s_external) {
    add<K8sExternalHandler>(*options_.k8s_external, planned_.cluster, nameserver_addresses(planned_.addresses),
                            rotates_);
  }
  if (planned_.cluster != nullptr) {
    add<KubernetesHandler>(*options_.kubernetes, planned_.cluster, nameserver_addresses(planned_.addresses), rotates_);
  }
  if (!options_.file.empty()) {
    std::vector<ZoneFiles> files;
    for (std::size_t i = 0; i < options_.file.size(); ++i) {
      files.push_back({.store = planned_.zone_stores[i], .within = {}, .fallthrough = options_.file[i].fallthrough});
    }
    add<ZoneFileHandler>("file", std::move(files), rotates_);
  }
  if (options_.auto_zones) {
    std::vector<ZoneFiles> files;
    files.push_back({.store = planned_.zone_stores.back(), .within = options_.auto_zones->zones, .fallthrough = {}});
    add<ZoneFileHandler>("auto", std::move(files), rotates_);
  }
}

void ChainBuilder::add_upstreams() {
  if (options_.cache) {
    auto cache = find_or_make(resources_.caches, planned_.cache_signature,
                              [&] { return std::make_shared<resolver::Cache>(make_cache_config(*options_.cache)); });
    used_.cache = &cache->counters();
    add<CacheHandler>(*options_.cache, std::move(cache), clock_, io_, rotates_);
  }
  if (planned_.loop != nullptr && options_.loop->degrades) add<LoopGate>(planned_.loop);
  if (chain_->taps != nullptr && !planned_.forwarders.empty()) add<UpstreamTapHandler>(chain_->taps);
  ForwardHandler* previous = nullptr;
  for (std::size_t i = 0; i < planned_.forwarders.size(); ++i) {
    auto forwarder = find_or_make(resources_.forwarders, planned_.forwarder_signatures[i],
                                  [&] { return std::make_shared<resolver::Forwarder>(io_, planned_.forwarders[i]); });
    used_.forwarders.push_back(forwarder.get());
    auto& handler =
        add<ForwardHandler>(options_.forward[i], std::move(forwarder), planned_.upstream_lists[i].why_empty, rotates_);
    if (previous != nullptr) previous->set_next(handler);
    previous = &handler;
  }
  if (options_.whoami) add<WhoamiHandler>();
}

void ChainBuilder::link_transfers() {
  TransferHandler* transfer = nullptr;
  for (const auto& handler : chain_->handlers) {
    if (transfer == nullptr) transfer = dynamic_cast<TransferHandler*>(handler.get());
    auto* const zones = dynamic_cast<TransferableZones*>(handler.get());
    if (transfer != nullptr && zones != nullptr) transfer->add(*zones);
  }
}

}  // namespace fairlead::server
