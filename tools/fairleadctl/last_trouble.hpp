// The last thing that went wrong with the API server, kept for the case that nothing comes of the whole.
//
// Threads: log() gives a function for any thread; it outlives whoever calls it.
#pragma once

#include <string>

#include "zones/base/guarded.hpp"
#include "zones/base/log.hpp"

namespace fairlead::ctl {

class LastTrouble {
 public:
  base::LogFunction log();
  std::string why_not_listed() const;

 private:
  base::Guarded<std::string> last_;
};

}  // namespace fairlead::ctl
