// Names of DNS values as Corefiles write them: RCODEs and classes.
//
// Threads: pure functions.
#pragma once

#include <optional>
#include <string_view>

#include "zones/dns/rcode.hpp"
#include "zones/dns/rr_type.hpp"

namespace fairlead::server {

/// "SERVFAIL" in any case, or a number up to 23, the last that IANA has given.
std::optional<dns::Rcode> parse_rcode(std::string_view text);

/// "IN", "CH", "HS", "NONE" or "ANY" in any case.
std::optional<dns::RRClass> parse_rr_class(std::string_view text);

}  // namespace fairlead::server
