#include "resolver/upstream_choice.hpp"

#include <algorithm>
#include <utility>

namespace fairlead::resolver {

UpstreamChoice::UpstreamChoice(asio::io_context& io, const ForwarderConfig& config,
                               std::span<const std::unique_ptr<Upstream>> upstreams, ForwardCounters& counters)
    : policy_(config.policy), failfast_(config.failfast_all_unhealthy), upstreams_(upstreams), counters_(counters) {
  const HealthConfig health{.max_fails = config.max_fails,
                            .interval = config.health_check_interval,
                            .recursion_desired = config.health_check_recursion_desired,
                            .domain = config.health_check_domain,
                            .transport = config.force_tcp ? Transport::tcp : Transport::udp};
  for (const auto& upstream : upstreams_) health_.push_back(std::make_shared<UpstreamHealth>(io, *upstream, health));
}

void UpstreamChoice::stop() {
  for (const auto& health : health_) health->stop();
}

void UpstreamChoice::put_in_order(std::array<std::uint8_t, upstreams_max>& order) {
  const std::size_t count = upstreams_.size();
  for (std::size_t i = 0; i < count; ++i) order[i] = static_cast<std::uint8_t>(i);
  if (count < 2) return;
  const auto end = order.begin() + static_cast<std::ptrdiff_t>(count);
  switch (policy_) {
    case Policy::random:
      for (std::size_t i = count; i > 1; --i) {
        std::swap(order[i - 1], order[random_.below(static_cast<std::uint32_t>(i))]);
      }
      break;
    case Policy::round_robin: {
      // As CoreDNS: the chosen one first, the others in their order.
      const auto chosen = order.begin() + static_cast<std::ptrdiff_t>(++robin_ % count);
      std::rotate(order.begin(), chosen, chosen + 1);
      break;
    }
    case Policy::sequential: break;
  }
  std::stable_partition(order.begin(), end, [this](std::uint8_t i) { return !health_[i]->is_suspect(); });
}

bool UpstreamChoice::has_room(std::size_t upstream) {
  UpstreamWindow& window = health_[upstream]->window();
  if (window.has_room(upstreams_[upstream]->counters().outstanding.value())) return true;
  window.note_full();
  return false;
}

std::expected<std::size_t, ForwardFault> UpstreamChoice::next(ForwardedQuestion& question) {
  const std::size_t count = upstreams_.size();
  ForwardFault fault = ForwardFault::no_healthy;
  for (std::size_t steps = 0; steps < 2 * count; ++steps) {
    if (question.position >= count) question.position = question.down_seen = 0;
    const std::size_t upstream = question.order[question.position++];
    if (!health_[upstream]->is_down()) {
      if (has_room(upstream)) return upstream;
      fault = ForwardFault::overloaded;
      continue;
    }
    if (++question.down_seen < count) continue;
    counters_.healthcheck_broken.add();
    if (failfast_) return std::unexpected(ForwardFault::no_healthy);
    const std::size_t any = random_.below(static_cast<std::uint32_t>(count));
    if (has_room(any)) return any;
    return std::unexpected(ForwardFault::overloaded);
  }
  return std::unexpected(fault);
}

std::optional<std::size_t> UpstreamChoice::next_hedge(const ForwardedQuestion& question) {
  if (upstreams_.size() == 1) return has_room(0) ? std::optional<std::size_t>(0) : std::nullopt;
  for (std::size_t i = 0; i < upstreams_.size(); ++i) {
    const std::size_t upstream = question.order[(question.position + i) % upstreams_.size()];
    if ((question.asked >> upstream & 1) != 0 || health_[upstream]->is_down() || !has_room(upstream)) continue;
    return upstream;
  }
  return std::nullopt;
}

std::optional<std::size_t> UpstreamChoice::next_failover(const ForwardedQuestion& question) const {
  for (std::size_t i = 0; i < upstreams_.size(); ++i) {
    const std::size_t upstream = question.order[i];
    const unsigned passed = question.failed_over | question.asked;
    if ((passed >> upstream & 1) == 0 && !health_[upstream]->is_down()) return upstream;
  }
  return std::nullopt;
}

}  // namespace fairlead::resolver
