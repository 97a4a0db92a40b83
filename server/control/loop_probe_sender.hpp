// Sends the probes of `loop` down the chains of their blocks, as a client's query would go.
//
// Threads: send_probe() on a worker's thread.
#pragma once

#include <memory>

#include "server/handlers/loop_handler.hpp"
#include "server/query/worker_plan.hpp"

namespace fairlead::server {

/// Asks for the probe's name on the listening address `router`; whatever is answered is thrown away.
void send_probe(const LoopProbe& probe, const std::shared_ptr<WorkerPlan>& plan, std::size_t router);

}  // namespace fairlead::server
