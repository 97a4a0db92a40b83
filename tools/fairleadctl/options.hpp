// The command line of fairleadctl. The only file that includes CLI11 is its source.
//
// Threads: called once, at the start.
// Errors: parse_options() prints the help or what is wrong, and returns the exit status: 0 or 2.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>

#include "tools/fairleadctl/server_address.hpp"
#include "tools/fairleadctl/zone_listing.hpp"

namespace fairlead::ctl {

enum ExitStatus : int { exit_done = 0, exit_failed = 1, exit_usage = 2 };

enum class Command { dump, explain, top, slow };

struct Options {
  Command command = Command::dump;

  // Where the zone comes from: a server, or else an API server.
  std::string server;
  std::string kubeconfig_file, kubeconfig_context;
  std::string endpoint, client_certificate_file, client_key_file, ca_file;

  dns::DomainName zone;
  std::uint32_t ttl = 5;
  bool reverse = false;
  Format format = Format::zone;
  std::chrono::milliseconds timeout{30'000};

  dns::DomainName name;  // of explain
  bool as_json = false;  // of all but dump

  // Of top and slow.
  ServerAddress from;
  std::size_t rows = 20;
  std::chrono::milliseconds at_least{1};
};

std::expected<Options, int> parse_options(int count, char** arguments);

}  // namespace fairlead::ctl
