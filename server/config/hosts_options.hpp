// The typed options of `hosts`. As directive_options.hpp.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "server/config/directive_options.hpp"

namespace fairlead::server {

/// `hosts [FILE [ZONES...]] { [INLINE] ... }`
struct HostsOptions {
  SourceLine at;
  std::string file = "/etc/hosts";  // as written
  std::vector<dns::DomainName> zones;
  std::string inline_lines;  // in the form of the file, checked
  std::uint32_t ttl = 3600;
  bool reverse = true;
  Duration reload = std::chrono::seconds(5);  // 0: never
  Fallthrough fallthrough;
  bool fallthrough_unsupported = false;
};

}  // namespace fairlead::server
