// Files that a serving plan was made of besides the Corefile: certificates and CAs.
//
// Threads: the control thread.
// Limits: watched_octets_max of each file count; more of it does not matter.
// Errors: a file that cannot be read has an empty digest.
#pragma once

#include <cstddef>
#include <string>

namespace fairlead::server {

/// Far above any CA bundle.
inline constexpr std::size_t watched_octets_max = 4 * 1024 * 1024;

struct WatchedFile {
  std::string path;
  std::string digest;  // of what it holds
};

/// The file as it is now.
WatchedFile watch_file(std::string path);

}  // namespace fairlead::server
