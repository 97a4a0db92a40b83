// Where the text of a Corefile comes from: the disk, or a map in memory for tests and fuzzing.
//
// disk_reader() opens without waiting and takes regular files only, so that a FIFO or a device named in an import
// cannot hang or feed the loader without end.
//
// Threads: disk_reader() keeps no state; a MemoryReader belongs to one thread.
// Errors: read() returns the reason in the words of the system.
#pragma once

#include <cstddef>
#include <expected>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace fairlead::server {

class SourceReader {
 public:
  struct ReadError {
    std::string reason;
    bool is_missing = false;
  };

  virtual ~SourceReader() = default;

  virtual std::expected<std::string, ReadError> read(const std::filesystem::path& path, std::size_t octets_max) = 0;
  /// The regular files that a shell pattern matches, sorted; hidden files only when the pattern spells the dot, so
  /// that the `..data` of a mounted ConfigMap is not imported.
  virtual std::vector<std::filesystem::path> glob(const std::string& pattern) = 0;
  virtual bool is_file(const std::filesystem::path& path) = 0;
};

SourceReader& disk_reader();

class MemoryReader : public SourceReader {
 public:
  explicit MemoryReader(std::map<std::string, std::string> files) : files_(std::move(files)) {}

  std::expected<std::string, ReadError> read(const std::filesystem::path& path, std::size_t octets_max) override;
  std::vector<std::filesystem::path> glob(const std::string& pattern) override;
  bool is_file(const std::filesystem::path& path) override;

 private:
  std::map<std::string, std::string> files_;
};

}  // namespace fairlead::server
