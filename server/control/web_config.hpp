// The file of `prometheus { tls FILE }`: the web configuration of Prometheus's exporters, as far as it is about TLS.
//
// Threads: any; pure.
// Limits: web_config_octets_max.
// Errors: a sentence that names the key. What would open the metrics to more people than the file says is an error.
// Standards: github.com/prometheus/exporter-toolkit, docs/web-configuration.md.
#pragma once

#include <cstddef>
#include <expected>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/config/tls_options.hpp"

namespace fairlead::server {

inline constexpr std::size_t web_config_octets_max = 64 * 1024;

struct WebConfig {
  struct Tls {
    TlsOptions files;
    bool requires_tls13 = false;
  };
  std::optional<Tls> tls;             // nothing: no encryption
  std::vector<std::string> warnings;  // keys without effect
};

/// `folder` is where relative paths begin: that of the file.
std::expected<WebConfig, std::string> parse_web_config(std::string_view text, const std::filesystem::path& folder);

}  // namespace fairlead::server
