#include "k8s/credentials.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "zones/base/ip_address.hpp"

namespace fairlead::k8s {

namespace {

constexpr std::string_view service_account_directory = "/var/run/secrets/kubernetes.io/serviceaccount";

std::string quoted(std::string_view text) { return "\"" + std::string(text.substr(0, 200)) + "\""; }

bool is_host_name(std::string_view host) {
  return !host.empty() && host.size() <= 253 && std::ranges::all_of(host, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_';
  });
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (fault != std::errc() || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

/// A header value must not bring a line of its own.
bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view space = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(space);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(space) - begin + 1);
}

std::expected<std::string, std::string> read_pem(const PemSource& source) {
  if (source.file.empty()) return source.text;
  auto text = read_credential_file(source.file);
  if (text && text->find("-----BEGIN ") == std::string::npos)
    return std::unexpected(source.file + ": holds no PEM (no line \"-----BEGIN ...-----\")");
  return text;
}

}  // namespace

std::string ApiUrl::to_string() const {
  const std::string name = is_ipv6_literal() ? "[" + host + "]" : host;
  return (tls ? "https://" : "http://") + name + ":" + std::to_string(port) + base_path;
}

std::expected<ApiUrl, std::string> parse_api_url(std::string_view text, bool prefer_tls) {
  const auto fault = [&](std::string_view why) {
    return std::unexpected("API server URL " + quoted(text) + ": " + std::string(why) +
                           "; write it as https://HOST:PORT, an IPv6 address in brackets");
  };
  ApiUrl url;
  std::string_view rest = text;
  if (const std::size_t scheme = rest.find("://"); scheme != std::string_view::npos) {
    const std::string_view name = rest.substr(0, scheme);
    if (name != "https" && name != "http") return fault("the scheme is neither https nor http");
    url.tls = name == "https";
    rest.remove_prefix(scheme + 3);
  } else {
    url.tls = prefer_tls;
  }
  if (rest.find_first_of("?#@ \t\r\n") != std::string_view::npos)
    return fault("a query, user or space has no place in it");
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  url.base_path = rest.substr(slash);
  while (url.base_path.ends_with('/')) url.base_path.pop_back();
  std::string_view authority = rest.substr(0, slash);

  std::string_view port;
  bool has_port = false;
  if (authority.starts_with('[')) {
    const std::size_t close = authority.find(']');
    if (close == std::string_view::npos) return fault("the bracket is not closed");
    url.host = authority.substr(1, close - 1);
    const auto address = base::IpAddress::parse(url.host);
    if (!address || !address->is_v6()) return fault("there is no IPv6 address in the brackets");
    authority.remove_prefix(close + 1);
    has_port = authority.starts_with(':');
    if (!has_port && !authority.empty()) return fault("only a port may follow the bracket");
    if (has_port) port = authority.substr(1);
  } else {
    const std::size_t colon = authority.find(':');
    has_port = colon != std::string_view::npos;
    url.host = authority.substr(0, colon);
    if (has_port) port = authority.substr(colon + 1);
    if (!is_host_name(url.host)) return fault("the host is missing or malformed");
  }
  url.port = url.tls ? 443 : 80;
  if (has_port) {
    const auto number = parse_port(port);
    if (!number) return fault("the port is not a number from 1 to 65535");
    url.port = *number;
  }
  return url;
}

std::optional<std::string> process_environment(const char* name) {
  const char* const value = std::getenv(name);
  if (value == nullptr) return std::nullopt;
  return value;
}

