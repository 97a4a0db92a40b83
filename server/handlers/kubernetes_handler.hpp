// `kubernetes`: the names of the cluster, from the table that k8s/ publishes.
//
// The part of the name left of the zone picks what is looked for; see cluster_lookup.hpp. Answers are copied from ready
// records; negative ones carry the zone's SOA and say why in an Extended DNS Error.
//
// Threads: one worker's; the table is read inside the worker's ReadSection.
// Standards: Kubernetes DNS specification 1.1.0; RFC 2308 (negative answers), RFC 8914 (reasons).
#pragma once

#include <memory>
#include <vector>

#include "k8s/cluster.hpp"
#include "server/config/directive_options.hpp"
#include "server/handlers/cluster_lookup.hpp"
#include "server/handlers/cluster_reply.hpp"

namespace fairlead::server {

std::vector<ServedZone> served_zones(const KubernetesOptions& options, const k8s::Cluster& cluster);

class KubernetesHandler final : public Handler, public TransferableZones {
 public:
  KubernetesHandler(const KubernetesOptions& options, std::shared_ptr<k8s::Cluster> cluster,
                    std::vector<base::IpAddress> local_addresses, bool rotates_answers);

  Step handle(QueryContext& context) override;
  std::span<const std::string_view> metadata_labels() const override;
  std::string metadata(const QueryContext& context, std::string_view label) const override;
  PluginLabel plugin() const override { return label_; }

  std::optional<TransferableZone> find_zone(dns::NameView apex) const override;
  bool has_name(dns::NameView name) const override;
  std::unique_ptr<zones::ZoneReader> read_zone(dns::NameView apex, std::function<void()> wake) override;

 private:
  NameLookup find(const ClusterName& name, std::string_view prefix) const;
  Step answer_forward(QueryContext& context, const ClusterName& name);
  Step answer_apex(QueryContext& context, const ClusterName& name);
  Step answer_dns_version(QueryContext& context, const ClusterName& name);
  Step answer_reverse(QueryContext& context, const ClusterName& name);
  Step answer_entry(QueryContext& context, const ClusterName& name, const zones::NameEntry& entry);
  Step answer_alias(QueryContext& context, const ClusterName& name, const zones::NameEntry& entry);

  KubernetesOptions options_;
  std::shared_ptr<k8s::Cluster> cluster_;
  std::vector<base::IpAddress> local_addresses_;
  ClusterLookup lookup_;
  std::optional<ClusterLookup> clusterset_lookup_;  // with `multicluster`
  ClusterReply reply_;
  const PluginLabel label_ = plugin_label("kubernetes");
  /// Owners of glue and their addresses while an apex NS answer is written; kept for its memory.
  std::vector<std::pair<std::size_t, std::span<const base::IpAddress>>> glue_;
};

}  // namespace fairlead::server
