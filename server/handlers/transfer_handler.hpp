// `transfer`: AXFR, and IXFR answered as AXFR, of the zones that other handlers of the chain have.
//
// The handler says who may transfer what; the zone comes from a TransferableZones of the chain, and goes out through
// the connection as a ReplyStream, message by message.
//
// Threads: one worker's; the gate is shared by all.
// Limits: transfers_max, transfer_time_max.
// Security: only clients of `to`, over TCP, which proves their address.
// Standards: RFC 5936 (AXFR), RFC 1995 (IXFR), RFC 8914 (reasons).
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "server/config/directive_options.hpp"
#include "server/query/query_context.hpp"
#include "server/query/transferable_zones.hpp"

namespace fairlead::server {

/// Counts the transfers of the process.
class TransferGate {
 public:
  /// Gives its place back when it is destroyed.
  class Place {
   public:
    explicit Place(std::shared_ptr<TransferGate> gate) : gate_(std::move(gate)) {}
    Place(Place&&) = default;
    ~Place() {
      if (gate_ != nullptr) gate_->taken_.fetch_sub(1, std::memory_order_relaxed);
    }

   private:
    std::shared_ptr<TransferGate> gate_;
  };
  /// Nothing when transfers_max are taken.
  static std::optional<Place> enter(const std::shared_ptr<TransferGate>& gate);

 private:
  std::atomic<std::size_t> taken_{0};
};

class TransferHandler final : public Handler {
 public:
  TransferHandler(const std::vector<TransferOptions>& options, std::shared_ptr<TransferGate> gate);

  /// A handler of the same chain; asked in the order in which they are added.
  void add(TransferableZones& zones) { sources_.push_back(&zones); }

  Step handle(QueryContext& context) override;
  PluginLabel plugin() const override { return label_; }

 private:
  struct Rule {
    dns::DomainName zone;
    std::shared_ptr<const std::vector<base::IpAddress>> clients;  // null: all
  };

  const Rule* find_rule(dns::NameView qname) const;
  Step begin_transfer(QueryContext& context, TransferableZones& source);

  std::vector<Rule> rules_;  // most labels first
  std::vector<TransferableZones*> sources_;
  const std::shared_ptr<TransferGate> gate_;
  const PluginLabel label_ = plugin_label("transfer");
};

}  // namespace fairlead::server
