// `k8s_external`: the external addresses of Services, in zones of their own, from the table that k8s/ publishes.
//
// Answers are copied from ready records, as kubernetes_handler.hpp does; the zone's own records are written here. A
// load balancer that is known by a host name is an alias, and followed through the server's own chain.
//
// Threads: one worker's; the table is read inside the worker's ReadSection.
// Standards: RFC 2308 (negative answers), RFC 2782 (SRV), RFC 8914 (reasons).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "k8s/cluster.hpp"
#include "server/config/directive_options.hpp"
#include "server/handlers/cluster_lookup.hpp"
#include "server/handlers/cluster_reply.hpp"

namespace fairlead::server {

/// The cluster has an external table.
std::vector<ServedZone> served_zones(const K8sExternalOptions& options, const k8s::Cluster& cluster);

class K8sExternalHandler final : public Handler, public TransferableZones {
 public:
  /// The cluster has an external table.
  K8sExternalHandler(const K8sExternalOptions& options, std::shared_ptr<k8s::Cluster> cluster,
                     std::vector<base::IpAddress> local_addresses, bool rotates_answers);

  Step handle(QueryContext& context) override;
  PluginLabel plugin() const override { return label_; }

  std::optional<TransferableZone> find_zone(dns::NameView apex) const override;
  bool has_name(dns::NameView name) const override;
  std::unique_ptr<zones::ZoneReader> read_zone(dns::NameView apex, std::function<void()> wake) override;

 private:
  Step answer_name(QueryContext& context, const ClusterName& name);
  Step answer_apex(QueryContext& context, const ClusterName& name);
  Step answer_below_apex(QueryContext& context, const ClusterName& name);
  Step answer_reverse(QueryContext& context, const ClusterName& name);
  Step answer_entry(QueryContext& context, const ClusterName& name, const zones::NameEntry& entry);
  Step answer_alias(QueryContext& context, const zones::NameEntry& entry);
  std::span<const base::IpAddress> nameserver_addresses() const;

  std::shared_ptr<k8s::Cluster> cluster_;
  const k8s::ExternalTable& table_;
  std::vector<base::IpAddress> local_addresses_;
  std::string apex_;  // "\3dns"
  k8s::ApexLabels apex_labels_;
  ClusterReply reply_;
  const PluginLabel label_ = plugin_label("k8s_external");
};

}  // namespace fairlead::server
