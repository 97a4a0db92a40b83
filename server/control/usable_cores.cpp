#include <sched.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "server/control/app.hpp"

namespace fairlead::server {

unsigned usable_cores() {
  cpu_set_t affinity;
  unsigned cores = 1;
  if (sched_getaffinity(0, sizeof(affinity), &affinity) == 0) cores = static_cast<unsigned>(CPU_COUNT(&affinity));
  // cgroup v2: "QUOTA PERIOD" in microseconds, or "max PERIOD". More workers than the quota pays for would only be
  // throttled in turn.
  std::ifstream limits("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (limits >> quota >> period && quota != "max" && period > 0) {
    try {
      const double paid = std::stod(quota) / period;
      cores = std::min(cores, static_cast<unsigned>(std::max(1.0, paid + 0.5)));
    } catch (const std::exception&) {
      // Not a number: a kernel of the future; the affinity stands.
    }
  }
  return std::max(cores, 1u);
}

}  // namespace fairlead::server
