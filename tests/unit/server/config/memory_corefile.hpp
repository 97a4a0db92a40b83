// Corefiles in memory for tests: the file is called "Corefile", others are given by name.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "server/config/corefile.hpp"
#include "server/config/source_reader.hpp"

namespace fairlead::server {

struct MemoryCorefile {
  std::map<std::string, std::string> files;
  std::map<std::string, std::string> environment;

  explicit MemoryCorefile(std::string corefile, std::map<std::string, std::string> others = {},
                          std::map<std::string, std::string> variables = {})
      : files(std::move(others)), environment(std::move(variables)) {
    files["Corefile"] = std::move(corefile);
  }

  std::expected<Corefile, std::vector<Fault>> load() const {
    MemoryReader reader(files);
    return load_corefile("Corefile", settings(reader));
  }

  LoadSettings settings(MemoryReader& reader) const {
    LoadSettings settings;
    settings.reader = &reader;
    settings.environment = [this](const std::string& name) {
      const auto found = environment.find(name);
      return found == environment.end() ? std::nullopt : std::optional(found->second);
    };
    return settings;
  }
};

/// The faults as printed, "" when the Corefile loads.
inline std::string faults_of(const MemoryCorefile& corefile) {
  const auto loaded = corefile.load();
  return loaded ? std::string() : to_string(loaded.error());
}
inline std::string faults_of(std::string text) { return faults_of(MemoryCorefile(std::move(text))); }

/// A Corefile that must load; its faults end the test otherwise.
inline Corefile load_good(const MemoryCorefile& corefile) {
  auto loaded = corefile.load();
  if (!loaded) throw std::runtime_error(to_string(loaded.error()));
  return std::move(*loaded);
}
inline Corefile load_good(std::string text) { return load_good(MemoryCorefile(std::move(text))); }

/// The first block's options with these directive lines in it.
inline DirectiveOptions options_of(const std::string& directives) {
  return load_good("example.org {\n" + directives + "\n}\n").blocks.at(0).options;
}

}  // namespace fairlead::server
