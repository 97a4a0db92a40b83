#include "tools/fairleadctl/options.hpp"

#include <CLI/CLI.hpp>
#include <charconv>
#include <iostream>
#include <map>
#include <optional>

namespace fairlead::ctl {
namespace {

constexpr std::uint32_t ttl_max = 3600;  // as the kubernetes directive
constexpr std::int64_t timeout_ms_max = 24 * 3600 * 1000;

constexpr const char* dump_footer = R"(
From a server (--server) the listing is what AXFR transfers. From an API server it is made of the same objects as the
answers of Fairlead are, by the same code: SOA and NS of the apex; A, AAAA and SRV of Services, of their
_port._protocol names and of endpoints; CNAME of ExternalName Services; with --reverse the PTR records of Services and
endpoints, behind the zone. That is all that can be asked for, and so more than a transfer. It holds neither pod names,
which are computed when they are asked for, nor the TXT record of dns-version, nor names without records (Namespaces,
headless Services without ready endpoints). The serial is that of this program's own view.

Examples:
  fairleadctl dump                                        the cluster of kubectl's current context
  fairleadctl dump --kubeconfig prod.yaml --context eu    another one
  fairleadctl dump --endpoint https://10.0.0.1:6443 --ca ca.crt --tls-cert admin.crt --tls-key admin.key
  fairleadctl dump --server 10.96.0.10 > coredns.zone     what the serving DNS server would transfer
  diff coredns.zone <(fairleadctl dump --server 127.0.0.1:5353)
  fairleadctl dump -o json | jq '.records[] | select(.type == "SRV")'

Exit status: 0 done, 1 failed, 2 wrong usage.)";

std::optional<std::chrono::milliseconds> parse_duration(const std::string& text) {
  std::int64_t number = 0;
  const auto [unit, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number <= 0) return std::nullopt;
  static const std::map<std::string_view, std::int64_t> units{{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}};
  const auto found = units.find({unit, text.data() + text.size()});
  if (found == units.end() || number > timeout_ms_max / found->second) return std::nullopt;
  return std::chrono::milliseconds(number * found->second);
}

// Validators without names of their own: the option's type name says it in the help.
CLI::Validator is_duration() {
  return {[](std::string& text) {
            return parse_duration(text) ? std::string() : "'" + text + "' is no duration; write 500ms, 30s or 2m";
          },
          ""};
}

CLI::Validator is_name() {
  return {[](std::string& text) {
            const auto name = dns::DomainName::parse(text);
            return name ? std::string()
                        : "'" + text + "' is no domain name: " + std::string(dns::to_string(name.error()));
          },
          ""};
}

CLI::Validator unnamed(CLI::Validator validator) { return validator.description(""); }

// Options with their type and default alone; CLI11 would also list every pair that excludes each other.
class PlainFormatter : public CLI::Formatter {
 public:
  PlainFormatter() { column_width(32); }
  std::string make_option_opts(const CLI::Option* option) const override {
    std::string text;
    if (option->get_type_size() != 0 && !option->get_type_name().empty()) text += ' ' + option->get_type_name();
    if (!option->get_default_str().empty()) text += " [" + option->get_default_str() + ']';
    return text;
  }
};

std::string write_failure(const CLI::App*, const CLI::Error& error) {
  return std::string("fairleadctl: ") + error.what() + "; see `fairleadctl dump --help`\n";
}

}  // namespace

std::expected<Options, int> parse_options(int count, char** arguments) {
  Options options;
  std::string zone = "cluster.local";
  std::string format = "zone";
  std::string timeout = "30s";

  CLI::App app("Looks into the DNS of a Kubernetes cluster from outside.", "fairleadctl");
  app.set_version_flag("--version", FAIRLEAD_VERSION);
  app.require_subcommand(1);
  app.formatter(std::make_shared<PlainFormatter>());
  app.failure_message(write_failure);
  app.footer("\nRun `fairleadctl dump --help` for its options and examples.");
  CLI::App* const dump =
      app.add_subcommand("dump", "Print every name of a cluster zone, sorted so that two dumps diff well");
  dump->footer(dump_footer);

  CLI::Option* const server =
      dump->add_option("--server", options.server, "Transfer the zone from this DNS server")->type_name("ADDR[:PORT]");
  CLI::Option* const kubeconfig =
      dump->add_option("--kubeconfig", options.kubeconfig_file,
                       "Credentials (default: $KUBECONFIG, ~/.kube/config, the Pod's service account)")
          ->type_name("FILE")
          ->check(unnamed(CLI::ExistingFile));
  CLI::Option* const context =
      dump->add_option("--context", options.kubeconfig_context, "Context of the kubeconfig (default: its current one)")
          ->type_name("NAME");
  CLI::Option* const endpoint =
      dump->add_option("--endpoint", options.endpoint, "API server, without a kubeconfig")->type_name("URL");
  const auto add_file = [dump, endpoint](const char* name, std::string& file, const char* what) {
    return dump->add_option(name, file, what)->type_name("FILE")->check(unnamed(CLI::ExistingFile))->needs(endpoint);
  };
  CLI::Option* const certificate = add_file("--tls-cert", options.client_certificate_file, "Client certificate");
  CLI::Option* const key = add_file("--tls-key", options.client_key_file, "Its key");
  add_file("--ca", options.ca_file, "Who signed the API server's certificate");
  certificate->needs(key);
  key->needs(certificate);
  server->excludes(kubeconfig)->excludes(context)->excludes(endpoint);
  endpoint->excludes(kubeconfig)->excludes(context);

  dump->add_option("--zone", zone, "The cluster's domain")->type_name("NAME")->check(is_name())->capture_default_str();
  dump->add_option("--ttl", options.ttl, "TTL of the records, as the `ttl` of the kubernetes directive")
      ->check(unnamed(CLI::Range(0u, ttl_max)))
      ->type_name("SECONDS")
      ->capture_default_str()
      ->excludes(server);
  dump->add_flag("--reverse", options.reverse, "PTR records too, behind the zone")->excludes(server);
  dump->add_option("-o,--output", format, "zone: master-file form; json: an object with a record on each line")
      ->check(unnamed(CLI::IsMember({"zone", "json"})))
      ->type_name("FORMAT")
      ->capture_default_str();
  dump->add_option("--timeout", timeout, "How long to wait for all records")
      ->type_name("DURATION")
      ->check(is_duration())
      ->capture_default_str();

  try {
    app.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    return std::unexpected(app.exit(error, std::cout, std::cerr) == 0 ? exit_done : exit_usage);
  }
  options.zone = *dns::DomainName::parse(zone);
  options.format = format == "json" ? Format::json : Format::zone;
  options.timeout = *parse_duration(timeout);
  return options;
}

}  // namespace fairlead::ctl
