// Where an endpoint of dnstap is: the addresses of a host name, looked up on a thread of its own, as that may take
// long.
//
// Threads: any; the thread keeps nothing but the result, so that nobody waits for its end.
// Limits: host_candidates_max addresses.
// Errors: a sentence for the operator.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "zones/base/asio.hpp"

namespace fairlead::server {

inline constexpr std::size_t host_candidates_max = 16;

using StreamEndpoint = asio::generic::stream_protocol::endpoint;
using FoundEndpoints = std::expected<std::vector<StreamEndpoint>, std::string>;

/// Nothing until the lookup has ended; at once for an address, and for an empty host, which is all of our own.
using HostLookup = std::function<std::optional<FoundEndpoints>()>;
HostLookup look_up_endpoints(const std::string& host, std::uint16_t port);

}  // namespace fairlead::server
