// Where kubectl would look for its kubeconfig.
//
// Threads: any; reads the environment.
// Errors: a sentence with the ways to name a cluster.
#pragma once

#include <expected>
#include <string>

namespace fairlead::ctl {

/// An empty name means the service account of a Pod.
std::expected<std::string, std::string> find_kubeconfig();

}  // namespace fairlead::ctl
