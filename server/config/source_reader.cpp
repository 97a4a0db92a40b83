#include "server/config/source_reader.hpp"

#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace fairlead::server {
namespace {

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

SourceReader::ReadError system_error(int code) {
  return {std::generic_category().message(code), code == ENOENT || code == ENOTDIR};
}

SourceReader::ReadError too_large(std::size_t octets_max) {
  return {"larger than " + std::to_string(octets_max) + " octets", false};
}

class DiskReader : public SourceReader {
 public:
  std::expected<std::string, ReadError> read(const std::filesystem::path& path, std::size_t octets_max) override {
    const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
    if (file.get() < 0) return std::unexpected(system_error(errno));
    struct stat status{};
    if (::fstat(file.get(), &status) != 0) return std::unexpected(system_error(errno));
    if (S_ISDIR(status.st_mode)) return std::unexpected(ReadError{"it is a directory", false});
    if (!S_ISREG(status.st_mode)) return std::unexpected(ReadError{"it is not a regular file", false});
    std::string content;
    char buffer[16 * 1024];
    while (true) {
      const ssize_t got = ::read(file.get(), buffer, sizeof buffer);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return std::unexpected(system_error(errno));
      if (got == 0) return content;
      content.append(buffer, static_cast<std::size_t>(got));
      if (content.size() > octets_max) return std::unexpected(too_large(octets_max));
    }
  }

  std::vector<std::filesystem::path> glob(const std::string& pattern) override {
    std::vector<std::filesystem::path> paths;
    glob_t matches{};
    if (::glob(pattern.c_str(), 0, nullptr, &matches) == 0) {
      for (std::size_t i = 0; i < matches.gl_pathc; ++i) {
        if (is_file(matches.gl_pathv[i])) paths.emplace_back(matches.gl_pathv[i]);
      }
    }
    ::globfree(&matches);
    return paths;
  }

  bool is_file(const std::filesystem::path& path) override {
    std::error_code ignored;
    return std::filesystem::is_regular_file(path, ignored);
  }
};

}  // namespace

SourceReader& disk_reader() {
  static DiskReader reader;
  return reader;
}

std::expected<std::string, SourceReader::ReadError> MemoryReader::read(const std::filesystem::path& path,
                                                                       std::size_t octets_max) {
  const auto file = files_.find(path.lexically_normal().string());
  if (file == files_.end()) return std::unexpected(system_error(ENOENT));
  if (file->second.size() > octets_max) return std::unexpected(too_large(octets_max));
  return file->second;
}

std::vector<std::filesystem::path> MemoryReader::glob(const std::string& pattern) {
  std::vector<std::filesystem::path> paths;
  for (const auto& [name, content] : files_) {
    if (::fnmatch(pattern.c_str(), name.c_str(), FNM_PATHNAME | FNM_PERIOD) == 0) paths.emplace_back(name);
  }
  return paths;
}

bool MemoryReader::is_file(const std::filesystem::path& path) {
  return files_.contains(path.lexically_normal().string());
}

}  // namespace fairlead::server
