#include "server/control/options.hpp"

#include <getopt.h>

#include <charconv>
#include <cstring>
#include <string_view>

namespace fairlead::server {
namespace {

enum Flag : int { conf = 1, port, pidfile, quiet, log_format, version, plugins, check, help };

// getopt_long_only takes one dash or two, "-conf FILE" and "-conf=FILE", as Go's flag package does.
const option flags[] = {
    {"conf", required_argument, nullptr, conf}, {"dns.port", required_argument, nullptr, port},
    {"p", required_argument, nullptr, port},    {"pidfile", required_argument, nullptr, pidfile},
    {"quiet", no_argument, nullptr, quiet},     {"log.format", required_argument, nullptr, log_format},
    {"version", no_argument, nullptr, version}, {"plugins", no_argument, nullptr, plugins},
    {"check", no_argument, nullptr, check},     {"help", no_argument, nullptr, help},
    {"h", no_argument, nullptr, help},          {nullptr, 0, nullptr, 0},
};

std::expected<std::uint16_t, std::string> parse_port(const char* text) {
  std::uint16_t value = 0;
  const char* const end = text + std::strlen(text);
  const auto [at, error] = std::from_chars(text, end, value);
  if (error != std::errc() || at != end || value == 0) {
    return std::unexpected("-dns.port '" + std::string(text) + "' is not a port; write a number from 1 to 65535");
  }
  return value;
}

}  // namespace

std::expected<Options, std::string> parse_options(int argc, char** argv) {
  Options options;
  opterr = 0;
  optind = 1;
  while (true) {
    const int at = optind;
    const int flag = getopt_long_only(argc, argv, ":", flags, nullptr);
    if (flag == -1) break;
    switch (flag) {
      case conf: options.corefile = optarg; break;
      case port: {
        const auto parsed = parse_port(optarg);
        if (!parsed) return std::unexpected(parsed.error());
        options.port = *parsed;
        break;
      }
      case pidfile: options.pidfile = optarg; break;
      case quiet: options.quiet = true; break;
      case log_format: {
        const std::string_view format = optarg;
        if (format != "text" && format != "json") {
          return std::unexpected("-log.format '" + std::string(format) + "' is not known; write text or json");
        }
        options.json_log = format == "json";
        break;
      }
      case version: options.action = Options::Action::version; break;
      case plugins: options.action = Options::Action::plugins; break;
      case check: options.action = Options::Action::check; break;
      case help: options.action = Options::Action::help; break;
      case ':': return std::unexpected("flag '" + std::string(argv[at]) + "' needs a value; see -help");
      default: return std::unexpected("unknown flag '" + std::string(argv[at]) + "'; see -help");
    }
  }
  if (optind < argc) {
    return std::unexpected("unexpected argument '" + std::string(argv[optind]) + "'; the Corefile is given by -conf");
  }
  return options;
}

std::string version_text() {
#if defined(__x86_64__)
  constexpr const char* architecture = "amd64";
#elif defined(__aarch64__)
  constexpr const char* architecture = "arm64";
#else
  constexpr const char* architecture = "unknown";
#endif
  return std::string("Fairlead-") + FAIRLEAD_VERSION + "\nlinux/" + architecture + ", g++ " + __VERSION__ + "\n";
}

std::string help_text() {
  return R"(fairlead - a cluster DNS server that takes CoreDNS's Corefile

Usage: fairlead [flags]

  -conf FILE       the Corefile (default "Corefile" in the working directory)
  -dns.port PORT   where server blocks listen that name no port (default 53); also -p
  -pidfile FILE    writes the process id there
  -quiet           no start-up output
  -log.format json the log, start-up output and queries included, as JSON
                   objects, one a line (default "text", which is CoreDNS's)
  -check           validates the Corefile and exits 0 or 1; prints every fault
                   as FILE:LINE: message, and the order in which directives act
  -plugins         lists the directives that are supported, in their order
  -version         prints the version
  -help            prints this

Signals: SIGTERM answers on for the lameduck time of `health`, drains and ends;
SIGINT drains and ends at once; SIGUSR1 reloads the Corefile.

Examples:
  fairlead -conf /etc/coredns/Corefile
  fairlead -check -conf ./Corefile
  fairlead -conf Corefile -dns.port 1053 && dig @127.0.0.1 -p 1053 kubernetes.default.svc.cluster.local
)";
}

}  // namespace fairlead::server
