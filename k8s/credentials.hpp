// Where the API server is and how we prove who we are: in a cluster, from a URL with files, or from a kubeconfig
// (kubeconfig.hpp).
//
// Everything that can rotate is named by its file and read when it is used: the token for every request, the
// certificates for every connection. A file that cannot be read for a moment does not take away what was read before.
//
// Threads: Credentials from any.
// Limits: a file of at most credential_octets_max.
// Errors: text that names the file or variable, what is wrong with it, and the fix.
// Security: tokens and keys never appear in error texts.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "zones/base/guarded.hpp"

namespace fairlead::k8s {

inline constexpr std::size_t credential_octets_max = std::size_t{1} << 20;

struct ApiUrl {
  bool tls = true;
  std::string host;  // without the brackets of an IPv6 address
  std::uint16_t port = 443;
  std::string base_path;  // empty or "/x/y"

  bool is_ipv6_literal() const { return host.find(':') != std::string::npos; }
  std::string to_string() const;
};

/// "https://host:port/path"; the scheme may be missing and is `https` then if `prefer_tls`.
std::expected<ApiUrl, std::string> parse_api_url(std::string_view text, bool prefer_tls = true);

/// PEM, in a file that may rotate or as it stands. Both empty: none.
struct PemSource {
  std::string file;
  std::string text;
  bool is_set() const { return !file.empty() || !text.empty(); }
};

struct ApiAccess {
  ApiUrl url;
  PemSource ca;  // none: the system's certificate authorities
  PemSource client_certificate;
  PemSource client_key;
  std::string token_file;
  std::string token;            // used if there is no file
  std::string tls_server_name;  // empty: the host of the URL
  bool skip_tls_verify = false;
};

using Environment = std::function<std::optional<std::string>(const char* name)>;
/// The process's own.
std::optional<std::string> process_environment(const char* name);

/// What the kubelet gives to every Pod: KUBERNETES_SERVICE_HOST and _PORT, and the service account's directory
/// (FAIRLEAD_SERVICEACCOUNT_DIR moves it).
std::expected<ApiAccess, std::string> in_cluster_access(const Environment& environment = process_environment);

/// A URL and up to three files, as the Corefile's `endpoint` and `tls` say it.
std::expected<ApiAccess, std::string> endpoint_access(std::string_view url, const std::string& certificate_file,
                                                      const std::string& key_file, const std::string& ca_file);

class Credentials {
 public:
  explicit Credentials(ApiAccess access) : access_(std::move(access)) {}

  const ApiAccess& access() const { return access_; }

  /// The bearer token as it is now; empty without one.
  std::expected<std::string, std::string> bearer_token() const;

  struct Tls {
    std::string ca, certificate, key;  // PEM
  };
  /// Read anew.
  std::expected<Tls, std::string> read_tls() const;

 private:
  ApiAccess access_;
  mutable base::Guarded<std::string> last_token_;
};

/// A small text file.
std::expected<std::string, std::string> read_credential_file(const std::string& path);

}  // namespace fairlead::k8s
