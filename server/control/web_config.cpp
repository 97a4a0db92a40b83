// The only <yaml-cpp/yaml.h> of this folder. Its exceptions end in this file.
#include "server/control/web_config.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <functional>

namespace fairlead::server {
namespace {

struct Refusal {
  std::string text;
};

struct Choice {
  std::string_view word;
  ClientCertificate certificate;
};
// Names of Go's types; each with the shorter one that the toolkit's pages have had.
constexpr auto client_auth_types = std::to_array<Choice>({
    {"", ClientCertificate::none},
    {"NoClientCert", ClientCertificate::none},
    {"RequestClientCert", ClientCertificate::request},
    {"RequireClientCert", ClientCertificate::require},
    {"RequireAnyClientCert", ClientCertificate::require},
    {"VerifyClientCertIfGiven", ClientCertificate::verify_if_given},
    {"RequireAndVerifyClientCert", ClientCertificate::require_and_verify},
});

class Reader {
 public:
  explicit Reader(const std::filesystem::path& folder) : folder_(folder) {}

  WebConfig read(const YAML::Node& root) {
    if (root.IsNull()) return {};
    if (!root.IsMap()) throw Refusal{"the top of the file is no mapping; write 'tls_server_config:'"};
    for (const auto& entry : root) {
      const auto key = entry.first.as<std::string>();
      const YAML::Node& value = entry.second;
      if (key == "tls_server_config") {
        read_tls(value);
      } else if (key == "http_server_config" || key == "rate_limit") {
        warn(key, "HTTP/1.1 is served, with limits of its own");
      } else if (key == "basic_auth_users") {
        if (value.size() > 0) throw Refusal{key + ": passwords are not supported; let clients show certificates"};
      } else {
        throw Refusal{key + ": is no key of a web configuration"};
      }
    }
    return std::move(config_);
  }

 private:
  void read_tls(const YAML::Node& node) {
    constexpr std::string_view section = "tls_server_config.";
    if (node.IsNull()) return;
    if (!node.IsMap()) throw Refusal{"tls_server_config: is no mapping"};
    WebConfig::Tls& tls = config_.tls.emplace();
    for (const auto& entry : node) {
      const auto key = entry.first.as<std::string>();
      const YAML::Node& value = entry.second;
      const std::string name = std::string(section) + key;
      if (key == "cert_file") {
        tls.files.certificate_file = path(name, value);
      } else if (key == "key_file") {
        tls.files.key_file = path(name, value);
      } else if (key == "client_ca_file") {
        tls.files.ca_file = path(name, value);
      } else if (key == "client_auth_type") {
        tls.files.client_certificate = client_auth_type(name, text(name, value));
      } else if (key == "min_version") {
        tls.requires_tls13 = requires_tls13(name, text(name, value));
      } else if (key == "cert" || key == "key" || key == "client_ca") {
        throw Refusal{name + ": is not supported; write " + key + "_file with the name of a file"};
      } else if (key == "client_allowed_sans") {
        if (value.size() > 0) throw Refusal{name + ": is not supported; sign clients with a CA of their own"};
      } else if (key == "max_version" || key == "cipher_suites" || key == "curve_preferences" ||
                 key == "prefer_server_cipher_suites") {
        warn(name, "OpenSSL's are used");
      } else {
        throw Refusal{name + ": is no key of a web configuration"};
      }
    }
    if (tls.files.certificate_file.empty()) throw Refusal{std::string(section) + "cert_file: is missing"};
    if (tls.files.key_file.empty()) throw Refusal{std::string(section) + "key_file: is missing"};
    if (!tls.files.ca_file.empty() && tls.files.client_certificate == ClientCertificate::none) {
      throw Refusal{std::string(section) +
                    "client_ca_file: has no effect without client_auth_type; write RequireAndVerifyClientCert"};
    }
  }

  static std::string text(const std::string& name, const YAML::Node& node) {
    if (node.IsNull()) return {};
    if (!node.IsScalar()) throw Refusal{name + ": is no text"};
    return node.as<std::string>();
  }

  std::string path(const std::string& name, const YAML::Node& node) const {
    const std::string written = text(name, node);
    return written.empty() ? written : (folder_ / written).string();
  }

  static ClientCertificate client_auth_type(const std::string& name, const std::string& word) {
    const auto* const found = std::ranges::find(client_auth_types, word, &Choice::word);
    if (found != client_auth_types.end()) return found->certificate;
    throw Refusal{name + ": is none that Go knows; write RequireAndVerifyClientCert or the like"};
  }

  static bool requires_tls13(const std::string& name, const std::string& word) {
    if (word == "TLS13") return true;
    // Below 1.2 nothing is served.
    if (word.empty() || word == "TLS10" || word == "TLS11" || word == "TLS12") return false;
    throw Refusal{name + ": is no version; write TLS12 or TLS13"};
  }

  void warn(const std::string& name, std::string_view why) {
    config_.warnings.push_back(name + " is accepted without effect: " + std::string(why));
  }

  const std::filesystem::path& folder_;
  WebConfig config_;
};

}  // namespace

std::expected<WebConfig, std::string> parse_web_config(std::string_view text, const std::filesystem::path& folder) {
  try {
    return Reader(folder).read(YAML::Load(std::string(text)));
  } catch (const Refusal& fault) {
    return std::unexpected(fault.text);
  } catch (const YAML::Exception& error) {
    return std::unexpected("line " + std::to_string(error.mark.line + 1) + ": " + error.msg);
  } catch (const std::exception& error) {
    return std::unexpected(std::string(error.what()));
  }
}

}  // namespace fairlead::server
