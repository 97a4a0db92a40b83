#include <algorithm>
#include <array>
#include <charconv>

#include "server/config/corefile.hpp"
#include "server/config/directive_readers.hpp"
#include "server/config/label_selector.hpp"
#include "server/config/option_reader.hpp"

namespace fairlead::server {
namespace {

constexpr std::uint64_t count_max = 1'000'000;  // of requests; a plain sanity bound

// A label selector is written with or without spaces: "environment in (a, b), tier=web".
std::string join(std::span<const Word> words) {
  std::string text;
  for (const Word& word : words) text += (text.empty() ? "" : " ") + word.text;
  return text;
}

std::string read_selector(const Statement& option, OptionReader& reader) {
  std::string selector = join(option.arguments());
  if (const auto fault = describe_selector_fault(selector)) reader.fault(option.argument(0).at, *fault);
  if (selector.find_first_not_of(" \t\r\n") == std::string::npos) selector.clear();  // everything
  return selector;
}

void read_pods(const Statement& option, OptionReader& reader, KubernetesOptions& options) {
  static constexpr std::array<std::string_view, 3> modes = {"disabled", "insecure", "verified"};
  if (const auto mode = reader.choice(option.argument(0), modes)) {
    using enum KubernetesOptions::Pods;
    options.pods = *mode == 0 ? disabled : *mode == 1 ? insecure : verified;
  }
}

void read_qps(const Word& word, OptionReader& reader, KubernetesOptions& options) {
  double qps = 0;
  const auto [end, error] = std::from_chars(word.text.data(), word.text.data() + word.text.size(), qps);
  // Written this way round so that NaN is refused as well.
  if (error == std::errc() && end == word.text.data() + word.text.size() && qps >= 0 && qps <= double{count_max}) {
    options.apiserver_qps = qps;
    return;
  }
  reader.fault(word.at, quote(word.text) + " is not a rate; write a number of requests a second, such as '50'");
}

// Every word of a directive and its options.
std::string words_of(const Statement& statement) {
  std::string text;
  for (const Word& word : statement.words) text += quote(word.text) + ' ';
  for (const Statement& inner : statement.block) text += '\n' + words_of(inner);
  return text;
}

void read_snapshot(const Statement& directive, const Statement& option, OptionReader& reader,
                   KubernetesOptions& options) {
  KubernetesOptions::Snapshot snapshot;
  snapshot.file = option.argument(0).text;
  snapshot.directive = words_of(directive);
  if (snapshot.file.empty() || snapshot.file.ends_with('/')) {
    reader.fault(option.argument(0).at,
                 "'snapshot' needs the name of a file; write 'snapshot /var/lib/fairlead/cluster'");
  }
  if (option.argument_count() > 1) {
    snapshot.age_max = reader.duration(option.argument(1), std::chrono::seconds(1)).value_or(snapshot.age_max);
  }
  options.snapshot = std::move(snapshot);
}

void check_zones(const Statement& directive, OptionReader& reader, KubernetesOptions& options) {
  if (options.zones.empty()) return;  // the fault is in the keys or the arguments, and reported there
  const auto is_forward = [](const auto& zone) { return !is_reverse_zone(zone); };
  // PTR records lead into it, and what they lead to is not in a clusterset.
  auto primary = std::ranges::find_if(options.zones, [&](const auto& zone) {
    return is_forward(zone) && std::ranges::find(options.multicluster_zones, zone) == options.multicluster_zones.end();
  });
  if (primary == options.zones.end()) primary = std::ranges::find_if(options.zones, is_forward);
  if (primary == options.zones.end()) {
    reader.fault(directive.name().at,
                 "'kubernetes' needs a zone that is not a reverse zone; write 'kubernetes cluster.local' or the like");
    return;
  }
  options.primary_zone = static_cast<std::size_t>(primary - options.zones.begin());
}

}  // namespace

void read_kubernetes(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  KubernetesOptions options;
  options.zones = reader.zones_or_keys(directive.arguments(), block);
  SourcePosition multicluster_at = directive.name().at;
  SourcePosition zonal_at = directive.name().at;
  SourcePosition namespaces_at = directive.name().at;
  const auto read_count = [&](const Statement& option, std::uint32_t& count) {
    if (const auto number = reader.number(option.argument(0), 0, count_max)) {
      count = static_cast<std::uint32_t>(*number);
    }
  };
  reader.read_options(
      directive,
      {{"endpoint", 1, any_count, "endpoint URL",
        [&](const Statement& option) {
          options.endpoint = option.argument(0).text;
          if (options.endpoint.empty()) {
            reader.fault(option.argument(0).at, "'endpoint' is empty; write 'endpoint URL' or remove the line");
          }
          if (option.argument_count() > 1) {
            reader.warn(option.name().at, "only the first endpoint is used, " + quote(options.endpoint));
          }
        }},
       {"tls", 3, 3, "tls CERT KEY CACERT",
        [&](const Statement& option) {
          options.tls = {option.argument(0).text, option.argument(1).text, option.argument(2).text};
        }},
       {"kubeconfig", 1, 2, "kubeconfig FILE [CONTEXT]",
        [&](const Statement& option) {
          options.kubeconfig = {option.argument(0).text,
                                option.argument_count() > 1 ? option.argument(1).text : std::string()};
        }},
       {"apiserver_qps", 1, 1, "apiserver_qps QPS",
        [&](const Statement& option) { read_qps(option.argument(0), reader, options); }},
       {"apiserver_burst", 1, 1, "apiserver_burst BURST",
        [&](const Statement& option) { read_count(option, options.apiserver_burst); }},
       {"apiserver_max_inflight", 1, 1, "apiserver_max_inflight MAX",
        [&](const Statement& option) { read_count(option, options.apiserver_max_inflight); }},
       {"namespaces", 1, any_count, "namespaces NAMESPACE...",
        [&](const Statement& option) {
          namespaces_at = option.name().at;
          for (const Word& word : option.arguments()) options.namespaces.push_back(word.text);
        }},
       {"namespace_labels", 1, any_count, "namespace_labels EXPRESSION",
        [&](const Statement& option) { options.namespace_labels = read_selector(option, reader); }},
       {"labels", 1, any_count, "labels EXPRESSION",
        [&](const Statement& option) { options.labels = read_selector(option, reader); }},
       {"pods", 1, 1, "pods disabled|insecure|verified",
        [&](const Statement& option) { read_pods(option, reader, options); }},
       {"endpoint_pod_names", 0, 0, "endpoint_pod_names", [&](const Statement&) { options.endpoint_pod_names = true; }},
       {"ttl", 1, 1, "ttl SECONDS",
        [&](const Statement& option) {
          if (const auto ttl = reader.number(option.argument(0), 0, 3600)) {
            options.ttl = static_cast<std::uint32_t>(*ttl);
          }
        }},
       {"noendpoints", 0, 0, "noendpoints", [&](const Statement&) { options.endpoints = false; }},
       {"fallthrough", 0, any_count, "fallthrough [ZONES...]",
        [&](const Statement& option) { options.fallthrough = {true, reader.zones(option.arguments())}; }},
       {"ignore", 1, 1, "ignore empty_service",
        [&](const Statement& option) {
          static constexpr std::array<std::string_view, 1> what = {"empty_service"};
          options.ignore_empty_service = reader.choice(option.argument(0), what).has_value();
        }},
       {"multicluster", 1, any_count, "multicluster ZONES...",
        [&](const Statement& option) {
          multicluster_at = option.name().at;
          options.multicluster_zones = reader.zones(option.arguments());
        }},
       {"zonal", 0, 0, "zonal",
        [&](const Statement& option) {
          zonal_at = option.name().at;
          options.zonal = true;
        }},
       {"snapshot", 1, 2, "snapshot FILE [MAX_AGE]",
        [&](const Statement& option) { read_snapshot(directive, option, reader, options); }},
       {"startup_timeout", 1, 1, "startup_timeout DURATION", [&](const Statement& option) {
          options.startup_timeout = reader.duration(option.argument(0)).value_or(options.startup_timeout);
        }}});

  check_zones(directive, reader, options);
  if (!options.namespaces.empty() && !options.namespace_labels.empty()) {
    reader.fault(namespaces_at, "'namespaces' and 'namespace_labels' exclude each other; remove one of them");
  }
  if (options.zonal && !options.endpoints) {
    reader.fault(zonal_at, "'zonal' needs the endpoints that 'noendpoints' switches off; remove one of them");
  }
  for (const dns::DomainName& zone : options.multicluster_zones) {
    if (std::ranges::find(options.zones, zone) == options.zones.end()) {
      reader.fault(multicluster_at, "the multicluster zone " + quote(zone.to_string()) +
                                        " is not among the zones of 'kubernetes'; add it there");
    }
  }
  block.options.kubernetes = std::move(options);
}

}  // namespace fairlead::server
