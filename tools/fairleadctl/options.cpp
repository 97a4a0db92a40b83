#include "tools/fairleadctl/options.hpp"

#include <CLI/CLI.hpp>
#include <charconv>
#include <iostream>
#include <map>
#include <optional>

#include "zones/dns/reverse_name.hpp"

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

constexpr const char* explain_footer = R"(
Lists the Namespace, the Service and the EndpointSlices that the name is made of, says in words why it has the records
that it has, or has none, and prints these as Fairlead's own code makes them. An address, or its reverse name, is looked
for in the whole cluster. What the directives of a Corefile do with names (rewrite, hosts, template, cache) is not seen.

Examples:
  fairleadctl explain web.shop.svc.cluster.local
  fairleadctl explain _http._tcp.web.shop.svc.cluster.local
  fairleadctl explain 10.96.0.10
  fairleadctl explain cart.shop.svc.cluster.local -o json | jq -r .why

Exit status: 0 done, 1 failed, 2 wrong usage.)";

constexpr const char* debug_port = "9153";
constexpr const char* debug_default = "127.0.0.1:9153";

constexpr const char* reaching_footer = R"(

A server shows this to clients on its own loopback interface alone, since it tells who asks for what. So go through
the API server, which asks for your rights (pods/portforward or pods/exec):
  kubectl -n kube-system port-forward pod/coredns-7db6d8ff4d-x2k9m 9153 &
  fairleadctl NAME
or run it where the server runs; the image has it:
  kubectl -n kube-system exec coredns-7db6d8ff4d-x2k9m -- /fairleadctl NAME
Each Pod knows its own queries only. The server needs the `prometheus` directive, nothing else.

Exit status: 0 done, 1 failed, 2 wrong usage.)";

constexpr const char* top_footer = R"(
Who asks most and what is asked most, in the last five to ten minutes. Beyond a few hundred queries the server counts a
random sample (one in 64) and tells the sums of all: a row of 6,400 queries is 100 samples, and right by a tenth or so.
QUERIES are all that were answered or dropped; NXDOMAIN and FAILED (SERVFAIL, REFUSED and the like) are shares of the row's. A client with much
NXDOMAIN walks a search list (ndots:5): names with a final dot, or `autopath`, spare it that. The table has room for 256
clients and names a worker; the heaviest stay in it.

Examples:
  fairleadctl top                     20 clients and 20 names
  fairleadctl top --rows 5
  fairleadctl top -o json | jq '.clients[] | select(.failed > 0)')";

constexpr const char* slow_footer = R"(
The last queries that took a millisecond or more, the slowest first: some of each magnitude (1 ms, 10 ms, 100 ms, 1 s).
Times are milliseconds: BEFORE from the arrival to the question upstream, UPSTREAM until its reply (or until all of them
had failed: retries, hedges and other upstreams are in it), AFTER until the client was answered. DIRECTIVE answered;
ASKED is the upstream that did, or that failed last.
  UPSTREAM is large   the upstreams are slow or lose packets; ERROR and ASKED say which one
  BEFORE is large     the server itself waited for its CPU: look for throttling (a CPU limit), or for other questions
                      before this one, as `autopath` and `cache` with `serve_stale verify` put them
  a client waits 5 s and nothing is here
                      its packets were lost on the way to the server or back; the time in the socket's queue is not seen

Examples:
  fairleadctl slow --at-least 100ms
  fairleadctl slow -o json | jq '.queries[] | select(.upstream == "10.0.0.2:53")')";

std::string debug_footer(const char* text, const std::string& name) {
  std::string footer = text + std::string(reaching_footer);
  for (std::size_t at = 0; (at = footer.find("NAME\n", at)) != footer.npos;) footer.replace(at, 4, name);
  return footer;
}

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