std::expected<ApiAccess, std::string> in_cluster_access(const Environment& environment) {
  const auto host = environment("KUBERNETES_SERVICE_HOST");
  const auto port = environment("KUBERNETES_SERVICE_PORT");
  if (!host || host->empty() || !port || port->empty()) {
    return std::unexpected(
        "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set, so this is no Pod: name the API server with "
        "`endpoint https://HOST:PORT` or `kubeconfig FILE` in the kubernetes directive");
  }
  ApiAccess access;
  access.url.host = *host;
  if (access.url.host.starts_with('[') && access.url.host.ends_with(']'))
    access.url.host = access.url.host.substr(1, access.url.host.size() - 2);
  if (!base::IpAddress::parse(access.url.host) && !is_host_name(access.url.host))
    return std::unexpected("KUBERNETES_SERVICE_HOST is " + quoted(*host) + ": neither an address nor a host name");
  const auto number = parse_port(*port);
  if (!number) return std::unexpected("KUBERNETES_SERVICE_PORT is " + quoted(*port) + ": not a number from 1 to 65535");
  access.url.port = *number;

  std::string directory = environment("FAIRLEAD_SERVICEACCOUNT_DIR").value_or("");
  if (directory.empty()) directory = service_account_directory;
  access.token_file = directory + "/token";
  access.ca.file = directory + "/ca.crt";
  const auto mounted = [&](const std::expected<std::string, std::string>& file) -> std::expected<void, std::string> {
    if (file) return {};
    return std::unexpected(file.error() +
                           "; a Pod gets it from its service account: set automountServiceAccountToken to true");
  };
  if (auto token = mounted(read_credential_file(access.token_file)); !token) return std::unexpected(token.error());
  if (auto ca = mounted(read_pem(access.ca)); !ca) return std::unexpected(ca.error());
  return access;
}

std::expected<ApiAccess, std::string> endpoint_access(std::string_view url, const std::string& certificate_file,
                                                      const std::string& key_file, const std::string& ca_file) {
  const bool has_files = !certificate_file.empty() || !key_file.empty() || !ca_file.empty();
  auto parsed = parse_api_url(url, has_files);
  if (!parsed) return std::unexpected(parsed.error());
  if (certificate_file.empty() != key_file.empty()) {
    return std::unexpected(std::string("tls: the client ") + (key_file.empty() ? "key" : "certificate") +
                           " is missing: name both files, or neither");
  }
  ApiAccess access;
  access.url = std::move(*parsed);
  access.client_certificate.file = certificate_file;
  access.client_key.file = key_file;
  access.ca.file = ca_file;
  if (auto tls = Credentials(access).read_tls(); !tls) return std::unexpected("tls: " + tls.error());
  return access;
}

std::expected<std::string, std::string> Credentials::bearer_token() const {
  if (access_.token_file.empty()) return access_.token;
  auto text = read_credential_file(access_.token_file);
  std::string fault;
  if (text) {
    const std::string_view token = trimmed(*text);
    if (is_token(token)) {
      last_token_.with([&](std::string& last) { last = token; });
      return std::string(token);
    }
    fault =
        access_.token_file + (token.empty() ? ": the token is empty" : ": is no token: it holds spaces or controls");
  } else {
    fault = text.error();
  }
  // The kubelet replaces the file in one step, but whoever else writes it may not: the token of a minute ago is good.
  std::string last = last_token_.with([](const std::string& token) { return token; });
  if (!last.empty()) return last;
  return std::unexpected(fault);
}

std::expected<Credentials::Tls, std::string> Credentials::read_tls() const {
  Tls tls;
  for (const auto& [source, into] :
       {std::pair{&access_.ca, &tls.ca}, std::pair{&access_.client_certificate, &tls.certificate},
        std::pair{&access_.client_key, &tls.key}}) {
    auto pem = read_pem(*source);
    if (!pem) return std::unexpected(pem.error());
    *into = std::move(*pem);
  }
  return tls;
}

std::expected<std::string, std::string> read_credential_file(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"), &std::fclose);
  if (!file) return std::unexpected(path + ": cannot be read: " + std::strerror(errno));
  std::string text;
  char piece[4096];
  while (const std::size_t octets = std::fread(piece, 1, sizeof piece, file.get())) {
    text.append(piece, octets);
    if (text.size() > credential_octets_max) return std::unexpected(path + ": is larger than 1 MiB");
  }
  if (std::ferror(file.get()) != 0) return std::unexpected(path + ": cannot be read: " + std::strerror(errno));
  return text;
}

}  // namespace fairlead::k8s
