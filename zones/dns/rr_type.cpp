#include "zones/dns/rr_type.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "zones/dns/domain_name.hpp"

namespace fairlead::dns {
namespace {

constexpr std::array<std::pair<RRType, std::string_view>, 24> names{{
    {RRType::a, "A"},           {RRType::ns, "NS"},       {RRType::cname, "CNAME"}, {RRType::soa, "SOA"},
    {RRType::ptr, "PTR"},       {RRType::hinfo, "HINFO"}, {RRType::mx, "MX"},       {RRType::txt, "TXT"},
    {RRType::aaaa, "AAAA"},     {RRType::srv, "SRV"},     {RRType::naptr, "NAPTR"}, {RRType::dname, "DNAME"},
    {RRType::opt, "OPT"},       {RRType::ds, "DS"},       {RRType::rrsig, "RRSIG"}, {RRType::nsec, "NSEC"},
    {RRType::dnskey, "DNSKEY"}, {RRType::nsec3, "NSEC3"}, {RRType::svcb, "SVCB"},   {RRType::https, "HTTPS"},
    {RRType::ixfr, "IXFR"},     {RRType::axfr, "AXFR"},   {RRType::any, "ANY"},     {RRType::caa, "CAA"},
}};

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) {
    return to_lower(static_cast<std::uint8_t>(x)) == to_lower(static_cast<std::uint8_t>(y));
  });
}

}  // namespace

std::string to_string(RRType type) {
  for (const auto& [known, name] : names) {
    if (known == type) return std::string(name);
  }
  return "TYPE" + std::to_string(static_cast<unsigned>(type));
}

std::string to_string(RRClass rrclass) {
  switch (rrclass) {
    case RRClass::in: return "IN";
    case RRClass::ch: return "CH";
    case RRClass::hs: return "HS";
    case RRClass::none: return "NONE";
    case RRClass::any: return "ANY";
  }
  return "CLASS" + std::to_string(static_cast<unsigned>(rrclass));
}

std::optional<RRType> parse_rr_type(std::string_view text) {
  for (const auto& [type, name] : names) {
    if (equal_ignoring_case(text, name)) return type;
  }
  if (text.size() > 4 && equal_ignoring_case(text.substr(0, 4), "TYPE")) {
    std::uint16_t value = 0;
    const auto [end, error] = std::from_chars(text.data() + 4, text.data() + text.size(), value);
    if (error == std::errc() && end == text.data() + text.size()) return static_cast<RRType>(value);
  }
  return std::nullopt;
}

}  // namespace fairlead::dns
