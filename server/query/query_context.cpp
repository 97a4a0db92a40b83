#include "server/query/query_context.hpp"

#include <algorithm>

namespace fairlead::server {

CanonicalName::CanonicalName(dns::NameView name) : size(static_cast<std::uint8_t>(name.size())) {
  name.copy_lower(octets.data());
}

CanonicalName& CanonicalName::operator=(const CanonicalName& other) {
  size = other.size;
  std::copy_n(other.octets.begin(), size, octets.begin());
  return *this;
}

QueryContext::QueryContext(std::span<const std::uint8_t> packet_octets, const dns::Query& parsed,
                           dns::MessageWriter& reply, Origin& from, const std::shared_ptr<WorkerPlan>& serving)
    : packet(packet_octets), query(parsed), writer(reply), origin(from), plan(serving), qname(parsed.qname) {}

}  // namespace fairlead::server
