// One server that we ask: an address and the way to it.
//
// Threads: an Upstream belongs to the worker whose io_context it was made with, callbacks included.
// Limits: each implementation bounds its outstanding queries (UpstreamError::busy) and the time of each.
// Errors: UpstreamError. Every callback is called exactly once, never from within send(); destruction calls the rest
// with `cancelled`.
// Security: only a reply from the address that was asked, with the id and the question of the query and QR set, ends
// a query. Anything else is ignored and the right reply still awaited. Ids and source ports are unpredictable.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "resolver/counters.hpp"
#include "zones/base/asio.hpp"
#include "zones/base/clock.hpp"
#include "zones/base/ip_address.hpp"

namespace fairlead::resolver {

/// How a DNS message travels to the upstream.
enum class Transport : std::uint8_t { udp, tcp };

/// The protocol of an upstream, from the Corefile: `8.8.8.8` or `tls://8.8.8.8`.
enum class UpstreamProtocol : std::uint8_t { dns, tls };

struct UpstreamAddress {
  base::IpAddress address;
  std::uint16_t port = 53;
  UpstreamProtocol protocol = UpstreamProtocol::dns;
  std::string tls_server_name;

  /// "10.0.0.10:53" or "[2001:db8::1]:53": the label `to` of the metrics.
  std::string to_string() const;
  friend bool operator==(const UpstreamAddress&, const UpstreamAddress&) = default;
};

enum class UpstreamError : std::uint8_t {
  timed_out,    // no reply within the read timeout
  unreachable,  // connection refused or reset, no route, no socket
  tls_failed,   // no handshake: a certificate that is not trusted, no common version
  bad_reply,    // the right id and question, then octets that do not parse
  busy,         // too many outstanding queries
  cancelled,    // the upstream is being destroyed
};
std::string_view to_string(UpstreamError error);

struct UpstreamReply {
  std::span<const std::uint8_t> message;  // valid during the callback
  Transport transport = Transport::udp;
  base::Duration elapsed{};
};
using UpstreamResult = std::expected<UpstreamReply, UpstreamError>;

class Upstream {
 public:
  using Callback = std::move_only_function<void(UpstreamResult)>;

  virtual ~Upstream() = default;

  /// Asks `query`, a whole message with one question; its id is replaced by a random one. The octets may go after the
  /// call.
  virtual void send(std::span<const std::uint8_t> query, Transport transport, Callback callback) = 0;

  /// Why the last connection did not come about, in words; empty when nothing more is known than the error.
  virtual std::string_view trouble() const { return {}; }

  const UpstreamAddress& address() const { return address_; }
  UpstreamCounters& counters() { return counters_; }
  const UpstreamCounters& counters() const { return counters_; }

 protected:
  explicit Upstream(UpstreamAddress address) : address_(std::move(address)) {}

 private:
  UpstreamAddress address_;
  UpstreamCounters counters_;
};

/// Certificates and CAs of DNS over TLS; made by make_tls_client_context() of tls_upstream.hpp.
struct TlsClientContext;

struct UpstreamConfig {
  UpstreamAddress address;
  base::Duration read_timeout = std::chrono::seconds(2);
  /// Connections and ports without use for this long are closed.
  base::Duration expire = std::chrono::seconds(10);
  /// Connections are replaced after this time; 0: no limit of the Corefile's.
  base::Duration max_age{0};
  /// Where queries leave from; nothing is sent to upstreams of the other family.
  std::optional<base::IpAddress> source_address;
  /// Idle connections and ports of one transport that are kept; 0: all, which are few.
  std::uint32_t max_idle_connections = 0;
  /// Needed for UpstreamProtocol::tls.
  std::shared_ptr<TlsClientContext> tls;
};

/// The implementation that fits the address's protocol; null for TLS without a context.
std::unique_ptr<Upstream> make_upstream(asio::io_context& io, const UpstreamConfig& config);

}  // namespace fairlead::resolver
