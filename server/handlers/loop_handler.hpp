// `loop`: finds out whether what we forward comes back to us, which would multiply every query until the pod dies.
//
// At start a probe with a name that nobody can guess goes down the chain. Seen more than twice, it has come back.
//
// Threads: handle() on any worker; the LoopProbe is shared by their handlers.
// Security: the name is 128 random bits, so nobody else can make the server believe in a loop.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "server/query/query_context.hpp"

namespace fairlead::server {

/// CoreDNS's threshold: our own probe is the first sight, and one repetition may be an upstream that asks twice.
inline constexpr unsigned loop_probe_sights_max = 2;

/// One server block's probe.
class LoopProbe {
 public:
  explicit LoopProbe(const dns::DomainName& zone);

  /// Called once a loop, on a worker's thread, with the client that the probe came back from. Set before the first
  /// query.
  std::function<void(std::string client)> on_loop;

  const dns::DomainName& qname() const { return qname_; }
  const dns::DomainName& zone() const { return zone_; }
  /// True once it has come back: it need not go round any longer.
  bool see(const Origin& origin);
  /// Forgets what was seen, before another probe is sent. True when there was a loop, and the last round saw none.
  bool begin_round() { return sights_.exchange(0) <= loop_probe_sights_max && is_looping_.exchange(false); }
  bool is_looping() const { return is_looping_.load(std::memory_order_relaxed); }
  /// The probe's time is over; it counts no more.
  void finish() { active_ = false; }
  bool is_active() const { return active_; }

 private:
  const dns::DomainName zone_;
  const dns::DomainName qname_;
  std::atomic<unsigned> sights_{0};
  std::atomic<bool> active_{true};
  std::atomic<bool> is_looping_{false};
};

class LoopHandler final : public Handler {
 public:
  explicit LoopHandler(std::shared_ptr<LoopProbe> probe) : probe_(std::move(probe)) {}

  Step handle(QueryContext& context) override;
  PluginLabel plugin() const override { return label_; }

 private:
  const std::shared_ptr<LoopProbe> probe_;
  const PluginLabel label_ = plugin_label("loop");
};

/// With `degrade`: stands before what forwards, and lets nothing but the probe pass while there is a loop.
class LoopGate final : public Handler {
 public:
  explicit LoopGate(std::shared_ptr<LoopProbe> probe) : probe_(std::move(probe)) {}

  Step handle(QueryContext& context) override;
  PluginLabel plugin() const override { return label_; }

 private:
  const std::shared_ptr<LoopProbe> probe_;
  const PluginLabel label_ = plugin_label("loop");
};

}  // namespace fairlead::server
