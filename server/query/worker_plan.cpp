#include "server/query/worker_plan.hpp"

#include <algorithm>
#include <utility>

#include "server/query/view_filter.hpp"

namespace fairlead::server {

void ZoneRouter::add(ZoneServer server) {
  const auto labels = [](const ZoneServer& s) { return s.zone.view().label_count(); };
  const auto at = std::ranges::find_if(servers_, [&](const ZoneServer& s) { return labels(s) < labels(server); });
  has_views_ |= server.view != nullptr;
  servers_.insert(at, std::move(server));
}

const ZoneServer* ZoneRouter::find(dns::NameView qname) const {
  for (const ZoneServer& server : servers_) {
    if (qname.is_at_or_below(server.zone)) return &server;
  }
  return nullptr;
}

const ZoneServer* ZoneRouter::find_by_view(QueryContext& context) const {
  const ZoneServer* const before = context.server;
  for (const ZoneServer& server : servers_) {
    if (!context.qname.view().is_at_or_below(server.zone)) continue;
    if (server.view == nullptr) return &server;
    context.server = &server;
    const bool takes = server.view->takes(context);
    context.server = before;
    if (takes) return &server;
  }
  return nullptr;
}

}  // namespace fairlead::server
