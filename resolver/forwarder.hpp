// Asks upstreams on behalf of clients: the engine behind one `forward` directive, for one worker.
//
//     auto ticket = forwarder.ask(question, [..](ForwardResult result) { ... });
//     if (!ticket) reply(ticket.error());                 // refused at once; the callback is not kept
//
// Equal questions in flight share one upstream query. A query tries upstreams in the order of the policy, down ones
// last; a slow first upstream is joined by a second after a short delay (hedging), and the first good reply wins. A
// reply with TC over UDP is asked again over TCP; if TCP fails the truncated reply is what the client gets.
//
// The reply's octets are the upstream's, checked (id, question, every record in bounds). Use copy_reply() to write them
// behind the client's question; header id and OPT are the server's.
//
// Threads: belongs to one worker and its io_context. Nothing is shared with other workers but, optionally, the counter
// of concurrent queries (ForwarderConfig::concurrent) and the questions in flight (ForwarderConfig::shared). Counters
// may be read from other threads.
// Limits: questions_in_flight_max, waiters_max, upstreams_max; every question ends within `deadline`.
// Errors: ForwardError. Each callback is called exactly once unless it was cancelled, never from within ask() or
// cancel(); the destructor calls what is left with `cancelled`. A callback may ask and cancel; it may destroy the
// forwarder, whose other callbacks are then called later. Standards: RFC 1035 §7, RFC 6891 §6.2.2 (upstreams without
// EDNS), RFC 7766.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "resolver/counters.hpp"
#include "resolver/limits.hpp"
#include "resolver/reply.hpp"
#include "resolver/upstream.hpp"
#include "zones/base/asio.hpp"
#include "zones/base/clock.hpp"
#include "zones/dns/domain_name.hpp"
#include "zones/dns/rr_type.hpp"

namespace fairlead::resolver {

class SharedQuestions;

enum class Policy : std::uint8_t { random, round_robin, sequential };

struct ForwarderConfig {
  /// At most upstreams_max. Without any, every question is `no_healthy`.
  std::vector<UpstreamAddress> upstreams;
  Policy policy = Policy::random;
  /// Over TCP whatever the client used; wins over prefer_udp.
  bool force_tcp = false;
  /// Over UDP whatever the client used. Without either, the client's transport.
  bool prefer_udp = false;

  /// Failed health checks after which an upstream is down; 0: never checked, never down.
  std::uint32_t max_fails = 2;
  base::Duration health_check_interval = std::chrono::milliseconds(500);
  bool health_check_recursion_desired = true;
  dns::DomainName health_check_domain;
  /// With all upstreams down: fail at once instead of trying one at random.
  bool failfast_all_unhealthy = false;

  /// Clients that may wait at once; 0: no limit but our own. The server answers REFUSED above it.
  std::uint32_t max_concurrent = 0;
  /// Where max_concurrent is counted: one counter given to the forwarders of all workers makes it a limit of the
  /// process, as in CoreDNS. Null: this forwarder counts alone.
  std::shared_ptr<std::atomic<std::uint32_t>> concurrent;

  /// The questions in flight of all workers' forwarders, so that equal ones are asked once. Null: each asks its own.
  std::shared_ptr<SharedQuestions> shared;

  base::Duration read_timeout = std::chrono::seconds(2);
  base::Duration deadline = question_deadline;
  /// Tries of one question, hedges included; absent: twice the number of upstreams; 0: only the deadline ends it.
  std::optional<std::uint32_t> max_connect_attempts;
  /// RCODEs for which the next upstream is asked, each once; the last such reply counts when all have given one.
  std::vector<std::uint16_t> failover_rcodes;

  base::Duration expire = std::chrono::seconds(10);
  base::Duration max_age{0};
  std::optional<base::IpAddress> source_address;
  /// Idle connections of one upstream that are kept, each transport by itself; 0: all.
  std::uint32_t max_idle_connections = 0;
  /// For tls:// upstreams, which are left out without it. One context serves the forwarders of all workers.
  std::shared_ptr<TlsClientContext> tls;

  /// Ask a second upstream when the first is slower than usual. Off for tests that count queries.
  bool hedge = true;
};

/// What a client asks.
struct ForwardQuestion {
  dns::NameView qname;
  dns::RRType qtype{};
  dns::RRClass qclass = dns::RRClass::in;
  bool recursion_desired = true;
  bool checking_disabled = false;
  /// The AD bit of the query. A cache in front sets it always, so that it learns whether the answer was validated.
  bool authentic_data = false;
  bool dnssec_ok = false;
  /// Sent in OPT, as they stand; only those who send the same ones share a query.
  std::span<const std::uint8_t> edns_options = {};
  Transport client_transport = Transport::udp;
};

struct ForwardReply {
  Reply reply;  // valid during the callback
  /// Index into upstreams().
  std::size_t upstream = 0;
  Transport transport = Transport::udp;
  base::Duration elapsed{};
  /// False for those who joined the question of another client: a cache stores the reply of the first alone.
  bool first = true;
};

enum class ForwardFault : std::uint8_t {
  too_many_concurrent,  // REFUSED, as CoreDNS 1.14; max_concurrent or our own limits
  no_healthy,           // SERVFAIL; all upstreams are down and failfast_all_unhealthy is set
  overloaded,           // SERVFAIL; upstreams owe as much as they can answer in time, or newer questions took the room
  timed_out,            // SERVFAIL; EDE 22, and 23 for the others
  unreachable,          // SERVFAIL
  tls_failed,           // SERVFAIL
  bad_reply,            // SERVFAIL
  cancelled,            // the forwarder is being destroyed
};
std::string_view to_string(ForwardFault fault);
struct ForwardError {
  ForwardFault fault{};
  /// The upstream that was tried last, if any.
  std::optional<std::size_t> upstream;
};
using ForwardResult = std::expected<ForwardReply, ForwardError>;
using ForwardCallback = std::move_only_function<void(const ForwardResult&)>;

/// Names a waiting client; for cancel().
struct ForwardTicket {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
};

class Forwarder {
 public:
  /// Upstreams of make_upstream().
  Forwarder(asio::io_context& io, ForwarderConfig config);
  /// Upstreams of someone else; config.upstreams is not looked at.
  Forwarder(asio::io_context& io, ForwarderConfig config, std::vector<std::unique_ptr<Upstream>> upstreams);
  ~Forwarder();
  Forwarder(const Forwarder&) = delete;
  Forwarder& operator=(const Forwarder&) = delete;

  /// Starts or joins a query. An error is known at once: too_many_concurrent, no_healthy, overloaded.
  std::expected<ForwardTicket, ForwardError> ask(const ForwardQuestion& question, ForwardCallback callback);
  /// The callback will not be called, unless it was already. Tickets of finished questions are ignored.
  void cancel(ForwardTicket ticket);

  /// Clients that wait: a drain ends at zero.
  std::size_t waiting() const;
  std::span<const std::unique_ptr<Upstream>> upstreams() const;
  bool is_down(std::size_t upstream) const;
  const ForwardCounters& counters() const;

 private:
  class Engine;
  std::unique_ptr<Engine> engine_;
};

}  // namespace fairlead::resolver
