// What the listening addresses of a plan need besides their zones: certificates, whose PROXY headers
// are believed, and the times of connections; and the certificate of the metrics.
//
// Threads: plan_listeners() on the control thread; set_listener() on a worker's.
// Errors: sentences for the operator, with the directive's place.
#pragma once

#include <expected>
#include <string>

#include "server/control/serving_plan.hpp"

namespace fairlead::server {

/// Certificates of `previous` whose directive is the same are taken over, and looked at.
std::expected<void, std::string> plan_listeners(PlannedBlock& planned, ServingPlan& plan, const ServingPlan* previous);

/// Of several blocks on one address the last that says something counts, as in CoreDNS.
void set_listener(const PlannedBlock& planned, const ListenAddress& address, MetricsRegistry& metrics,
                  ZoneRouter& router);

}  // namespace fairlead::server
