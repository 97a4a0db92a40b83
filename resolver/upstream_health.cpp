#include "resolver/upstream_health.hpp"

#include <algorithm>

#include "resolver/query_builder.hpp"

namespace fairlead::resolver {
namespace {

/// `health_check 0` would probe in a circle.
constexpr std::chrono::milliseconds interval_min{10};
/// Before the first reply.
constexpr std::chrono::milliseconds overdue_after_unknown{50};

}  // namespace

UpstreamHealth::UpstreamHealth(asio::io_context& io, Upstream& upstream, HealthConfig config)
    : upstream_(upstream), config_(std::move(config)), timer_(io) {
  std::array<std::uint8_t, query_octets_max> buffer;
  const std::size_t size = build_query(config_.domain, dns::RRType::ns, dns::RRClass::in,
                                       {.recursion_desired = config_.recursion_desired}, buffer);
  query_.assign(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(size));
}

void UpstreamHealth::note_reply(base::TimePoint at, base::Duration elapsed) {
  last_reply_ = at;
  overdue_ = 0;
  window_.note_reply(at, elapsed);
  if (smoothed_ == base::Duration(0)) {
    smoothed_ = elapsed;
    variation_ = elapsed / 2;
    return;
  }
  variation_ += (std::chrono::abs(smoothed_ - elapsed) - variation_) / 4;
  smoothed_ += (elapsed - smoothed_) / 8;
}

bool UpstreamHealth::note_overdue(base::TimePoint sent) {
  if (last_reply_ >= sent) return false;  // alive, only slow with this question
  if (config_.max_fails != 0) {
    ++overdue_;
    probe();
  }
  return true;
}

base::Duration UpstreamHealth::overdue_after() const {
  if (smoothed_ == base::Duration(0)) return overdue_after_unknown;
  return std::clamp<base::Duration>(smoothed_ + 4 * variation_, overdue_after_min, overdue_after_max);
}

void UpstreamHealth::stop() {
  is_stopped_ = true;
  ++round_;
  timer_.cancel();
}

void UpstreamHealth::probe() {
  if (is_probing_ || is_stopped_ || config_.max_fails == 0) return;
  is_probing_ = true;
  send_probe();
}

void UpstreamHealth::send_probe() {
  const std::uint32_t round = ++round_;
  upstream_.send(query_, config_.transport, [weak = weak_from_this(), round](const UpstreamResult& result) {
    const auto self = weak.lock();
    if (!self || self->round_ != round) return;
    // Any reply will do: REFUSED comes from a server that is up.
    result ? self->on_probe_reply(result->elapsed) : self->on_probe_failure();
  });
  timer_.expires_after(probe_timeout);
  timer_.async_wait([weak = weak_from_this(), round](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (error || !self || self->round_ != round) return;
    self->on_probe_failure();
  });
}

void UpstreamHealth::on_probe_reply(base::Duration elapsed) {
  ++round_;
  window_.note_reply(std::chrono::steady_clock::now(), elapsed);
  timer_.cancel();
  fails_ = 0;
  overdue_ = 0;
  is_probing_ = false;
  upstream_.counters().down.set(0);
}

void UpstreamHealth::on_probe_failure() {
  const std::uint32_t round = ++round_;
  if (fails_ <= config_.max_fails) ++fails_;
  upstream_.counters().healthcheck_failures.add();
  upstream_.counters().down.set(is_down() ? 1 : 0);
  timer_.expires_after(std::max<base::Duration>(config_.interval, interval_min));
  timer_.async_wait([weak = weak_from_this(), round](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (error || !self || self->round_ != round) return;
    self->send_probe();
  });
}

}  // namespace fairlead::resolver
