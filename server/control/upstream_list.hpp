// Who the words behind `forward FROM` stand for at this moment: addresses as they are, the nameservers of files, the
// addresses of host names.
//
// A file that names no server, or this server itself, is no reason to end: the upstreams that it named before stay, and
// without any the directive answers SERVFAIL with the reason until the file changes.
//
// Threads: the control thread; a host name is waited for, unless what is known of it will do. WatchedHost::look_up() on
// any thread.
// Limits: resolver::upstreams_max upstreams.
// Errors: sentences for the operator.
#pragma once

#include <chrono>
#include <expected>
#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "resolver/upstream.hpp"
#include "server/config/directive_options.hpp"
#include "server/net/listen_address.hpp"
#include "zones/base/clock.hpp"

namespace fairlead::server {

using Upstreams = std::vector<resolver::UpstreamAddress>;

/// What a file or a host name stood for when it was last usable.
struct NamedUpstream {
  Upstreams upstreams;
  base::TimePoint due{};  // of a host name: when it is looked up again
};
/// By the word of the Corefile and whose it is.
using NamedUpstreams = std::map<std::string, NamedUpstream>;

/// A host name behind `forward FROM`, to be looked up again when the TTL of its addresses ends.
struct WatchedHost {
  struct Found {
    Upstreams upstreams;
    std::chrono::seconds ttl{0};
    bool is_whole = false;  // as HostAddresses
  };
  std::string word;  // in NamedUpstreams
  std::string name;  // for people
  std::function<std::expected<Found, std::string>(const std::stop_token&)> look_up;
};

/// When addresses with this TTL are looked up again, counted from now. A little earlier than they end, and not the same
/// time everywhere; within host_ttl_min and host_ttl_max.
base::Duration host_due_after(std::chrono::seconds ttl);
/// A TTL of 0 must not make a flood of plans, and one of a week not an address for ever.
inline constexpr std::chrono::seconds host_ttl_min{5};
inline constexpr std::chrono::hours host_ttl_max{1};

struct UpstreamList {
  std::vector<resolver::UpstreamAddress> upstreams;
  std::string why_empty;              // when they are none
  std::vector<std::string> warnings;  // whole sentences, without the line of the Corefile
  std::vector<WatchedHost> hosts;     // among the words
};

/// `own` are the addresses that the block listens on. `known` is what the plan before stood on, and is brought up to
/// date; with `keeps_hosts` the host names that it has are not looked up. An error is a file that is not there, or a
/// host name without an address, and nothing known of it.
std::expected<UpstreamList, std::string> list_upstreams(const ForwardOptions& options,
                                                        const std::vector<ListenAddress>& own, NamedUpstreams& known,
                                                        bool keeps_hosts);

}  // namespace fairlead::server
