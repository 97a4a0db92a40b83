#include "k8s/cluster_apex.hpp"

#include "zones/dns/message_writer.hpp"

namespace fairlead::k8s {

ApexLabels external_apex_labels(std::string_view apex) {
  const std::string below = static_cast<char>(apex.size()) + std::string(apex);
  return {.nameserver = "\3ns1" + below, .contact = std::string(contact_prefix) + below};
}

std::vector<std::uint8_t> soa_rdata(dns::NameView zone, const ApexLabels& labels, std::uint32_t serial,
                                    std::uint32_t ttl) {
  std::vector<std::uint8_t> rdata;
  for (const std::string_view name : {labels.nameserver, labels.contact}) {
    if (name.size() + zone.size() <= dns::name_octets_max) rdata.insert(rdata.end(), name.begin(), name.end());
    rdata.insert(rdata.end(), zone.wire().begin(), zone.wire().end());
  }
  rdata.resize(rdata.size() + 20);
  write_soa_numbers(rdata.data() + rdata.size() - 20, serial, ttl);
  return rdata;
}

void write_soa_numbers(std::uint8_t* at, std::uint32_t serial, std::uint32_t ttl) {
  for (const std::uint32_t number : {serial, soa_refresh, soa_retry, soa_expire, ttl}) {
    dns::write_u32(at, number);
    at += 4;
  }
}

}  // namespace fairlead::k8s
