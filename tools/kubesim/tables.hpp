// The columns of `kubectl get`, kind by kind.
//
// Threads: functions on values.
// Errors: none; what an object lacks shows as "<none>" or "<unknown>", as in the real server.
#pragma once

#include "tools/kubesim/json.hpp"
#include "tools/kubesim/kinds.hpp"

namespace fairlead::kubesim {

Json table_columns(const Kind& kind);
/// The cells of one row; as many as table_columns() has.
Json table_cells(const Kind& kind, const Json& object);

}  // namespace fairlead::kubesim