std::string write_failure(const CLI::App* app, const CLI::Error& error) {
  const auto chosen = app->get_subcommands();
  const std::string command = chosen.empty() ? "" : chosen.front()->get_name() + " ";
  return std::string("fairleadctl: ") + error.what() + "; see `fairleadctl " + command + "--help`\n";
}

// What is given as text and understood once all is read.
struct Texts {
  std::string name;
  std::string explain_format = "text";
  std::string zone = "cluster.local";
  std::string format = "zone";
  std::string timeout = "30s";
  std::string debug_format = "table";
  std::string debug_timeout = "5s";
  std::string from = debug_default;
  std::string at_least = "1ms";
};

// Who is asked for objects.
struct ApiServer {
  CLI::Option* kubeconfig;
  CLI::Option* context;
  CLI::Option* endpoint;
};

ApiServer add_api_server(CLI::App* command, Options& options) {
  CLI::Option* const kubeconfig =
      command
          ->add_option("--kubeconfig", options.kubeconfig_file,
                       "Credentials (default: $KUBECONFIG, ~/.kube/config, the Pod's service account)")
          ->type_name("FILE")
          ->check(unnamed(CLI::ExistingFile));
  CLI::Option* const context =
      command
          ->add_option("--context", options.kubeconfig_context, "Context of the kubeconfig (default: its current one)")
          ->type_name("NAME");
  CLI::Option* const endpoint =
      command->add_option("--endpoint", options.endpoint, "API server, without a kubeconfig")->type_name("URL");
  const auto add_file = [command, endpoint](const char* name, std::string& file, const char* what) {
    return command->add_option(name, file, what)->type_name("FILE")->check(unnamed(CLI::ExistingFile))->needs(endpoint);
  };
  CLI::Option* const certificate = add_file("--tls-cert", options.client_certificate_file, "Client certificate");
  CLI::Option* const key = add_file("--tls-key", options.client_key_file, "Its key");
  add_file("--ca", options.ca_file, "Who signed the API server's certificate");
  certificate->needs(key);
  key->needs(certificate);
  endpoint->excludes(kubeconfig)->excludes(context);
  return {kubeconfig, context, endpoint};
}

CLI::App* add_explain(CLI::App& app, Options& options, Texts& texts) {
  CLI::App* const command = app.add_subcommand("explain", "Why a name is answered as it is: the objects behind it");
  command->footer(explain_footer);
  command->add_option("NAME", texts.name, "A name of the cluster, or an address")
      ->required()
      ->check({[](std::string& text) {
                 const auto name = dns::DomainName::parse(text);
                 return name ? std::string()
                             : "'" + text + "' is no domain name: " + std::string(dns::to_string(name.error()));
               },
               ""});
  add_api_server(command, options);
  command->add_option("--zone", texts.zone, "The cluster's domain")
      ->type_name("NAME")
      ->check(is_name())
      ->capture_default_str();
  command->add_option("-o,--output", texts.explain_format, "text, or json: an object")
      ->check(unnamed(CLI::IsMember({"text", "json"})))
      ->type_name("FORMAT")
      ->capture_default_str();
  command->add_option("--timeout", texts.timeout, "How long to wait for all objects")
      ->type_name("DURATION")
      ->check(is_duration())
      ->capture_default_str();
  return command;
}

CLI::App* add_debug(CLI::App& app, const char* name, const char* what, const char* footer, Options& options,
                    Texts& texts) {
  CLI::App* const command = app.add_subcommand(name, what);
  command->footer(debug_footer(footer, name));
  command->add_option("--from", texts.from, "Where the server's `prometheus` directive listens")
      ->type_name("ADDR[:PORT]")
      ->check({[](std::string& text) {
                 const auto server = ServerAddress::parse(text, debug_port);
                 return server ? std::string() : server.error();
               },
               ""})
      ->capture_default_str();
  command->add_option("--rows", options.rows, "How many rows of each table")
      ->type_name("N")
      ->check(unnamed(CLI::Range(1u, 1'000'000u)))
      ->capture_default_str();
  command->add_option("-o,--output", texts.debug_format, "table, or json: all that the server tells")
      ->check(unnamed(CLI::IsMember({"table", "json"})))
      ->type_name("FORMAT")
      ->capture_default_str();
  command->add_option("--timeout", texts.debug_timeout, "How long to wait for the server")
      ->type_name("DURATION")
      ->check(is_duration())
      ->capture_default_str();
  return command;
}

}  // namespace

