// Any octets as a Corefile: it loads or it has faults, in bounded time and memory.
//
// A line "=== NAME" begins another file that the Corefile may import.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

#include "server/config/corefile.hpp"
#include "server/config/limits.hpp"
#include "server/config/source_reader.hpp"

namespace {

using namespace fairlead::server;

void require(bool condition) {
  if (!condition) std::abort();
}

std::map<std::string, std::string> split_files(std::string_view input) {
  constexpr std::string_view marker = "\n=== ";
  std::map<std::string, std::string> files;
  std::string name = "Corefile";
  while (true) {
    const std::size_t end = input.find(marker);
    files[name] = input.substr(0, end);
    if (end == std::string_view::npos || files.size() > 8) return files;
    input.remove_prefix(end + marker.size());
    const std::size_t line_end = std::min(input.find('\n'), input.size());
    name = input.substr(0, line_end);
    input.remove_prefix(line_end);
  }
}

void check_text(const std::vector<Fault>& faults) {
  require(faults.size() <= faults_max + 1);
  for (const Fault& fault : faults) {
    require(!fault.message.empty());
    require(fault.message.find('\n') == std::string::npos);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  MemoryReader reader(split_files({reinterpret_cast<const char*>(data), size}));
  LoadSettings settings;
  settings.reader = &reader;
  settings.environment = [](const std::string& name) -> std::optional<std::string> {
    if (name == "PORT") return "5353";
    if (name == "TEXT") return "{ # \"{$TEXT}";
    return std::nullopt;
  };
  const auto corefile = load_corefile("Corefile", settings);
  require(corefile_digest("Corefile", settings).has_value());
  if (!corefile) {
    require(!corefile.error().empty());
    check_text(corefile.error());
    return 0;
  }
  check_text(corefile->warnings);
  require(!corefile->blocks.empty() && !corefile->files.empty() && corefile->digest.size() == 128);
  for (const ServerBlock& block : corefile->blocks) require(!block.keys.empty() && !block.zones().empty());
  require(!effective_order(*corefile).empty());
  return 0;
}
