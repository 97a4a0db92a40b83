// The only <yaml-cpp/yaml.h>. Its exceptions end in this file.
#include "k8s/kubeconfig.hpp"

#include <yaml-cpp/yaml.h>

#include <array>
#include <cstdint>

namespace fairlead::k8s {

namespace {

struct Fault {
  std::string text;
};

std::string decode_base64(const std::string& text, const std::string& field) {
  std::string decoded;
  std::uint32_t bits = 0;
  int bit_count = 0;
  bool padding = false;
  for (const char c : text) {
    int value = -1;
    if (c >= 'A' && c <= 'Z') value = c - 'A';
    if (c >= 'a' && c <= 'z') value = c - 'a' + 26;
    if (c >= '0' && c <= '9') value = c - '0' + 52;
    if (c == '+') value = 62;
    if (c == '/') value = 63;
    if (c == '\n' || c == '\r' || c == ' ' || c == '\t') continue;
    if (c == '=') {
      padding = true;
      continue;
    }
    if (value < 0 || padding) throw Fault{field + ": is no base64; write the PEM through `base64 -w0`"};
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    bit_count += 6;
    if (bit_count >= 8) {
      bit_count -= 8;
      decoded.push_back(static_cast<char>((bits >> bit_count) & 0xff));
    }
  }
  return decoded;
}

class Reader {
 public:
  Reader(const YAML::Node& root, std::string directory) : root_(root), directory_(std::move(directory)) {}

  ApiAccess read(std::string context_name) {
    if (!root_.IsMap()) throw Fault{"is no kubeconfig: the top of the file is no mapping"};
    if (context_name.empty()) context_name = text(root_, "", "current-context");
    if (context_name.empty()) throw Fault{"current-context: is missing; set it, or name a context behind the file"};
    const std::string context_field = "contexts[" + context_name + "].context";
    const YAML::Node context = named("contexts", "context", context_name);
    const std::string cluster_name = text(context, context_field, "cluster");
    const std::string user_name = text(context, context_field, "user");
    if (cluster_name.empty()) throw Fault{context_field + ".cluster: is missing"};

    ApiAccess access;
    read_cluster(named("clusters", "cluster", cluster_name), "clusters[" + cluster_name + "].cluster", access);
    // A context without a user is anonymous access.
    if (!user_name.empty()) read_user(named("users", "user", user_name), "users[" + user_name + "].user", access);
    return access;
  }

 private:
  void read_cluster(const YAML::Node& cluster, const std::string& field, ApiAccess& access) {
    const std::string server = text(cluster, field, "server");
    if (server.empty()) throw Fault{field + ".server: is missing"};
    auto url = parse_api_url(server);
    if (!url) throw Fault{field + ".server: " + url.error()};
    access.url = std::move(*url);
    access.ca = pem(cluster, field, "certificate-authority");
    access.tls_server_name = text(cluster, field, "tls-server-name");
    const std::string skip = text(cluster, field, "insecure-skip-tls-verify");
    if (!skip.empty() && skip != "true" && skip != "false")
      throw Fault{field + ".insecure-skip-tls-verify: is neither true nor false"};
    access.skip_tls_verify = skip == "true";
    if (access.skip_tls_verify && access.ca.is_set())
      throw Fault{field + ": has insecure-skip-tls-verify and a certificate-authority; remove one of them"};
    if (!text(cluster, field, "proxy-url").empty())
      throw Fault{field + ".proxy-url: is not supported; use a server that is reached directly"};
  }

  void read_user(const YAML::Node& user, const std::string& field, ApiAccess& access) {
    access.client_certificate = pem(user, field, "client-certificate");
    access.client_key = pem(user, field, "client-key");
    if (access.client_certificate.is_set() != access.client_key.is_set()) {
      throw Fault{field + (access.client_key.is_set() ? ".client-certificate" : ".client-key") +
                  ": is missing; certificate and key go together"};
    }
    access.token = text(user, field, "token");
    access.token_file = resolved(text(user, field, "tokenFile"));
    const bool proves = access.client_key.is_set() || !access.token.empty() || !access.token_file.empty();
    // kubectl too prefers what stands in the file over what would have to be fetched.
    if (proves) return;
    for (const auto& [name, fix] :
         {std::pair{"exec",
                    "this server runs no programs; write a token or a client certificate of a service account "
                    "(`kubectl create token`) into a kubeconfig of its own"},
          std::pair{"auth-provider", "use a token or a client certificate"},
          std::pair{"username", "API servers take no passwords any more; use a token or a client certificate"}}) {
      if (user[name].IsDefined() && !user[name].IsNull())
        throw Fault{field + "." + name + ": is not supported: " + fix};
    }
  }

  /// The element of `list` that has this name, and in it the mapping under `inner`.
  YAML::Node named(const std::string& list, const std::string& inner, const std::string& name) {
    const YAML::Node elements = root_[list];
    if (elements.IsDefined() && elements.IsSequence()) {
      for (const YAML::Node& element : elements) {
        if (!element.IsMap() || text(element, list, "name") != name) continue;
        const YAML::Node found = element[inner];
        if (!found.IsDefined() || !found.IsMap()) throw Fault{list + "[" + name + "]." + inner + ": is missing"};
        return found;
      }
    }
    throw Fault{list + ": there is none with the name " + name};
  }

  static std::string text(const YAML::Node& node, const std::string& field, const std::string& key) {
    const YAML::Node value = node[key];
    if (!value.IsDefined() || value.IsNull()) return {};
    if (!value.IsScalar()) throw Fault{field + (field.empty() ? "" : ".") + key + ": is no text"};
    return value.Scalar();
  }

  /// "x-data" holds base64 and wins over "x", a file.
  PemSource pem(const YAML::Node& node, const std::string& field, const std::string& key) {
    PemSource source;
    const std::string data = text(node, field, key + "-data");
    if (!data.empty()) {
      source.text = decode_base64(data, field + "." + key + "-data");
      if (source.text.find("-----BEGIN ") == std::string::npos)
        throw Fault{field + "." + key + "-data: holds no PEM (no line \"-----BEGIN ...-----\")"};
    } else {
      source.file = resolved(text(node, field, key));
    }
    return source;
  }

  std::string resolved(const std::string& file) const {
    return file.empty() || file.starts_with('/') ? file : directory_ + file;
  }

  YAML::Node root_;
  std::string directory_;
};

}  // namespace

std::expected<ApiAccess, std::string> parse_kubeconfig(const std::string& text, const std::string& path,
                                                       const std::string& context) {
  try {
    const std::size_t slash = path.rfind('/');
    const std::string directory = slash == std::string::npos ? "" : path.substr(0, slash + 1);
    ApiAccess access = Reader(YAML::Load(text), directory).read(context);
    const Credentials credentials(access);
    if (auto tls = credentials.read_tls(); !tls) return std::unexpected(path + ": " + tls.error());
    if (auto token = credentials.bearer_token(); !token) return std::unexpected(path + ": " + token.error());
    return access;
  } catch (const Fault& fault) {
    return std::unexpected(path + ": " + fault.text);
  } catch (const YAML::Exception& error) {
    return std::unexpected(path + ": is no YAML: " + error.what());
  }
}

std::expected<ApiAccess, std::string> load_kubeconfig(const std::string& path, const std::string& context) {
  const auto text = read_credential_file(path);
  if (!text) return std::unexpected(text.error());
  return parse_kubeconfig(*text, path, context);
}

}  // namespace fairlead::k8s
