// `metadata`: what is known about a query beyond its question, by label: "kubernetes/service", "forward/upstream".
//
// The handlers of the chain tell it (Handler::metadata()); a value is made when somebody asks for it, and nothing is
// collected on the way of a query. For directives that show or match such values.
//
// Threads: the query's worker.
// Errors: none; what is not known is not there. The empty text means the same, as in CoreDNS.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "server/query/query_context.hpp"

namespace fairlead::server {

/// Nothing without `metadata` in the block, for names outside of its zones, and for labels that nobody tells.
std::optional<std::string> metadata_value(const QueryContext& context, std::string_view label);

/// Everything that is known, as "forward/upstream=10.0.0.10:53 ...", in the order of the chain.
std::string metadata_text(const QueryContext& context);

}  // namespace fairlead::server
