// Whom a question goes to next: the policy's order, without those that are down, suspect, or owe too much already.
//
// Threads: belongs to one worker.
// Limits: upstreams_max.
// Errors: no_healthy, and overloaded where every upstream that is up owes as much as it may.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "resolver/counters.hpp"
#include "resolver/forwarded_question.hpp"
#include "resolver/forwarder.hpp"
#include "resolver/random.hpp"
#include "resolver/upstream_health.hpp"

namespace fairlead::resolver {

class UpstreamChoice {
 public:
  /// What is given must outlive the callbacks of `upstreams`.
  UpstreamChoice(asio::io_context& io, const ForwarderConfig& config,
                 std::span<const std::unique_ptr<Upstream>> upstreams, ForwardCounters& counters);

  UpstreamHealth& health(std::size_t upstream) { return *health_[upstream]; }
  const UpstreamHealth& health(std::size_t upstream) const { return *health_[upstream]; }
  /// Ends the probes.
  void stop();

  /// The policy's order; suspects last.
  void put_in_order(std::array<std::uint8_t, upstreams_max>& order);
  /// CoreDNS's walk: down ones are passed over; when all are down one is picked at random, or none with failfast.
  std::expected<std::size_t, ForwardFault> next(ForwardedQuestion& question);
  /// The next in order that is up and owes no reply to the question yet.
  std::optional<std::size_t> next_hedge(const ForwardedQuestion& question);
  /// The same that has not given an RCODE of `failover` to it.
  std::optional<std::size_t> next_failover(const ForwardedQuestion& question) const;

 private:
  bool has_room(std::size_t upstream);

  const Policy policy_;
  const bool failfast_;
  std::span<const std::unique_ptr<Upstream>> upstreams_;
  std::vector<std::shared_ptr<UpstreamHealth>> health_;
  ForwardCounters& counters_;
  QuickRandom random_;
  std::uint32_t robin_ = 0;
};

}  // namespace fairlead::resolver
