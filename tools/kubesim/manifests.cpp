#include "tools/kubesim/manifests.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "tools/kubesim/yaml_reader.hpp"

namespace fairlead::kubesim {
namespace {

namespace fs = std::filesystem;

bool is_manifest(const fs::path& path) {
  const std::string extension = path.extension().string();
  return extension == ".yaml" || extension == ".yml" || extension == ".json";
}

/// The manifests at `root`, sorted. Hidden entries are left out: a mounted ConfigMap shows each file a second time
/// below "..data".
std::vector<fs::path> find_files(const fs::path& root) {
  std::error_code error;
  if (!fs::is_directory(root, error)) return {root};
  std::vector<fs::path> files;
  auto entry = fs::recursive_directory_iterator(root, fs::directory_options::skip_permission_denied, error);
  for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    if (entry->path().filename().string().starts_with('.')) {
      if (entry->is_directory(error)) entry.disable_recursion_pending();
      continue;
    }
    if (is_manifest(entry->path()) && entry->is_regular_file(error)) files.push_back(entry->path());
    if (files.size() > manifest_files_max) break;
  }
  std::ranges::sort(files);
  return files;
}

std::size_t line_at(std::string_view text, std::size_t octet) {
  return 1 + static_cast<std::size_t>(std::ranges::count(text.substr(0, std::min(octet, text.size())), '\n'));
}

/// Adds the object, or the objects of a list, at `json`.
std::expected<void, ManifestFault> add_objects(const std::string& file, Json json, std::size_t line,
                                               const std::vector<std::size_t>& item_lines, ParsedManifest& parsed) {
  if (json.is_array()) json = {{"kind", "List"}, {"apiVersion", "v1"}, {"items", std::move(json)}};
  if (!json.is_object()) return std::unexpected(ManifestFault{file, line, "not a Kubernetes object"});
  const std::string api_version = string_at(json, {"apiVersion"});
  const std::string name = string_at(json, {"kind"});
  if (api_version.empty() || name.empty()) {
    return std::unexpected(ManifestFault{file, line, "apiVersion and kind are required"});
  }
  if (name.ends_with("List")) {
    const Json* items = find_at(json, {"items"});
    if (items == nullptr || items->is_null()) return {};
    if (!items->is_array()) return std::unexpected(ManifestFault{file, line, "items must be a list"});
    // Items of a typed list may leave out what the list's own kind says.
    const std::string item_kind = name.substr(0, name.size() - 4);
    for (std::size_t i = 0; i < items->size(); ++i) {
      Json item = (*items)[i];
      const std::size_t item_line = i < item_lines.size() ? item_lines[i] : line;
      if (item.is_object() && !item_kind.empty()) {
        if (!item.contains("kind")) item["kind"] = item_kind;
        if (!item.contains("apiVersion")) item["apiVersion"] = api_version;
      }
      if (item.is_object() && string_at(item, {"kind"}).ends_with("List")) {
        return std::unexpected(ManifestFault{file, item_line, "a list inside of a list"});
      }
      if (auto added = add_objects(file, std::move(item), item_line, {}, parsed); !added) return added;
    }
    return {};
  }
  const Kind* kind = find_kind(api_version, name);
  if (kind == nullptr) {
    parsed.skipped.push_back(
        {file, line, "skipped: " + api_version + " " + name + " is not a kind that kubesim holds"});
    return {};
  }
  if (const Json* metadata = find_at(json, {"metadata"}); metadata == nullptr || !metadata->is_object()) {
    return std::unexpected(ManifestFault{file, line, name + " without metadata"});
  }
  if (string_at(json, {"metadata", "name"}).empty()) {
    return std::unexpected(ManifestFault{file, line, name + " without metadata.name"});
  }
  if (kind->is_namespaced && string_at(json, {"metadata", "namespace"}).empty())
    json["metadata"]["namespace"] = "default";
  if (!kind->is_namespaced) json["metadata"].erase("namespace");
  // What a dump of another cluster brings along would only mislead here.
  for (const char* field : {"resourceVersion", "uid", "managedFields", "selfLink"}) json["metadata"].erase(field);
  parsed.objects.push_back({kind, std::move(json), file, line});
  return {};
}

/// Namespaces first, then Services that name their address, then the rest: an address that one manifest asks for
/// must not have been given to another just before.
int rank(const ManifestObject& object) {
  if (object.kind == &kind::of_namespace()) return 0;
  if (object.kind != &kind::service()) return 3;
  return string_at(object.json, {"spec", "clusterIP"}).empty() &&
                 find_at(object.json, {"spec", "clusterIPs"}) == nullptr
             ? 2
             : 1;
}

/// True for a Namespace whose manifest is gone while objects in it stay: it lives on as one that they imply.
bool is_still_used(const ManifestObject& object, const std::map<std::string, ManifestObject>& wanted) {
  if (object.kind != &kind::of_namespace()) return false;
  const std::string name = string_at(object.json, {"metadata", "name"});
  return std::ranges::any_of(wanted, [&](const auto& entry) {
    return entry.second.kind->is_namespaced && string_at(entry.second.json, {"metadata", "namespace"}) == name;
  });
}

}  // namespace

