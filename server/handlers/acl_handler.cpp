#include "server/handlers/acl_handler.hpp"

#include <algorithm>

#include "server/query/worker_plan.hpp"

namespace fairlead::server {
namespace {

// The zone of the directive that the name is in, the longest one.
const dns::DomainName* find_zone(const std::vector<dns::DomainName>& zones, dns::NameView name) {
  const dns::DomainName* best = nullptr;
  for (const auto& zone : zones) {
    if (!name.is_at_or_below(zone)) continue;
    if (best == nullptr || best->view().size() < zone.view().size()) best = &zone;
  }
  return best;
}

bool matches(const AclOptions::Rule& rule, dns::RRType type, const base::IpAddress& client) {
  return (rule.any_type || std::ranges::find(rule.types, type) != rule.types.end()) &&
         (rule.any_network || rule.networks.contains(client));
}

}  // namespace

Step AclHandler::handle(QueryContext& context) {
  const base::IpAddress client = context.origin.client_address();
  for (const AclOptions& directive : directives_) {
    const dns::DomainName* const zone = find_zone(directive.zones, context.qname.view());
    if (zone == nullptr) continue;
    const auto rule = std::ranges::find_if(directive.rules,
                                           [&](const auto& one) { return matches(one, context.query.qtype, client); });
    if (rule == directive.rules.end()) continue;
    if (rule->action == Action::allow) break;
    return apply(rule->action, *zone, context);
  }
  if (context.server->slots != nullptr) context.server->slots->acl_allowed.add();
  return Step::next;
}

Step AclHandler::apply(Action action, const dns::DomainName& zone, QueryContext& context) {
  count(action, zone, context);
  if (action == Action::drop) return Step::dropped;
  if (action == Action::block) {
    context.writer.set_rcode(dns::Rcode::refused);
    context.writer.set_extended_error({dns::ExtendedError::blocked, "blocked by acl"});
  } else {
    context.writer.set_extended_error({dns::ExtendedError::filtered, "filtered by acl"});
  }
  return Step::answered;
}

void AclHandler::count(Action action, const dns::DomainName& zone, const QueryContext& context) {
  SharedCounter*& counter = counters_[{action, &zone, context.router}];
  if (counter == nullptr) {
    const MetricLabels labels{{"server", servers_.at(context.router)}, {"zone", zone.to_string()}, {"view", view_}};
    switch (action) {
      case Action::block:
        counter =
            metrics_.counter("coredns_acl_blocked_requests_total", "Counter of DNS requests being blocked.", labels);
        break;
      case Action::filter:
        counter =
            metrics_.counter("coredns_acl_filtered_requests_total", "Counter of DNS requests being filtered.", labels);
        break;
      default:
        counter =
            metrics_.counter("coredns_acl_dropped_requests_total", "Counter of DNS requests being dropped.", labels);
        break;
    }
  }
  counter->add();
}

}  // namespace fairlead::server