std::expected<Options, int> parse_options(int count, char** arguments) {
  Options options;
  Texts texts;

  CLI::App app("Looks into the DNS of a Kubernetes cluster from outside.", "fairleadctl");
  app.set_version_flag("--version", FAIRLEAD_VERSION);
  app.require_subcommand(1);
  app.formatter(std::make_shared<PlainFormatter>());
  app.failure_message(write_failure);
  app.footer("\nRun `fairleadctl dump --help` for its options and examples, and so on.");
  CLI::App* const dump =
      app.add_subcommand("dump", "Print every name of a cluster zone, sorted so that two dumps diff well");
  dump->footer(dump_footer);

  CLI::Option* const server =
      dump->add_option("--server", options.server, "Transfer the zone from this DNS server")->type_name("ADDR[:PORT]");
  const auto [kubeconfig, context, endpoint] = add_api_server(dump, options);
  server->excludes(kubeconfig)->excludes(context)->excludes(endpoint);

  dump->add_option("--zone", texts.zone, "The cluster's domain")
      ->type_name("NAME")
      ->check(is_name())
      ->capture_default_str();
  dump->add_option("--ttl", options.ttl, "TTL of the records, as the `ttl` of the kubernetes directive")
      ->check(unnamed(CLI::Range(0u, ttl_max)))
      ->type_name("SECONDS")
      ->capture_default_str()
      ->excludes(server);
  dump->add_flag("--reverse", options.reverse, "PTR records too, behind the zone")->excludes(server);
  dump->add_option("-o,--output", texts.format, "zone: master-file form; json: an object with a record on each line")
      ->check(unnamed(CLI::IsMember({"zone", "json"})))
      ->type_name("FORMAT")
      ->capture_default_str();
  dump->add_option("--timeout", texts.timeout, "How long to wait for all records")
      ->type_name("DURATION")
      ->check(is_duration())
      ->capture_default_str();

  CLI::App* const explain = add_explain(app, options, texts);
  CLI::App* const top =
      add_debug(app, "top", "Who asks a running server most, and for what", top_footer, options, texts);
  CLI::App* const slow =
      add_debug(app, "slow", "Which queries of a running server took long, and where their time went", slow_footer,
                options, texts);
  slow->add_option("--at-least", texts.at_least, "Only queries that took this long")
      ->type_name("DURATION")
      ->check(is_duration())
      ->capture_default_str();

  try {
    app.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    return std::unexpected(app.exit(error, std::cout, std::cerr) == 0 ? exit_done : exit_usage);
  }
  if (top->parsed() || slow->parsed()) options.command = top->parsed() ? Command::top : Command::slow;
  if (explain->parsed()) {
    options.command = Command::explain;
    const auto address = base::IpAddress::parse(texts.name);
    options.name = address ? dns::reverse_name(*address) : *dns::DomainName::parse(texts.name);
  }
  options.zone = *dns::DomainName::parse(texts.zone);
  options.format = texts.format == "json" ? Format::json : Format::zone;
  const bool asks_server = options.command == Command::top || options.command == Command::slow;
  options.timeout = *parse_duration(asks_server ? texts.debug_timeout : texts.timeout);
  options.from = *ServerAddress::parse(texts.from, debug_port);
  options.as_json = (asks_server ? texts.debug_format : texts.explain_format) == "json";
  options.at_least = *parse_duration(texts.at_least);
  return options;
}

}  // namespace fairlead::ctl
