// Answering, from packet to reply: the table of contents of the query path.
//
//     intake       read_query(): a ladder of guards; faults are answered here
//     routing      the longest matching zone of the listening address
//     handling     the zone's chain, until a handler answers or takes the query away
//     finishing    observers (cache), rotation, OPT, header, metrics, logs
//
// Threads: a worker's, inside a base::ReadSection.
// Limits: local answers neither wait nor allocate; only Outcome::suspended takes time.
// Errors: every packet has an outcome; nothing throws.
// Standards: RFC 1035 §4, RFC 6891, RFC 8906 (answer rather than drop).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "server/query/query_context.hpp"
#include "server/query/worker_plan.hpp"

namespace fairlead::server {

enum class Outcome : std::uint8_t { reply, silence, suspended };

struct Answer {
  Outcome outcome = Outcome::silence;
  std::span<const std::uint8_t> message;  // in the buffer that was given
};

/// `buffer` takes the reply: at least udp_octets_max over UDP, message_octets_max over TCP.
Answer answer(std::span<const std::uint8_t> packet, Origin& origin, const std::shared_ptr<WorkerPlan>& plan,
              std::size_t router, std::span<std::uint8_t> buffer);

/// Observers, OPT, header, metrics and logs of an answered query; gives the whole message.
std::span<const std::uint8_t> finish(QueryContext& context);

/// Asks the handlers behind `handler` in the chain of the context's zone, as if the query had just come to them.
Step handle_behind(QueryContext& context, const Handler& handler);

/// The most octets that the client takes: its EDNS size up to ours, else 512; over TCP what a length prefix can say.
std::size_t reply_limit(const dns::Query& query, Transport transport);

/// Asks a question of our own through the zones that `context` was asked on, from the top. `done` is called exactly
/// once with the whole reply, on this thread, perhaps before this returns. For alias targets.
void ask_internally(const QueryContext& context, dns::NameView qname, dns::RRType qtype,
                    std::function<void(std::span<const std::uint8_t> reply)> done);

/// Asks the question of `context` once more, for nobody in particular and with RD, of the handlers behind `handler`,
/// whose on_reply() sees what comes back. `done` is called at most once, on this thread, perhaps before this returns;
/// it is dropped when the server ends.
void ask_again_behind(const QueryContext& context, Handler& handler,
                      std::function<void(std::span<const std::uint8_t> reply)> done);

}  // namespace fairlead::server
