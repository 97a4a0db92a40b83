#include "server/config/directive_table.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "server/config/directive_readers.hpp"
#include "server/config/fault_collector.hpp"
#include "server/config/nearest_name.hpp"

namespace fairlead::server {
namespace {

using enum DirectiveRow::Status;
using enum DirectiveRow::Repeat;

constexpr std::string_view cloud_zone =
    "zones of a cloud provider's API are not a cluster's; serve them with the provider and reach them with 'forward'";

constexpr auto table = std::to_array<DirectiveRow>({
    {"root", supported, last_wins, read_root},
    {"metadata", supported, forbidden, read_metadata},
    {"geoip"},
    {"loop", supported, forbidden, read_loop},
    {"cancel", supported, last_wins, read_cancel},
    {"proxyproto", supported, forbidden, read_proxyproto},
    {"quic", left_out, all_count, nullptr, "DNS over QUIC is not served; serve plain DNS in the cluster"},
    {"grpc_server", left_out, all_count, nullptr, "DNS over gRPC is not served; serve plain DNS in the cluster"},
    {"https"},
    {"https3", left_out, all_count, nullptr, "DNS over HTTP/3 is not served; serve plain DNS in the cluster"},
    {"timeouts", supported, last_wins, read_timeouts},
    {"multisocket", supported, last_wins, read_multisocket},
    {"reload", supported, first_wins, read_reload},
    {"nsid", supported, forbidden, read_nsid},
    {"bufsize", supported, last_wins, read_bufsize},
    {"bind", supported, all_count, read_bind},
    {"debug", supported, last_wins, read_debug},
    {"trace"},
    {"ready", supported, forbidden, read_ready},
    {"health", supported, last_wins, read_health},
    {"pprof"},
    {"shed", supported, last_wins, read_shed},
    {"prometheus", supported, forbidden, read_prometheus},
    {"errors", supported, forbidden, read_errors},
    {"log", supported, all_count, read_log},
    {"dnstap", supported, all_count, read_dnstap},
    {"local", supported, last_wins, read_local},
    {"dns64", supported, last_wins, read_dns64},
    {"any", supported, last_wins, read_any},
    {"chaos", supported, last_wins, read_chaos},
    {"loadbalance", supported, last_wins, read_loadbalance},
    {"tsig"},
    {"rewrite", supported, all_count, read_rewrite},
    {"autopath", supported, last_wins, read_autopath},
    {"acl", supported, all_count, read_acl},
    {"header", supported, last_wins, read_header},
    {"dnssec"},
    {"tls", supported, forbidden, read_tls},
    {"minimal", supported, last_wins, read_minimal},
    {"template", supported, all_count, read_template},
    {"transfer", supported, all_count, read_transfer},
    {"hosts", supported, forbidden, read_hosts},
    {"route53", left_out, all_count, nullptr, cloud_zone},
    {"azure", left_out, all_count, nullptr, cloud_zone},
    {"clouddns", left_out, all_count, nullptr, cloud_zone},
    {"k8s_external", supported, forbidden, read_k8s_external},
    {"kubernetes", supported, forbidden, read_kubernetes},
    {"file", supported, all_count, read_file},
    {"auto", supported, last_wins, read_auto},
    {"secondary"},
    {"etcd"},
    {"cache", supported, forbidden, read_cache},
    {"forward", supported, all_count, read_forward},
    {"grpc"},
    {"erratic"},
    {"whoami", supported, last_wins, read_whoami},
    {"on", left_out, all_count, nullptr, "a DNS server that runs commands is a risk; use the pod's lifecycle hooks"},
    {"sign"},
    {"view", supported, forbidden, read_view},
    {"nomad", left_out, all_count, nullptr, "Nomad's services are not a Kubernetes cluster's; 'forward' to its DNS"},
});

// Names that CoreDNS had once, or has elsewhere, and what took their place.
struct FormerName {
  std::string_view name;
  std::string_view instead;
};
constexpr auto former_names = std::to_array<FormerName>({
    {"proxy", "forward"},
    {"metrics", "prometheus"},
    {"upstream", "forward"},
    {"k8s", "kubernetes"},
    {"round_robin", "loadbalance"},
});

}  // namespace

std::span<const DirectiveRow> directive_table() { return table; }

const DirectiveRow* find_directive(std::string_view name) {
  const auto row = std::ranges::find(table, name, &DirectiveRow::name);
  return row == table.end() ? nullptr : &*row;
}

std::string describe_unknown_directive(std::string_view name) {
  const std::string message = "Unknown directive " + quote(name);
  const auto former = std::ranges::find(former_names, name, &FormerName::name);
  if (former != former_names.end()) return message + "; write " + quote(former->instead);
  std::vector<std::string_view> names{"import"};
  for (const DirectiveRow& row : table) {
    if (row.status != left_out) names.push_back(row.name);
  }
  const std::string_view nearest = nearest_name(name, names);
  return nearest.empty() ? message : message + "; did you mean " + quote(nearest) + '?';
}

}  // namespace fairlead::server
