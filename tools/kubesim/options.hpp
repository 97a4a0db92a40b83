// The command line. The only file that includes CLI11 is its source.
//
// Threads: called once, at the start.
// Errors: parse_options() prints what is wrong (or the help) and returns the exit status.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "tools/kubesim/http_server.hpp"
#include "tools/kubesim/object_registry.hpp"
#include "tools/kubesim/rest_api.hpp"

namespace fairlead::kubesim {

struct Options {
  std::string listen = "127.0.0.1:0";
  std::string admin_listen;
  std::string port_file;
  std::string kubeconfig_out;
  std::optional<TlsFiles> tls;
  std::string tls_ca;  // for the kubeconfig; the certificate itself if empty
  std::string manifests;
  std::string synthetic;
  double churn = 0;
  bool bare = false;
  std::vector<std::string> service_cidrs;
  std::optional<ResourceVersion> resource_version;
  HistoryLimits history;
  HttpLimits http;
  RestOptions rest;
};

std::expected<Options, int> parse_options(int count, char** arguments);

}  // namespace fairlead::kubesim
