// One query on its way through the server: what was asked, by whom, and the reply as far as it is written.
//
// The listener keeps the context on its stack. A query that must wait is copied into a PendingQuery, which has a
// context of its own; everything in the first one is then dead.
//
// Threads: one worker's.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "resolver/forwarder.hpp"
#include "server/query/handler.hpp"
#include "server/query/reply_stream.hpp"
#include "zones/base/asio.hpp"
#include "zones/base/ip_address.hpp"
#include "zones/dns/domain_name.hpp"
#include "zones/dns/message_reader.hpp"
#include "zones/dns/message_writer.hpp"

namespace fairlead::server {

using resolver::Transport;

/// How long a query may wait from its arrival, and who keeps the time.
struct WaitLimit {
  asio::io_context& io;
  std::chrono::nanoseconds max;
};

class WorkerPlan;
struct QueryContext;
struct ZoneServer;
struct Chain;

/// Where a reply that could not be given at once goes; deliver() is called exactly once.
class ReplyTarget {
 public:
  virtual ~ReplyTarget() = default;
  virtual void deliver(std::span<const std::uint8_t> message) = 0;
  /// What is known of the query beyond its reply, just before deliver(): for a target that is itself a query.
  virtual void note(const QueryContext&) {}
  /// "10.244.0.7:43210", for logs.
  virtual std::string client_text() const = 0;
  /// As Origin's.
  virtual std::optional<base::IpAddress> local_address() const { return std::nullopt; }
};

/// The client side of a query, kept by the listener while handle() runs.
class Origin {
 public:
  virtual ~Origin() = default;
  virtual Transport transport() const = 0;
  virtual bool is_ipv4() const = 0;
  virtual base::IpAddress client_address() const = 0;
  virtual std::string client_text() const = 0;
  /// 0 where there is no client: a question of our own.
  virtual std::uint16_t client_port() const { return 0; }
  /// Which of our addresses was asked, if that is known. It may take a system call.
  virtual std::optional<base::IpAddress> local_address() const { return std::nullopt; }
  /// A target that outlives the Origin; nothing when too many queries are waiting already.
  virtual std::unique_ptr<ReplyTarget> keep() = 0;
  /// Sends a reply of many messages instead, behind others of the connection; false when it cannot. The query is then
  /// suspended.
  virtual bool stream(std::unique_ptr<ReplyStream>) { return false; }
};

/// The question name in lower case with its labels, made once by intake.
struct CanonicalName {
  explicit CanonicalName(dns::NameView name);
  CanonicalName(const CanonicalName& other) { *this = other; }
  CanonicalName& operator=(const CanonicalName& other);

  dns::NameView view() const { return dns::NameView({octets.data(), size}); }
  std::array<std::uint8_t, dns::name_octets_max> octets;
  std::uint8_t size;
};

struct QueryContext {
  QueryContext(std::span<const std::uint8_t> packet, const dns::Query& query, dns::MessageWriter& writer,
               Origin& origin, const std::shared_ptr<WorkerPlan>& plan);

  std::span<const std::uint8_t> packet;
  const dns::Query& query;
  dns::MessageWriter& writer;
  Origin& origin;
  const std::shared_ptr<WorkerPlan>& plan;
  CanonicalName qname;
  const ZoneServer* server = nullptr;
  std::chrono::steady_clock::time_point received;

  PluginLabel answered_by = no_plugin;
  std::uint8_t alias_depth = 0;           // aliases followed before this question; alias_chain_max
  bool is_nested = false;                 // asked in the place of the client's question; nested_question.hpp
  bool sends_options = false;             // the query's EDNS options are meant for upstreams: `rewrite`
  std::size_t router = 0;                 // of the listening address
  const WaitLimit* wait_limit = nullptr;  // of `cancel`; lives as long as the plan
  /// The answer section is rotated when the reply is finished: `loadbalance` for replies that were not made here.
  bool rotate = false;
  /// What went wrong upstream, for `errors`; empty when nothing did.
  std::string error;
  /// Keeps the text of an Extended DNS Error that was made for this reply.
  std::string& reason() { return own().reason; }
  /// Keeps EDNS options that were made for this reply, until it is finished.
  std::vector<std::uint8_t>& reply_options() { return own().options; }
  /// The upstream that answered, or failed last; null where none was asked.
  const resolver::UpstreamAddress* upstream = nullptr;
  /// While an upstream's reply is copied: the reply, and the TTL that its records are given if there is one.
  const resolver::ForwardReply* upstream_reply = nullptr;
  std::optional<std::uint32_t> shown_ttl;

  /// The handler's on_reply() runs once a later handler has replied.
  void observe(Handler& handler) {
    if (observer_count < observers.size()) observers[observer_count++] = &handler;
  }
  void run_observers() {
    while (observer_count > 0) observers[--observer_count]->on_reply(*this);
  }
  std::array<Handler*, 4> observers{};
  std::uint8_t observer_count = 0;

  /// The handler's edit_reply() runs before the reply is finished; the last that asked comes first.
  void edit(Handler& handler) {
    if (editor_count < editors.size()) editors[editor_count++] = &handler;
  }
  void run_editors() {
    while (editor_count > 0) editors[--editor_count]->edit_reply(*this);
  }
  std::array<Handler*, 8> editors;  // up to editor_count
  std::uint8_t editor_count = 0;

  /// False for questions of our own: what is counted and logged is the client's.
  bool is_of_client() const { return alias_depth == 0 && !is_nested; }

 private:
  struct Own {
    std::string reason;
    std::vector<std::uint8_t> options;
  };
  Own& own() {
    if (own_ == nullptr) own_ = std::make_unique<Own>();
    return *own_;
  }
  std::unique_ptr<Own> own_;
};

}  // namespace fairlead::server
