// The handler chain of one server block on one worker: which handlers there are, in which order, and what each is made
// of.
//
// The order is that of the directive table, with two exceptions: the probe of `loop` comes before everything that could
// hide it, and `cache` behind the directives whose names are kept here, so that a TTL never hides an event.
//
// Threads: built on the worker's own.
#pragma once

#include <memory>
#include <vector>

#include "server/control/serving_plan.hpp"
#include "zones/base/asio.hpp"

namespace fairlead::server {

class ChainBuilder {
 public:
  struct Context {
    const ServingPlan& plan;
    const PlannedBlock& planned;
    unsigned worker;
    asio::io_context& io;
    WorkerResources& resources;
    MetricsRegistry& metrics;
    const base::Clock& clock;
  };
  /// `used` takes what the handlers keep their figures in.
  ChainBuilder(const Context& context, WorkerPlan::BlockResources& used);

  std::unique_ptr<Chain> build();

 private:
  // Each appends the handlers of a stretch of the directive table, if the block has them.
  void add_questions();   // what answers, or changes, any question
  void add_class_gate();  // between those who know other classes than IN and those who do not
  void add_zones();       // what answers for zones of its own
  void add_upstreams();   // what asks others, and remembers it
  void link_transfers();  // `transfer` serves the zones of the other handlers

  template <typename T, typename... Arguments>
  T& add(Arguments&&... arguments);

  const ServingPlan& plan_;
  const PlannedBlock& planned_;
  const DirectiveOptions& options_;
  const unsigned worker_;
  asio::io_context& io_;
  WorkerResources& resources_;
  MetricsRegistry& metrics_;
  const base::Clock& clock_;
  WorkerPlan::BlockResources& used_;
  const bool rotates_;
  std::unique_ptr<Chain> chain_;
};

/// The server's own addresses as the cluster sees them: the machine's, and those of `bind` whatever they are.
std::vector<base::IpAddress> nameserver_addresses(const std::vector<ListenAddress>& listening);

}  // namespace fairlead::server
