#include "server/handlers/whoami_handler.hpp"

#include <array>
#include <string_view>

#include "server/handlers/cluster_reply.hpp"

namespace fairlead::server {

Step WhoamiHandler::handle(QueryContext& context) {
  using dns::Section;
  dns::MessageWriter& writer = context.writer;
  writer.set_flag(dns::Header::aa);
  const base::IpAddress address = context.origin.client_address();
  writer.append(Section::additional, pointer_octets(dns::question_pointer), type_of(address), 0, address.octets());

  // "_udp" in front of the question's name, as far as it fits.
  const dns::NameView qname = context.query.qname;
  const std::string_view label = context.origin.transport() == Transport::udp ? "\4_udp" : "\4_tcp";
  if (qname.size() + label.size() > dns::name_octets_max) return Step::answered;
  std::array<std::uint8_t, 7> owner{};
  std::ranges::copy(label, owner.begin());
  std::ranges::copy(pointer_octets(dns::question_pointer), owner.begin() + label.size());
  std::array<std::uint8_t, 7> rdata{};  // priority, weight, port and the root
  dns::write_u16(rdata.data() + 4, context.origin.client_port());
  writer.append(Section::additional, owner, dns::RRType::srv, 0, rdata);
  return Step::answered;
}

}  // namespace fairlead::server
