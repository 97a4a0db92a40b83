// The command line, which is CoreDNS's: Go's flags with one dash or two.
//
// Threads: main's.
// Errors: a sentence that names the flag and points to -help.
#pragma once

#include <cstdint>
#include <expected>
#include <string>

namespace fairlead::server {

struct Options {
  enum class Action { serve, check, version, plugins, help };
  Action action = Action::serve;
  std::string corefile = "Corefile";
  std::uint16_t port = 53;
  std::string pidfile;
  bool quiet = false;
  bool json_log = false;  // -log.format json
};

std::expected<Options, std::string> parse_options(int argc, char** argv);
std::string help_text();
std::string version_text();

}  // namespace fairlead::server
