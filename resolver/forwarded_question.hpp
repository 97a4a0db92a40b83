// A question that a forwarder has in flight: what is asked, who waits, and how far it has come.
//
// Threads: belongs to one worker.
// Limits: one query of query_octets_max and upstreams_max bits; a truncated reply is kept while TCP is tried.
// Errors: none.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "resolver/forwarder.hpp"
#include "resolver/limits.hpp"
#include "resolver/query_builder.hpp"
#include "resolver/question_key.hpp"
#include "resolver/shared_questions.hpp"
#include "resolver/slot_pool.hpp"

namespace fairlead::resolver {

/// The bits of the key in which questions differ beside name, type and class.
inline std::uint8_t flags_of(const ForwardQuestion& asked, Transport transport) {
  std::uint8_t flags = 0;
  if (asked.dnssec_ok) flags |= question_flag::dnssec_ok;
  if (asked.checking_disabled) flags |= question_flag::checking_disabled;
  if (asked.recursion_desired) flags |= question_flag::recursion_desired;
  if (asked.authentic_data) flags |= question_flag::authentic_data;
  if (transport == Transport::tcp) flags |= question_flag::tcp;
  return flags;
}

/// A client that waits for a question.
struct Waiter {
  ForwardCallback callback;
  std::uint32_t question = no_slot;
  std::uint32_t next = no_slot;
  std::uint32_t previous = no_slot;
};

struct ForwardedQuestion {
  std::array<std::uint8_t, query_octets_max> query;
  std::uint16_t query_octets = 0;
  std::vector<std::uint8_t> options;  // of OPT, which ends `query`
  std::uint8_t name_octets = 0;
  std::uint8_t flags = 0;
  Transport transport = Transport::udp;
  bool is_finishing = false;
  bool is_pausing = false;      // between two passes over `order`
  bool is_crowded_out = false;  // ends with the next tick

  std::uint32_t first_waiter = no_slot;
  std::uint32_t last_waiter = no_slot;

  base::TimePoint started{};
  base::TimePoint deadline{};
  base::TimePoint last_sent{};
  std::array<std::uint8_t, upstreams_max> order{};
  std::uint8_t position = 0;
  std::uint8_t down_seen = 0;  // in this pass over `order`
  std::uint8_t last_upstream = 0;
  std::uint8_t hedges = 0;
  std::uint32_t tries_failed = 0;
  std::uint32_t outstanding = 0;
  std::uint16_t asked = 0;         // bit per upstream that owes a reply
  std::uint16_t without_edns = 0;  // bit per upstream that was asked again without OPT
  std::uint16_t failed_over = 0;   // bit per upstream whose reply had an RCODE of `failover`
  UpstreamError last_error = UpstreamError::timed_out;

  std::vector<std::uint8_t> truncated;  // the reply with TC that is better than none
  std::uint8_t truncated_upstream = 0;

  SharedQuestions::Place place;     // among the workers' questions
  std::uint8_t leaders_failed = 0;  // that it followed

  /// `query` is overwritten as far as it is used; everything else starts afresh.
  void begin(const ForwardQuestion& from, Transport over, base::TimePoint at, base::TimePoint ends) {
    query_octets = static_cast<std::uint16_t>(build_query(from.qname, from.qtype, from.qclass,
                                                          {.recursion_desired = from.recursion_desired,
                                                           .checking_disabled = from.checking_disabled,
                                                           .authentic_data = from.authentic_data,
                                                           .dnssec_ok = from.dnssec_ok},
                                                          query));
    options.assign(from.edns_options.begin(), from.edns_options.end());
    name_octets = static_cast<std::uint8_t>(from.qname.size());
    flags = flags_of(from, over);
    transport = over;
    is_finishing = is_pausing = is_crowded_out = false;
    first_waiter = last_waiter = no_slot;
    started = at;
    deadline = ends;
    position = down_seen = last_upstream = hedges = 0;
    tries_failed = outstanding = 0;
    asked = without_edns = failed_over = 0;
    last_error = UpstreamError::timed_out;
    truncated.clear();
    place = {};
    leaders_failed = 0;
  }

  dns::NameView qname() const { return dns::NameView({query.data() + dns::header_octets, name_octets}); }
  /// Type and class.
  std::span<const std::uint8_t> behind_name() const {
    return std::span(query).subspan(dns::header_octets + name_octets, 4);
  }
  dns::RRType qtype() const { return static_cast<dns::RRType>(dns::read_u16(behind_name().data())); }
  dns::RRClass qclass() const { return static_cast<dns::RRClass>(dns::read_u16(behind_name().data() + 2)); }
  QuestionKey key() const { return QuestionKey(qname(), qtype(), qclass(), flags); }

  bool is_equal(const ForwardQuestion& other, Transport over) const {
    return flags == flags_of(other, over) && qname() == other.qname && qtype() == other.qtype &&
           qclass() == other.qclass && std::ranges::equal(options, other.edns_options);
  }
  bool is_repeated_by(const Reply& reply) const {
    return reply.qname() == qname() && std::ranges::equal(reply.question().last(4), behind_name());
  }
};
static_assert(upstreams_max <= 16, "`asked` and its like have sixteen bits");

}  // namespace fairlead::resolver
