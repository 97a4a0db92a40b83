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
#include "server/query/query_context.hpp"
#include "zones/answer_template.hpp"

namespace fairlead::server {

class K8sExternalHandler final : public Handler {
 public:
  /// The cluster has an external table.
  K8sExternalHandler(const K8sExternalOptions& options, std::shared_ptr<k8s::Cluster> cluster,
                     std::vector<base::IpAddress> local_addresses, bool rotates_answers);

  Step handle(QueryContext& context) override;
  PluginLabel plugin() const override { return label_; }

 private:
  const k8s::ExternalTable& table() const { return *cluster_->table().external; }
  Step answer_name(QueryContext& context, const ClusterName& name);
  Step answer_apex(QueryContext& context, const ClusterName& name);
  Step answer_below_apex(QueryContext& context, const ClusterName& name);
  Step answer_entry(QueryContext& context, const ClusterName& name, const zones::NameEntry& entry);
  Step answer_alias(QueryContext& context, const zones::NameEntry& entry);
  Step no_data(QueryContext& context, const ClusterName& name);
  Step no_name(QueryContext& context, const ClusterName& name, std::string_view why);
  void append_soa(QueryContext& context, const ClusterName& name, dns::Section section);
  std::span<const base::IpAddress> nameserver_addresses() const;

  std::vector<dns::DomainName> zones_;  // most labels first
  K8sExternalOptions options_;
  std::shared_ptr<k8s::Cluster> cluster_;
  std::vector<base::IpAddress> local_addresses_;
  std::string apex_;        // "\3dns"
  std::string nameserver_;  // "\3ns1\3dns"
  std::string contact_;     // "\12hostmaster\3dns"
  bool rotates_answers_;
  const PluginLabel label_ = plugin_label("k8s_external");
};

}  // namespace fairlead::server
