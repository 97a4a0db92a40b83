// Which queries a server block with `view` takes.
//
// Threads: immutable; read by workers.
// Errors: a condition that cannot be evaluated does not hold.
#pragma once

#include <cstdint>
#include <utility>

#include "server/config/view_options.hpp"
#include "server/query/query_context.hpp"

namespace fairlead::server {

class ViewFilter {
 public:
  /// `port`: of the listening address.
  ViewFilter(const ViewOptions& options, std::uint16_t port) : conditions_(options.conditions), port_(port) {}

  /// True when all conditions hold; `context.server` is the block that asks, for metadata.
  bool takes(const QueryContext& context) const;

 private:
  const std::vector<Expression> conditions_;
  const std::uint16_t port_;
};

}  // namespace fairlead::server
