// Lists what a name is made of from the API server, and lets the server's own code make records of it.
//
// Of a name of a Service its Namespace alone is listed; of an address the whole cluster.
//
// Threads: blocks the calling one, at most for options.timeout.
// Errors: a sentence with what to do about it, the last trouble with the API server included.
#pragma once

#include <expected>
#include <string>

#include "tools/fairleadctl/explanation.hpp"
#include "tools/fairleadctl/options.hpp"

namespace fairlead::ctl {

std::expected<Explanation, std::string> explain_name(const Options& options);

}  // namespace fairlead::ctl
