// The names that a Namespace has by itself: "<ns>.svc", and "<ns>.pod" when pod names are served. Pure functions.
//
// With `pods insecure` the names below "<ns>.pod" are not stored: the query path computes the address from the label,
// and needs to know only that the Namespace exists.
//
// Threads: values.
// Standards: Kubernetes DNS specification 1.1.0 §2.
#pragma once

#include <string>
#include <string_view>

namespace fairlead::k8s {

/// Keys relative to the zone, wire labels in lower case; `namespace_name` must be a label.
std::string services_of_namespace_key(std::string_view namespace_name);
std::string pods_of_namespace_key(std::string_view namespace_name);

}  // namespace fairlead::k8s
