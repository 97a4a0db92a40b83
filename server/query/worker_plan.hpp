// The serving plan as one worker runs it: chains of handlers with the worker's own caches and upstream channels, and
// for each listening address the zones that it serves.
//
// A reload builds a new WorkerPlan and swaps it in; queries that wait keep the old one alive until they are answered.
//
// Threads: built on the control thread, then used by its worker only.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "resolver/counters.hpp"
#include "resolver/forwarder.hpp"
#include "server/control/metrics.hpp"
#include "server/control/query_watch.hpp"
#include "server/query/handler.hpp"
#include "zones/dns/domain_name.hpp"

namespace fairlead::server {

class DnstapTaps;
class ErrorLog;
class QueryLog;
struct ProxyPolicy;
class TlsIdentity;
class ViewFilter;

/// The handlers of a server block and what holds for all of its answers.
struct Chain {
  std::vector<std::unique_ptr<Handler>> handlers;
  bool rotates_answers = false;         // loadbalance
  std::shared_ptr<ErrorLog> errors;     // null without `errors`
  std::shared_ptr<const QueryLog> log;  // null without `log`
  /// Some handler answers in other classes than IN, and stands before a ClassGate.
  bool serves_other_classes = false;
  /// Of `metadata`; nothing without the directive.
  std::optional<std::vector<dns::DomainName>> metadata_zones;
  std::shared_ptr<DnstapTaps> taps;  // null without `dnstap`
  /// One of the two above wants to see queries with their replies.
  bool looks_back = false;
};

/// One zone of a server block, on one listening address.
struct ZoneServer {
  dns::DomainName zone;
  Chain* chain = nullptr;
  ZoneSlots* slots = nullptr;  // null without prometheus
  /// Of `view`; null takes every query.
  std::shared_ptr<const ViewFilter> view = nullptr;
};

/// How long a TCP connection of one listening address may take, and how many queries it may bring; of `timeouts`.
struct TcpTimes {
  /// From the first octet of a query to its last: a slow writer cannot keep a connection.
  std::chrono::nanoseconds read{std::chrono::seconds(5)};
  /// A client that takes no reply for so long is gone.
  std::chrono::nanoseconds write{std::chrono::seconds(10)};
  /// RFC 7766 §6.2.3 leaves the idle time to the server; CoreDNS's 10 s.
  std::chrono::nanoseconds idle{std::chrono::seconds(10)};
  std::uint32_t queries_max = 0;  // 0: no limit
};

/// How a handshake of an encrypted connection ended.
enum class TlsHandshake : std::uint8_t { full, resumed, failed };
inline constexpr std::size_t tls_handshake_outcomes = 3;

/// The zones of one listening address; the longest match answers.
class ZoneRouter {
 public:
  TcpTimes tcp;
  std::shared_ptr<const ProxyPolicy> proxy;  // of `proxyproto`; null without
  std::shared_ptr<const TlsIdentity> tls;    // null where connections are plain
  /// By TlsHandshake; nothing without prometheus.
  std::optional<std::array<SharedCounter*, tls_handshake_outcomes>> tls_handshakes;
  std::uint16_t port = 0;  // of the listening address

  void add(ZoneServer server);
  /// Nothing when no zone matches: the query is REFUSED.
  const ZoneServer* find(dns::NameView qname) const;
  bool has_views() const { return has_views_; }
  /// The same where some have views: the first of a zone that takes the query.
  const ZoneServer* find_by_view(QueryContext& context) const;

 private:
  std::vector<ZoneServer> servers_;  // most labels first, those of one zone in the order of the Corefile
  bool has_views_ = false;
};

class WorkerPlan {
 public:
  /// What the handlers of a block keep their figures in; for metrics. Null and empty without the directive.
  struct BlockResources {
    const resolver::CacheCounters* cache = nullptr;
    std::vector<const resolver::Forwarder*> forwarders;
  };

  std::vector<std::unique_ptr<Chain>> chains;
  std::vector<BlockResources> resources;  // by the index of the server block, as chains
  std::vector<ZoneRouter> routers;        // by the index of the listening address
  ZoneSlots* dropped_slots = nullptr;     // what no zone matched; null without prometheus
  QueryWatch* watch = nullptr;            // likewise
  bool serves_other_classes = false;      // some chain does

  /// Queries that wait for an upstream, and the octets of their packets; pending_queries_max, pending_octets_max.
  std::size_t pending_queries = 0;
  std::size_t pending_octets = 0;

  /// For rotations: cheap and good enough to spread load.
  std::uint32_t next_rotation() { return rotation_++; }

 private:
  std::uint32_t rotation_ = 0;
};

}  // namespace fairlead::server
