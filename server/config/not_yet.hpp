// The options that CoreDNS has and this version of Fairlead reads but does not serve yet.
//
// The readers fill the option structs with these as well. Serving one is a matter of the handler; then its row goes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace fairlead::server {

/// The fault for an option that is not served yet; empty when it is. `value` is one of the option's arguments.
std::optional<std::string> describe_not_yet(std::string_view directive, std::string_view option,
                                            std::string_view value);

/// The warning for an option that is accepted without effect; empty when it has one.
std::optional<std::string> describe_no_effect(std::string_view directive, std::string_view option);

}  // namespace fairlead::server
