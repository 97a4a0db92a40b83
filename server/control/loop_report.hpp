// What a loop leads over, in words: which upstream it may be, and where that is written.
//
// Threads: the control thread; it reads resolv.conf files again.
#pragma once

#include <string>

#include "server/control/serving_plan.hpp"

namespace fairlead::server {

/// "127.0.0.53:53 (/etc/resolv.conf:3), an address of this machine". Where no upstream is this machine's own, all of
/// them: one leads back by way of another server.
std::string describe_looping_upstreams(const PlannedBlock& planned);

}  // namespace fairlead::server
