// process_* as every Prometheus client library exports them, read from /proc/self.
//
// Threads: the collector runs on the thread that scrapes.
// Errors: what /proc does not tell is left out.
#pragma once

#include "server/control/metrics.hpp"

namespace fairlead::server {

MetricsCollector process_metrics();

}  // namespace fairlead::server
