// `loadbalance` with `weighted` or `prefer`: which address of a reply comes first. Plain rotation needs no handler; it
// is a flag of the chain.
//
// Threads: one worker's.
#pragma once

#include <memory>
#include <random>

#include "server/config/directive_options.hpp"
#include "server/control/weight_source.hpp"
#include "server/query/query_context.hpp"
#include "zones/base/ip_network.hpp"

namespace fairlead::server {

class LoadbalanceHandler final : public Handler {
 public:
  /// `weights`: null for rotation.
  LoadbalanceHandler(const LoadbalanceOptions& options, std::shared_ptr<const WeightSource> weights);

  Step handle(QueryContext& context) override {
    context.edit(*this);
    return Step::next;
  }
  void edit_reply(QueryContext& context) override;
  PluginLabel plugin() const override { return label_; }

 private:
  using Addresses = std::vector<base::IpAddress>;
  void put_one_first(dns::NameView owner, Addresses& addresses);

  const std::shared_ptr<const WeightSource> weights_;
  std::vector<base::IpNetwork> preferred_;  // those that are preferred most first
  std::minstd_rand random_{std::random_device{}()};
  const PluginLabel label_ = plugin_label("loadbalance");
};

}  // namespace fairlead::server
