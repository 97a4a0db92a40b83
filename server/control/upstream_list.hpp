// Who the words behind `forward FROM` stand for at this moment: addresses as they are, the nameservers of files, the
// addresses of host names.
//
// A file that names no server, or this server itself, is no reason to end: the upstreams that it named before stay, and
// without any the directive answers SERVFAIL with the reason until the file changes.
//
// Threads: the control thread; a host name is waited for.
// Limits: resolver::upstreams_max upstreams.
// Errors: sentences for the operator.
#pragma once

#include <expected>
#include <map>
#include <string>
#include <vector>

#include "resolver/upstream.hpp"
#include "server/config/directive_options.hpp"
#include "server/net/listen_address.hpp"

namespace fairlead::server {

/// What a file or a host name stood for when it was last usable, by the word of the Corefile and whose it is.
using NamedUpstreams = std::map<std::string, std::vector<resolver::UpstreamAddress>>;

struct UpstreamList {
  std::vector<resolver::UpstreamAddress> upstreams;
  std::string why_empty;              // when they are none
  std::vector<std::string> warnings;  // whole sentences, without the line of the Corefile
};

/// `own` are the addresses that the block listens on. `known` is what the plan before stood on, and is brought up to
/// date. An error is a file that is not there, or a host name without an address, and nothing known of it.
std::expected<UpstreamList, std::string> list_upstreams(const ForwardOptions& options,
                                                        const std::vector<ListenAddress>& own, NamedUpstreams& known);

}  // namespace fairlead::server
