// `chaos`: what a server tells of itself in class CH: its version, its name, its authors, and whether the cluster's
// names are in step.
//
// Threads: one worker's.
// Standards: RFC 4892 (id.server, hostname.bind).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "k8s/cluster.hpp"
#include "server/config/query_options.hpp"
#include "server/query/query_context.hpp"

namespace fairlead::server {

/// A cluster of the Corefile, for "status.server".
struct NamedCluster {
  std::string zone;
  std::shared_ptr<k8s::Cluster> cluster;
};

class ChaosHandler final : public Handler {
 public:
  /// `version` where the Corefile names none.
  ChaosHandler(const ChaosOptions& options, std::string version, std::vector<NamedCluster> clusters);

  Step handle(QueryContext& context) override;
  PluginLabel plugin() const override { return label_; }

 private:
  static void append(QueryContext& context, std::string_view text);
  void append_status(QueryContext& context) const;

  const std::string version_;
  const std::vector<std::string> authors_;
  const std::vector<NamedCluster> clusters_;
  const PluginLabel label_ = plugin_label("chaos");
};

}  // namespace fairlead::server
