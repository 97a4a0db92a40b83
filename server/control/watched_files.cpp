#include "server/control/watched_files.hpp"

#include <sys/stat.h>

#include <array>
#include <fstream>
#include <string_view>

#include "server/config/digest.hpp"

namespace fairlead::server {
namespace {

std::string digest_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return {};
  std::string text;
  std::array<char, 16 * 1024> chunk;
  while (text.size() < watched_octets_max && file.read(chunk.data(), chunk.size()).gcount() > 0) {
    text.append(chunk.data(), static_cast<std::size_t>(file.gcount()));
  }
  const std::string_view part = text;
  return sha512_hex({&part, 1});
}

}  // namespace

WatchedFile watch_file(std::string path) {
  std::string digest = digest_of(path);
  return {.path = std::move(path), .digest = std::move(digest)};
}

FileStamp stamp_of(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return {};
  return {.written_ns = std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec,
          .octets = static_cast<std::uint64_t>(status.st_size),
          .inode = status.st_ino};
}

}  // namespace fairlead::server
