// /debug/top and /debug/slow: who asks most, and which queries took long, as JSON for fairleadctl and jq.
//
// The keys are a promise: programs read them. Times of a query are microseconds from its arrival.
//
// Threads: the HTTP responder's; the pages from any.
// Limits: top_talkers_max rows of each kind, and what the rings of slow queries hold.
// Security: they hold addresses of clients and what these ask, so they are local routes (http_responder.hpp).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "server/control/http_responder.hpp"
#include "server/control/query_watch.hpp"

namespace fairlead::server {

std::string top_page(const TopTalkers& top);
std::string slow_page(const std::vector<SlowQuery>& queries);

/// Of an endpoint; `watches` lives as long.
std::map<std::string, HttpRoute> debug_routes(QueryWatches& watches);

}  // namespace fairlead::server
