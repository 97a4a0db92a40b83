// Objects from manifest files, and what a changed file means for the cluster.
//
// A source is a file or a directory of *.yaml, *.yml and *.json files: several documents a file, kinds List and
// XxxList, JSON arrays. The first load fills the cluster; each later one is compared with the load before, so that an
// edit of one Service is one MODIFIED event. Objects that clients made through the API are left alone. If any file
// cannot be read, the whole last good state stays.
//
// Threads: one, as the registry.
// Limits: `manifest_file_octets_max` a file, `manifest_files_max` files.
// Errors: ManifestFault as "FILE:LINE: message".
#pragma once

#include <cstddef>
#include <expected>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tools/kubesim/cluster.hpp"
#include "tools/kubesim/json.hpp"

namespace fairlead::kubesim {

inline constexpr std::uintmax_t manifest_file_octets_max = 256u << 20;
inline constexpr std::size_t manifest_files_max = 10'000;

struct ManifestFault {
  std::string file;
  std::size_t line = 1;
  std::string message;

  std::string to_string() const { return file + ":" + std::to_string(line) + ": " + message; }
};

struct ManifestObject {
  const Kind* kind = nullptr;
  Json json;
  std::string file;
  std::size_t line = 1;

  /// "Service default/web"
  std::string key() const;
};

struct ParsedManifest {
  std::vector<ManifestObject> objects;
  std::vector<ManifestFault> skipped;  // objects of kinds that kubesim does not hold
};

/// `file` is used in messages, and decides nothing: JSON is told from YAML by its first character.
std::expected<ParsedManifest, ManifestFault> parse_manifest(const std::string& file, const std::string& text);

class ManifestSource {
 public:
  explicit ManifestSource(std::filesystem::path path) : path_(std::move(path)) {}

  struct Changes {
    std::size_t added = 0;
    std::size_t modified = 0;
    std::size_t deleted = 0;
    std::vector<ManifestFault> skipped;  // objects of kinds that kubesim does not hold
    std::vector<ManifestFault> refused;  // objects that the cluster finds invalid
  };
  /// Reads the files and brings the cluster from the last load's objects to this one's.
  std::expected<Changes, std::vector<ManifestFault>> load(Cluster& cluster);

  /// True once after the files changed and then stood still for one further call: a file that is still being written
  /// would look like one whose objects were deleted.
  bool has_settled_change();

 private:
  struct Stamp {
    std::filesystem::file_time_type time;
    std::uintmax_t size;
    bool operator==(const Stamp&) const = default;
  };
  using Stamps = std::map<std::filesystem::path, Stamp>;
  Stamps stamps() const;

  std::filesystem::path path_;
  std::map<std::string, ManifestObject> loaded_;
  Stamps loaded_stamps_;
  Stamps last_stamps_;
};

}  // namespace fairlead::kubesim
