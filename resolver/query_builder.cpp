#include "resolver/query_builder.hpp"

#include <algorithm>

#include "zones/dns/message_reader.hpp"
#include "zones/dns/message_writer.hpp"

namespace fairlead::resolver {
namespace {

constexpr std::size_t additional_count_offset = 10;
constexpr std::uint32_t opt_dnssec_ok = 0x8000;

}  // namespace

std::size_t build_query(dns::NameView qname, dns::RRType qtype, dns::RRClass qclass, QueryFlags flags,
                        std::span<std::uint8_t, query_octets_max> buffer) {
  using dns::Header;
  std::uint16_t bits = 0;
  if (flags.recursion_desired) bits |= Header::rd;
  if (flags.checking_disabled) bits |= Header::cd;
  if (flags.authentic_data) bits |= Header::ad;
  std::fill_n(buffer.begin(), dns::header_octets, std::uint8_t{0});
  dns::write_u16(&buffer[2], bits);
  dns::write_u16(&buffer[4], 1);
  dns::write_u16(&buffer[additional_count_offset], 1);
  std::uint8_t* at = std::ranges::copy(qname.wire(), buffer.data() + dns::header_octets).out;
  dns::write_u16(at, static_cast<std::uint16_t>(qtype));
  dns::write_u16(at + 2, static_cast<std::uint16_t>(qclass));
  at += 4;
  at[0] = 0;
  dns::write_u16(at + 1, static_cast<std::uint16_t>(dns::RRType::opt));
  dns::write_u16(at + 3, dns::udp_octets_max);
  dns::write_u32(at + 5, flags.dnssec_ok ? opt_dnssec_ok : 0);
  dns::write_u16(at + 9, 0);
  at += dns::opt_octets;
  return static_cast<std::size_t>(at - buffer.data());
}

std::size_t strip_opt(std::span<std::uint8_t> query) {
  dns::write_u16(&query[additional_count_offset], 0);
  return query.size() - dns::opt_octets;
}

}  // namespace fairlead::resolver
