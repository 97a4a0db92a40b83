// Options of the directives that serve zone files: `file` and `auto`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/config/directive_options.hpp"

namespace fairlead::server {

/// `file DBFILE [ZONES...] { reload | reload_by_mtime | fallthrough }`
struct FileOptions {
  std::string path;  // below `root` if it is relative
  std::vector<dns::DomainName> zones;
  Duration reload = std::chrono::minutes(1);  // 0: never
  bool reload_by_mtime = false;               // a file that has changed is taken over whatever its serial is
  Fallthrough fallthrough;
};

/// `auto [ZONES...] { directory | reload }`
struct AutoOptions {
  std::vector<dns::DomainName> zones;
  std::string directory;  // below `root` if it is relative
  /// Of the names of zone files, and the zone that one of them stands for: "{1}" is a group of the match.
  RegularExpression pattern;
  std::string origin = "{1}";
  Duration reload = std::chrono::minutes(1);  // 0: never
};

/// The zone of a file; nothing for a name that does not match, or makes no domain name.
std::optional<dns::DomainName> origin_of_file(const AutoOptions& options, std::string_view file_name);

}  // namespace fairlead::server
