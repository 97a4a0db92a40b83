// The names of a cluster, straight from its API server.
//
// Lists Services, EndpointSlices and Namespaces once through k8s::Cluster, the code that the server runs, and reads the
// table that comes of it.
//
// Threads: blocks the calling one, at most for options.timeout.
// Errors: a sentence with what to do about it, the last trouble with the API server included.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "tools/fairleadctl/options.hpp"

namespace fairlead::ctl {

/// On a terminal, standard error shows how far it is.
std::expected<std::vector<dns::ResourceRecord>, std::string> list_cluster(const Options& options);

}  // namespace fairlead::ctl
