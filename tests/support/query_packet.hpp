// Query packets for tests.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "zones/dns/message_writer.hpp"

namespace fairlead::test {

struct QueryPacketOptions {
  std::uint16_t id = 0x1234;
  std::uint16_t flags = dns::Header::rd;
  dns::RRClass qclass = dns::RRClass::in;
  std::uint16_t edns_octets = 0;  // 0: no OPT
  bool dnssec_ok = false;
};

inline std::vector<std::uint8_t> query_packet(std::string_view qname, dns::RRType qtype,
                                              QueryPacketOptions options = {}) {
  std::vector<std::uint8_t> packet(dns::header_octets);
  dns::write_u16(packet.data(), options.id);
  dns::write_u16(packet.data() + 2, options.flags);
  dns::write_u16(packet.data() + 4, 1);
  const auto name = *dns::DomainName::parse(qname);
  packet.insert(packet.end(), name.view().wire().begin(), name.view().wire().end());
  const std::size_t at = packet.size();
  packet.resize(at + 4);
  dns::write_u16(packet.data() + at, static_cast<std::uint16_t>(qtype));
  dns::write_u16(packet.data() + at + 2, static_cast<std::uint16_t>(options.qclass));
  if (options.edns_octets > 0) {
    dns::write_u16(packet.data() + 10, 1);
    const std::size_t opt = packet.size();
    packet.resize(opt + dns::opt_octets);
    dns::write_u16(packet.data() + opt + 1, static_cast<std::uint16_t>(dns::RRType::opt));
    dns::write_u16(packet.data() + opt + 3, options.edns_octets);
    packet[opt + 7] = options.dnssec_ok ? 0x80 : 0;
  }
  return packet;
}

}  // namespace fairlead::test
