// Label selectors, checked before they are sent: the API server would refuse a wrong one with every list, for ever.
//
// Threads: pure functions.
// Errors: a sentence that says what is wrong and what to write instead.
// Standards: Kubernetes labels and selectors, equality-based and set-based; RFC 1123 for prefixes of keys.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace fairlead::server {

/// "environment in (staging, qa),tier=web,!legacy"; empty when it is a selector (the empty text selects everything).
/// '<' and '>' are faults, as in CoreDNS: only Node affinity has them.
std::optional<std::string> describe_selector_fault(std::string_view text);

}  // namespace fairlead::server
