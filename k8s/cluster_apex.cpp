#include "k8s/cluster_apex.hpp"

#include "zones/dns/message_writer.hpp"

namespace fairlead::k8s {

std::vector<std::uint8_t> soa_rdata(dns::NameView zone, std::uint32_t serial, std::uint32_t ttl) {
  std::vector<std::uint8_t> rdata;
  for (const std::string_view labels : {nameserver_prefix, contact_prefix}) {
    if (labels.size() + zone.size() <= dns::name_octets_max) rdata.insert(rdata.end(), labels.begin(), labels.end());
    rdata.insert(rdata.end(), zone.wire().begin(), zone.wire().end());
  }
  for (const std::uint32_t number : {serial, soa_refresh, soa_retry, soa_expire, ttl}) {
    rdata.resize(rdata.size() + 4);
    dns::write_u32(rdata.data() + rdata.size() - 4, number);
  }
  return rdata;
}

}  // namespace fairlead::k8s
