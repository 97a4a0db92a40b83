// The figures of a plan's caches, upstreams and clusters, for the metrics registry.
//
// Threads: make_plan_collector() on the control thread; the collector on the thread that scrapes. The worker plans
//   must outlive the collector's registration.
#pragma once

#include <memory>
#include <vector>

#include "server/control/metrics.hpp"
#include "server/control/serving_plan.hpp"
#include "server/query/worker_plan.hpp"

namespace fairlead::server {

/// `workers`: the plan as each worker runs it.
MetricsCollector make_plan_collector(const ServingPlan& plan, const std::vector<std::shared_ptr<WorkerPlan>>& workers);

/// coredns_plugin_enabled: every directive of every zone.
std::vector<EnabledPlugin> enabled_plugins(const ServingPlan& plan);

}  // namespace fairlead::server