std::string ManifestObject::key() const {
  const std::string ns = string_at(json, {"metadata", "namespace"});
  return std::string(kind->name) + " " + (ns.empty() ? "" : ns + "/") + string_at(json, {"metadata", "name"});
}

std::expected<ParsedManifest, ManifestFault> parse_manifest(const std::string& file, const std::string& text) {
  ParsedManifest parsed;
  const auto start = text.find_first_not_of(" \t\r\n");
  if (start != std::string::npos && (text[start] == '{' || text[start] == '[')) {
    auto json = parse_json(text);
    if (!json) return std::unexpected(ManifestFault{file, line_at(text, json.error().octet), json.error().message});
    if (auto added = add_objects(file, std::move(*json), line_at(text, start), {}, parsed); !added) {
      return std::unexpected(added.error());
    }
    return parsed;
  }
  auto documents = read_yaml(text);
  if (!documents) return std::unexpected(ManifestFault{file, documents.error().line, documents.error().message});
  for (YamlDocument& document : *documents) {
    if (auto added = add_objects(file, std::move(document.json), document.line, document.item_lines, parsed); !added) {
      return std::unexpected(added.error());
    }
  }
  return parsed;
}

ManifestSource::Stamps ManifestSource::stamps() const {
  Stamps found;
  for (const fs::path& file : find_files(path_)) {
    std::error_code error;
    const auto time = fs::last_write_time(file, error);
    const auto size = error ? 0 : fs::file_size(file, error);
    if (!error) found[file] = {time, size};
  }
  return found;
}

bool ManifestSource::has_settled_change() {
  Stamps now = stamps();
  const bool is_settled = now == last_stamps_;
  last_stamps_ = std::move(now);
  if (!is_settled || last_stamps_ == loaded_stamps_) return false;
  loaded_stamps_ = last_stamps_;
  return true;
}

std::expected<ManifestSource::Changes, std::vector<ManifestFault>> ManifestSource::load(Cluster& cluster) {
  // Stamped before reading: a write in between is then seen as a further change.
  loaded_stamps_ = last_stamps_ = stamps();
  std::vector<ManifestFault> faults;
  std::map<std::string, ManifestObject> wanted;
  Changes changes;
  const std::vector<fs::path> files = find_files(path_);
  if (files.size() > manifest_files_max) {
    return std::unexpected(std::vector{ManifestFault{path_.string(), 1, "more files than kubesim accepts"}});
  }
  for (const fs::path& file : files) {
    std::error_code error;
    const auto size = fs::file_size(file, error);
    std::ifstream stream(file, std::ios::binary);
    if (error || !stream) {
      faults.push_back({file.string(), 1, "cannot be read: " + (error ? error.message() : std::string("permission?"))});
      continue;
    }
    if (size > manifest_file_octets_max) {
      faults.push_back({file.string(), 1, "larger than kubesim accepts"});
      continue;
    }
    std::ostringstream text;
    text << stream.rdbuf();
    auto parsed = parse_manifest(file.string(), text.str());
    if (!parsed) {
      faults.push_back(parsed.error());
      continue;
    }
    std::ranges::move(parsed->skipped, std::back_inserter(changes.skipped));
    for (ManifestObject& object : parsed->objects) {
      std::string key = object.key();
      if (const auto found = wanted.find(key); found != wanted.end()) {
        faults.push_back({object.file, object.line,
                          key + " stands already at " + found->second.file + ":" + std::to_string(found->second.line)});
        continue;
      }
      wanted.emplace(std::move(key), std::move(object));
    }
  }
  if (!faults.empty()) return std::unexpected(std::move(faults));

  std::vector<const ManifestObject*> changed;
  for (const auto& [key, object] : wanted) {
    const auto found = loaded_.find(key);
    if (found == loaded_.end() || found->second.json != object.json) changed.push_back(&object);
  }
  std::ranges::sort(changed, {}, [](const ManifestObject* object) { return std::pair(rank(*object), object->key()); });

  std::vector<const ManifestObject*> gone;
  for (const auto& [key, object] : loaded_) {
    if (!wanted.contains(key) && !is_still_used(object, wanted)) gone.push_back(&object);
  }
  std::ranges::sort(gone, {}, [](const ManifestObject* object) { return std::pair(-rank(*object), object->key()); });

  // Removals first, so that an address that moves from one Service to another is free.
  for (const ManifestObject* object : gone) {
    const auto removed = cluster.remove(*object->kind, string_at(object->json, {"metadata", "namespace"}),
                                        string_at(object->json, {"metadata", "name"}), Persist::yes);
    if (removed) ++changes.deleted;
  }
  for (const ManifestObject* object : changed) {
    const bool is_new = cluster.registry().get(*object->kind, string_at(object->json, {"metadata", "namespace"}),
                                               string_at(object->json, {"metadata", "name"})) == nullptr;
    const auto applied = cluster.apply_manifest(*object->kind, object->json);
    if (!applied) {
      changes.refused.push_back({object->file, object->line, applied.error().message});
    } else {
      ++(is_new ? changes.added : changes.modified);
    }
  }
  loaded_ = std::move(wanted);
  return changes;
}

}  // namespace fairlead::kubesim
