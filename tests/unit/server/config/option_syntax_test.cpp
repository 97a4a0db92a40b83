// The options of every directive that is served: an option that comes must be listed here, with its syntax.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "unit/server/config/memory_corefile.hpp"

namespace fairlead::server {
namespace {

struct DirectiveSyntax {
  std::string_view directive;  // as short as it loads
  std::vector<std::string_view> options;
};

const auto directives = std::to_array<DirectiveSyntax>({
    {"bind 10.0.0.1", {"except ADDRESS|INTERFACE..."}},
    {"ready", {"monitor until-ready|continuously"}},
    {"health", {"lameduck DURATION"}},
    {"prometheus", {"runtime_metrics", "tls FILE"}},
    {"errors", {"stacktrace", "consolidate DURATION REGEXP [LEVEL] [show_first]"}},
    {"log", {"class all|success|denial|error..."}},
    {"loadbalance", {"reload DURATION", "prefer NETWORK..."}},
    {"cache",
     {"success CAPACITY [TTL] [MINTTL]", "denial CAPACITY [TTL] [MINTTL]", "prefetch AMOUNT [DURATION] [PERCENTAGE%]",
      "serve_stale [DURATION] [immediate|verify]", "serve_stale_policy prefer_positive", "servfail DURATION",
      "disable success|denial [ZONES...]", "keepttl"}},
    {"hosts", {"ttl SECONDS", "no_reverse", "reload DURATION", "fallthrough [ZONES...]", "fallthrough_unsupported"}},
    {"dnstap listen tls://:6000",
     {"identity IDENTITY", "version VERSION", "extra EXTRA", "tls CERT KEY [CA]", "skipverify"}},
    {"dns64", {"prefix PREFIX", "translate_all", "allow_ipv4"}},
    {"proxyproto", {"allow NETWORK...", "default use|ignore|reject|skip", "udp_session_tracking DURATION [MAX]"}},
    {"tls crt key", {"client_auth MODE", "keylog FILE"}},
    {"view v", {"expr EXPRESSION"}},
    {"transfer", {"to ADDRESS...|*", "source ADDRESS"}},
    {"k8s_external", {"apex LABEL", "ttl SECONDS", "headless", "fallthrough [ZONES...]"}},
    {"kubernetes",
     {"endpoint URL", "tls CERT KEY CACERT", "kubeconfig FILE [CONTEXT]", "apiserver_qps QPS", "apiserver_burst BURST",
      "apiserver_max_inflight MAX", "namespaces NAMESPACE...", "namespace_labels EXPRESSION", "labels EXPRESSION",
      "pods disabled|insecure|verified", "endpoint_pod_names", "ttl SECONDS", "noendpoints", "fallthrough [ZONES...]",
      "ignore empty_service", "multicluster ZONES...", "zonal", "snapshot FILE [MAX_AGE]", "startup_timeout DURATION"}},
    {"file db", {"reload DURATION", "reload_by_mtime", "fallthrough [ZONES...]", "upstream [ADDRESS...]"}},
    {"forward . 10.0.0.1",
     {"except NAMES...",
      "force_tcp",
      "prefer_udp",
      "expire DURATION",
      "max_age DURATION",
      "max_idle_conns NUMBER",
      "read_timeout DURATION",
      "max_fails NUMBER",
      "max_connect_attempts NUMBER",
      "doh_method GET|POST",
      "tls [CERT KEY] [CA]",
      "tls_servername NAME",
      "policy random|round_robin|sequential",
      "health_check DURATION [no_rec] [domain FQDN]",
      "max_concurrent NUMBER",
      "next RCODE...",
      "next_on_nodata",
      "failfast_all_unhealthy_upstreams",
      "failover RCODE...",
      "source_address IP",
      "resolver IP[:PORT]..."}},
});

// Their words are joined, or all but the first are left, so no number of them is too many.
constexpr std::array<std::string_view, 4> any_number{"expr EXPRESSION", "endpoint URL", "namespace_labels EXPRESSION",
                                                     "labels EXPRESSION"};

std::string faults_of_option(std::string_view directive, std::string_view option) {
  return faults_of("example.org {\n" + std::string(directive) + " {\n" + std::string(option) + "\n}\n}\n");
}

std::string name_of(std::string_view syntax) { return std::string(syntax.substr(0, syntax.find(' '))); }

TEST_CASE("the options of a directive are these, and an unknown one is told them") {
  for (const DirectiveSyntax& directive : directives) {
    std::string names;
    for (std::size_t i = 0; i < directive.options.size(); ++i) {
      if (i > 0) names += i + 1 == directive.options.size() ? " or " : ", ";
      names += name_of(directive.options[i]);
    }
    const std::string message =
        "Corefile:3: unknown option '?' of '" + name_of(directive.directive) + "'; write " + names + "\n";
    CAPTURE(message);
    CHECK(faults_of_option(directive.directive, "?").contains(message));
  }
}

TEST_CASE("an option with too few or too many arguments is told its syntax") {
  for (const DirectiveSyntax& directive : directives) {
    for (const std::string_view syntax : directive.options) {
      CAPTURE(syntax);
      const std::string name = name_of(syntax);
      const std::string rest = " arguments for '" + name + "'; write '" + std::string(syntax) + "'\n";
      const std::string_view arguments = syntax.substr(name.size());
      if (!arguments.empty() && !arguments.starts_with(" [")) {
        CHECK(faults_of_option(directive.directive, name).contains("Corefile:3: too few" + rest));
      }
      if (!arguments.contains("...") && std::ranges::find(any_number, syntax) == any_number.end()) {
        CHECK(faults_of_option(directive.directive, name + " 1 2 3 4 5 6 7").contains("Corefile:3: too many" + rest));
      }
    }
  }
}

TEST_CASE("an option that is to come is a fault, not a surprise") {
  struct Row {
    std::string_view directive;
    std::string_view option;
  };
  for (const Row& row : {Row{"forward . 10.0.0.1", "doh_method GET"}}) {
    CAPTURE(row.option);
    CHECK(faults_of_option(row.directive, row.option) ==
          "Corefile:3: '" + name_of(row.option) + "' of '" + name_of(row.directive) +
              "' is not supported by this version yet; remove the line\n");
  }
}

}  // namespace
}  // namespace fairlead::server
