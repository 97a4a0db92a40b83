// Whether an upstream is worth asking: probes after trouble, and what its replies tell in passing.
//
// As in CoreDNS nothing is probed while all is well. A failed query, or one that is overdue, starts a round: `. IN NS`
// (or the configured name) over the forwarder's transport, again every interval until a reply of any kind comes.
// Failed probes in a row beyond max_fails make the upstream down.
//
// Besides, replies of ordinary queries give the time after which a reply is overdue, and overdue queries without any
// reply since make the upstream suspect: it is asked last while its probes go on. That turns a dead upstream off in a
// few queries instead of the seconds that max_fails takes.
//
// Threads: as Upstream.
// Limits: one probe at a time, each given up after probe_timeout.
// Errors: none.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "resolver/upstream.hpp"
#include "resolver/upstream_window.hpp"
#include "zones/base/asio.hpp"
#include "zones/dns/domain_name.hpp"

namespace fairlead::resolver {

struct HealthConfig {
  std::uint32_t max_fails = 2;
  base::Duration interval = std::chrono::milliseconds(500);
  bool recursion_desired = true;
  dns::DomainName domain;
  Transport transport = Transport::udp;
};

class UpstreamHealth : public std::enable_shared_from_this<UpstreamHealth> {
 public:
  /// CoreDNS's.
  static constexpr std::chrono::seconds probe_timeout{1};
  /// Overdue queries without any reply after which an upstream is suspect.
  static constexpr std::uint32_t overdue_max = 3;
  /// Bounds of overdue_after(). Above 80 ms a second upstream could not answer within 100 ms of the first one's death.
  static constexpr std::chrono::milliseconds overdue_after_min{10};
  static constexpr std::chrono::milliseconds overdue_after_max{80};

  /// `upstream` must outlive the callbacks that it is given: destroy it after this.
  UpstreamHealth(asio::io_context& io, Upstream& upstream, HealthConfig config);

  void note_reply(base::TimePoint at, base::Duration elapsed);
  /// A query failed.
  void note_failure() { probe(); }
  /// A query sent at `sent` has had no reply for overdue_after(). True when nothing else came since either.
  bool note_overdue(base::TimePoint sent);

  bool is_down() const { return config_.max_fails != 0 && fails_ > config_.max_fails; }
  bool is_suspect() const { return is_probing_ && overdue_ >= overdue_max; }
  base::Duration overdue_after() const;
  /// How many queries the upstream may owe.
  UpstreamWindow& window() { return window_; }

  /// Ends the probes.
  void stop();

 private:
  void probe();
  void send_probe();
  void on_probe_reply(base::Duration elapsed);
  void on_probe_failure();

  Upstream& upstream_;
  const HealthConfig config_;
  std::vector<std::uint8_t> query_;
  asio::steady_timer timer_;
  std::uint32_t fails_ = 0;
  std::uint32_t overdue_ = 0;
  std::uint32_t round_ = 0;  // tells the reply of this probe from those given up
  bool is_probing_ = false;
  bool is_stopped_ = false;
  base::TimePoint last_reply_{};
  base::Duration smoothed_{};  // round-trip time, RFC 6298's way
  base::Duration variation_{};
  UpstreamWindow window_;
};

}  // namespace fairlead::resolver
