// A question asked in the place of the client's: the handlers behind one handler see another name, type, class or
// option, and their reply is written into the client's by a function.
//
// The reply is a message of its own, so a handler that does this copies every record. As long as the handlers behind it
// answer at once, the client's query is not suspended.
//
// Threads: one worker's.
// Limits: a query that waits takes two places of pending_queries_max. A nested question may hold another one; each
//   handler of a chain makes at most one.
// Errors: SERVFAIL when too many queries wait.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "server/query/query_context.hpp"

namespace fairlead::server {

/// Writes the reply to the nested question into the writer of the client's query, which holds its question alone.
using NestedReply = std::function<void(QueryContext& context, std::span<const std::uint8_t> message)>;

/// The same for a reply that may take longer: with Step::suspended the client is answered later. `pending` is its query
/// if it waits already, and may be taken; where it is null the context may be suspended. The context knows who
/// answered.
class PendingQuery;
using NestedTake = std::function<Step(QueryContext& context, std::unique_ptr<PendingQuery>& pending,
                                      std::span<const std::uint8_t> message)>;
Step ask_behind_and_take(QueryContext& context, const Handler& handler, std::vector<std::uint8_t> packet,
                         NestedTake take);

/// Asks `packet`, a whole query, of the handlers behind `handler`; `reply` is called once, perhaps before this returns,
/// and never when no reply is owed.
Step ask_behind(QueryContext& context, const Handler& handler, std::vector<std::uint8_t> packet, NestedReply reply);

/// The query of the context as a packet, with another question, flags or options. Nothing when the name does not fit.
struct QuestionChange {
  std::optional<dns::NameView> qname = {};
  std::optional<dns::RRType> qtype = {};
  std::optional<dns::RRClass> qclass = {};
  std::optional<std::uint16_t> flags = {};
  /// Of OPT; a query without one gets one.
  std::optional<std::span<const std::uint8_t>> edns_options = {};
  std::optional<bool> dnssec_ok = {};
};
std::vector<std::uint8_t> make_packet(const dns::Query& query, const QuestionChange& change);

}  // namespace fairlead::server
