#include "server/query/view_filter.hpp"

#include <algorithm>

#include "server/query/query_input.hpp"

namespace fairlead::server {

bool ViewFilter::takes(const QueryContext& context) const {
  const QueryInput input(context, port_);
  return std::ranges::all_of(conditions_, [&](const Expression& condition) { return condition.holds(input); });
}

}  // namespace fairlead::server
