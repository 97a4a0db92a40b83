#include "server/query/worker_plan.hpp"

#include <algorithm>

namespace fairlead::server {

void ZoneRouter::add(ZoneServer server) {
  const auto labels = [](const ZoneServer& s) { return s.zone.view().label_count(); };
  const auto at = std::ranges::find_if(servers_, [&](const ZoneServer& s) { return labels(s) < labels(server); });
  servers_.insert(at, std::move(server));
}

const ZoneServer* ZoneRouter::find(dns::NameView qname) const {
  for (const ZoneServer& server : servers_) {
    if (qname.is_at_or_below(server.zone)) return &server;
  }
  return nullptr;
}

}  // namespace fairlead::server
