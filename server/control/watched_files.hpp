// Files that a serving plan was made of besides the Corefile: certificates, CAs, and those that are read again.
//
// Threads: the control thread.
// Limits: watched_octets_max of each file count; more of it does not matter.
// Errors: a file that cannot be read has an empty digest; one that is not there has the stamp of nothing.
#pragma once

#include <cstddef>
#include <cstdint>
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

/// Tells whether a file changed without reading it. A ConfigMap's file is another one after each change.
struct FileStamp {
  std::int64_t written_ns = 0;  // since 1970
  std::uint64_t octets = 0;
  std::uint64_t inode = 0;  // 0: there is no file

  double written_seconds() const { return static_cast<double>(written_ns) / 1e9; }
  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};
FileStamp stamp_of(const std::string& path);

}  // namespace fairlead::server
