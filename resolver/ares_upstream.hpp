// A plain DNS upstream over UDP and TCP, asked through c-ares. The .cpp is the only file that includes <ares.h>.
//
// c-ares sends our octets and pairs replies with queries; the policy is ours:
//  - one server and one try per channel, and its check of RCODEs is off, so every reply reaches the caller unchanged;
//  - UDP channels ignore TC: the caller asks again over TCP, and one dead TCP port cannot fail the UDP queries of a
//    channel, as it would if c-ares fell back itself;
//  - our own socket functions stand between c-ares and the kernel. They set the source address, drop datagrams that
//    are no replies, and hide the RCODE FORMERR from c-ares, which would otherwise cut the last 11 octets of the query,
//    send it again and switch EDNS off for all queries to come;
//  - the source port of a channel is fixed, so a few channels are picked at random and replaced often, and at once
//    when queries of a channel time out (a stale conntrack entry dies with its port).
//
// Threads: as Upstream.
// Limits: upstream_outstanding_max, udp_channels, tcp_channels, channel_queries_max, channel_age_max,
// retired_channels_max. Timeouts are seen within 50 ms.
// Errors: as Upstream. A connection that the upstream closed between two queries is opened again once, unseen.
#pragma once

#include <memory>

#include "resolver/upstream.hpp"

namespace fairlead::resolver {

std::unique_ptr<Upstream> make_ares_upstream(asio::io_context& io, const UpstreamConfig& config);

}  // namespace fairlead::resolver
