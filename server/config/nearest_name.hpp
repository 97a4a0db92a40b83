// "Did you mean": the known name that a mistyped one is closest to.
//
// Threads: a pure function.
// Limits: names longer than 32 octets have no neighbour, so that the comparison stays cheap.
#pragma once

#include <span>
#include <string_view>

namespace fairlead::server {

/// The closest of `names`, or "" when none is within two typing slips (one, for names shorter than five octets).
std::string_view nearest_name(std::string_view name, std::span<const std::string_view> names);

}  // namespace fairlead::server
