// The end of an answer that begins with aliases: what the last one leads to, asked through the server's own chain.
//
// Threads: one worker's.
// Limits: alias_chain_max links, counted across questions; the worker's limit of waiting queries.
#pragma once

#include <string_view>

#include "server/query/query_context.hpp"

namespace fairlead::server {

/// What the reply says when the last alias leads to nothing: NOERROR, or what became of the target (RFC 6604 §3).
enum class TargetRcode : bool { ignored, passed_on };

/// The records in the writer are CNAMEs; what is found for `target` comes behind them. When nothing is (NXDOMAIN,
/// NODATA, SERVFAIL), the reply is the aliases alone. `stale` says that the aliases are from a snapshot, if they are;
/// it lives as long as the plan.
Step ask_for_alias_target(QueryContext& context, dns::NameView target, PluginLabel label, std::string_view stale,
                          TargetRcode rcode = TargetRcode::ignored);

}  // namespace fairlead::server
