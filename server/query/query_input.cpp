#include "server/query/query_input.hpp"

#include <algorithm>

#include "server/query/metadata.hpp"

namespace fairlead::server {
namespace {

// What the client takes, as CoreDNS says it.
std::int64_t bufsize(const QueryContext& context) {
  if (context.origin.transport() == Transport::tcp) return dns::message_octets_max;
  const std::size_t offered = context.query.edns ? context.query.edns->udp_octets : 0;
  return static_cast<std::int64_t>(std::max<std::size_t>(offered, dns::udp_octets_classic));
}

}  // namespace

bool QueryInput::flag(QueryField) const { return context_.query.edns && context_.query.edns->dnssec_ok; }

std::int64_t QueryInput::number(QueryField field) const {
  switch (field) {
    case QueryField::bufsize: return bufsize(context_);
    case QueryField::id: return context_.query.header.id;
    case QueryField::size: return static_cast<std::int64_t>(context_.packet.size());
    default: return 0;  // opcode: others than QUERY do not come here
  }
}

std::string QueryInput::text(QueryField field) const {
  switch (field) {
    case QueryField::class_: return to_string(context_.query.qclass);
    case QueryField::client_ip: return context_.origin.client_address().to_string();
    case QueryField::name: return context_.qname.view().to_string();
    case QueryField::port: return std::to_string(context_.origin.client_port());
    case QueryField::proto: return context_.origin.transport() == Transport::udp ? "udp" : "tcp";
    case QueryField::server_ip: {
      const auto address = context_.origin.local_address();
      return address ? address->to_string() : std::string();
    }
    case QueryField::server_port: return std::to_string(port_);
    default: return to_string(context_.query.qtype);
  }
}

std::string QueryInput::metadata(std::string_view label) const {
  return metadata_value(context_, label).value_or(std::string());
}

}  // namespace fairlead::server
