#include "tools/kubesim/options.hpp"

#include <CLI/CLI.hpp>
#include <iostream>

namespace fairlead::kubesim {
namespace {

constexpr const char* description = R"(kubesim: a Kubernetes API server for cluster DNS, without a cluster.

It serves Namespaces, Services, EndpointSlices, Pods, Nodes and ServiceImports with the real list and watch
protocol, from manifest files, a made-up cluster of any size, or what clients create. kubectl works against it.)";

constexpr const char* examples = R"(Examples:
  Serve manifests; edit the files, and watches see the difference:
    kubesim --listen 127.0.0.1:8001 --manifests ./cluster/
    kubectl --server http://127.0.0.1:8001 get services -A -w

  A large cluster in which 100 endpoints a second are replaced:
    kubesim --listen 127.0.0.1:8001 --churn 100 \
        --synthetic services=10000,headless=2000,endpoints=150000,namespaces=5000

  TLS, a token that may be rotated, and a kubeconfig to go with them:
    kubesim --tls-cert tls.crt --tls-key tls.key --token-file token --kubeconfig-out kubeconfig

  Faults on demand (README.md has them all), and what was asked of the server:
    curl -d '{"expire_history": true, "close_watches": true}' http://127.0.0.1:8001/kubesim/faults
    curl -d '{"fail_requests": {"count": 3, "status": 429, "retry_after": 1, "verb": "list"}}' \
        http://127.0.0.1:8001/kubesim/faults
    curl http://127.0.0.1:8001/kubesim/stats)";

}  // namespace

std::expected<Options, int> parse_options(int count, char** arguments) {
  Options options;
  CLI::App app(description, "kubesim");
  app.footer(examples);
  app.set_version_flag("--version", "kubesim " FAIRLEAD_VERSION);

  std::string certificate, key, client_ca;
  std::vector<std::string> cidrs;
  double bookmark_seconds = 10;
  std::uint64_t watch_timeout_s = 1800;
  std::uint64_t continue_ttl_s = 300;
  std::uint64_t write_max_s = 30;
  std::uint64_t first_version = 0;

  const char* serving = "Serving";
  app.add_option("--listen", options.listen, "ADDRESS:PORT; port 0 picks a free one, [::1]:0 is IPv6")
      ->capture_default_str()
      ->group(serving);
  app.add_option(
         "--admin-listen", options.admin_listen,
         "a second ADDRESS:PORT, plain HTTP and without token, that stays open while --listen refuses connections")
      ->group(serving);
  app.add_option("--port-file", options.port_file, "write the port of --listen here, once it serves")->group(serving);
  app.add_option("--kubeconfig-out", options.kubeconfig_out, "write a kubeconfig that reaches the server")
      ->group(serving);
  CLI::Option* certificate_option = app.add_option("--tls-cert", certificate, "PEM certificate chain; serves HTTPS")
                                        ->check(CLI::ExistingFile)
                                        ->group(serving);
  CLI::Option* key_option =
      app.add_option("--tls-key", key, "PEM private key of --tls-cert")->check(CLI::ExistingFile)->group(serving);
  certificate_option->needs(key_option);
  key_option->needs(certificate_option);
  app.add_option("--tls-ca", options.tls_ca, "CA of --tls-cert, for the kubeconfig (default: --tls-cert itself)")
      ->check(CLI::ExistingFile)
      ->group(serving);
  app.add_option("--client-ca", client_ca,
                 "require client certificates of this CA (or a token, if --token-file is given)")
      ->check(CLI::ExistingFile)
      ->needs(certificate_option)
      ->group(serving);
  app.add_option("--token-file", options.rest.token_file,
                 "require one of the bearer tokens in this file, one a line; read again for each request")
      ->check(CLI::ExistingFile)
      ->group(serving);
  app.add_flag("--gzip", options.rest.gzip, "compress lists for clients that accept it")->group(serving);
  app.add_flag("--protobuf", options.rest.protobuf,
               "answer in protobuf to clients that prefer it, as the real server does")
      ->group(serving);

  const char* content = "Content";
  CLI::Option* manifests_option = app.add_option("--manifests", options.manifests,
                                                 "YAML or JSON file, or directory of them; read again when they change")
                                      ->check(CLI::ExistingPath)
                                      ->group(content);
  app.add_option("--synthetic", options.synthetic,
                 "a made-up cluster: services=N,headless=N,endpoints=N,namespaces=N,pods=N,nodes=N,seed=N "
                 "(headless counts some of the services)")
      ->excludes(manifests_option)
      ->group(content);
  app.add_option("--churn", options.churn, "replace this many endpoints a second")
      ->check(CLI::Range(0.0, 100'000.0))
      ->group(content);
  app.add_flag("--bare", options.bare, "leave out the namespaces default, kube-* and the Service default/kubernetes")
      ->group(content);
  app.add_option("--service-cidr", cidrs,
                 "ranges of cluster IPs, one an address family (10.96.0.0/16,fd00:10:96::/112)")
      ->delimiter(',')
      ->group(content);

  const char* protocol = "Protocol";
  app.add_option("--watch-history", options.history.events_max, "events of each kind that a watch may resume from")
      ->capture_default_str()
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{10'000'000}))
      ->group(protocol);
  app.add_option("--bookmark-interval", bookmark_seconds, "seconds between the bookmarks of a watch that allows them")
      ->capture_default_str()
      ->check(CLI::Range(0.01, 86'400.0))
      ->group(protocol);
  app.add_option("--watch-timeout", watch_timeout_s, "seconds until a watch ends that names no timeoutSeconds")
      ->capture_default_str()
      ->check(CLI::Range(1, 86'400))
      ->group(protocol);
  app.add_option("--continue-ttl", continue_ttl_s, "seconds until the continue token of a paged list expires")
      ->capture_default_str()
      ->check(CLI::Range(0, 86'400))
      ->group(protocol);
  app.add_option("--write-timeout", write_max_s, "seconds until a client that takes nothing is cut off")
      ->capture_default_str()
      ->check(CLI::Range(1, 3'600))
      ->group(protocol);
  CLI::Option* version_option =
      app.add_option("--resource-version", first_version,
                     "the first resourceVersion (default: microseconds since 1970, so that a restart never goes back)")
          ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 60))
          ->group(protocol);

  try {
    app.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    return std::unexpected(app.exit(error) == 0 ? 0 : 1);
  }
  if (!certificate.empty()) options.tls = TlsFiles{certificate, key, client_ca};
  options.rest.needs_client_certificate = !client_ca.empty();
  options.service_cidrs = cidrs.empty() ? std::vector<std::string>{"10.96.0.0/16", "fd00:10:96::/112"} : cidrs;
  options.rest.bookmark_interval = std::chrono::milliseconds(static_cast<std::int64_t>(bookmark_seconds * 1000));
  options.rest.watch_timeout = std::chrono::seconds(watch_timeout_s);
  options.rest.continue_ttl = std::chrono::seconds(continue_ttl_s);
  options.http.write_max = std::chrono::seconds(write_max_s);
  if (version_option->count() > 0) options.resource_version = first_version;
  return options;
}

}  // namespace fairlead::kubesim
