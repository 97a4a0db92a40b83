#include "server/control/loop_probe_sender.hpp"

#include <vector>

#include "server/query/answer.hpp"
#include "zones/base/published.hpp"

namespace fairlead::server {
namespace {

class NobodyWaits final : public Origin {
 public:
  Transport transport() const override { return Transport::udp; }
  bool is_ipv4() const override { return true; }
  base::IpAddress client_address() const override { return {}; }
  std::string client_text() const override { return "the server itself"; }
  std::unique_ptr<ReplyTarget> keep() override {
    struct Target final : ReplyTarget {
      void deliver(std::span<const std::uint8_t>) override {}
      std::string client_text() const override { return "the server itself"; }
    };
    return std::make_unique<Target>();
  }
};

}  // namespace

void send_probe(const LoopProbe& probe, const std::shared_ptr<WorkerPlan>& plan, std::size_t router) {
  const auto qname = probe.qname().view();
  std::vector<std::uint8_t> packet(dns::header_octets);
  dns::write_u16(packet.data() + 2, dns::Header::rd);
  dns::write_u16(packet.data() + 4, 1);
  packet.insert(packet.end(), qname.wire().begin(), qname.wire().end());
  packet.resize(packet.size() + 4);
  dns::write_u16(packet.data() + packet.size() - 4, static_cast<std::uint16_t>(dns::RRType::hinfo));
  dns::write_u16(packet.data() + packet.size() - 2, static_cast<std::uint16_t>(dns::RRClass::in));
  NobodyWaits origin;
  std::array<std::uint8_t, dns::udp_octets_max> buffer;
  const base::ReadSection section;
  answer(packet, origin, plan, router, buffer);
}

}  // namespace fairlead::server
