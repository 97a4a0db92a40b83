// Resource record types and classes, and their IANA names.
//
// Threads: values.
// Errors: an unknown type has the RFC 3597 name TYPEnnn, so every value prints and parses.
// Standards: RFC 1035 §3.2, RFC 3597 §5, IANA "DNS Parameters".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fairlead::dns {

enum class RRType : std::uint16_t {
  a = 1,
  ns = 2,
  cname = 5,
  soa = 6,
  ptr = 12,
  hinfo = 13,
  mx = 15,
  txt = 16,
  aaaa = 28,
  srv = 33,
  naptr = 35,
  dname = 39,
  opt = 41,
  ds = 43,
  rrsig = 46,
  nsec = 47,
  dnskey = 48,
  nsec3 = 50,
  svcb = 64,
  https = 65,
  ixfr = 251,
  axfr = 252,
  any = 255,
  caa = 257,
};

enum class RRClass : std::uint16_t { in = 1, ch = 3, hs = 4, none = 254, any = 255 };

/// "IN", or "CLASS5" for a class without a name.
std::string to_string(RRClass rrclass);

/// "AAAA", or "TYPE65280" for a type without a name here.
std::string to_string(RRType type);
/// The inverse, ignoring case; nothing for a text that is neither a name nor TYPEnnn.
std::optional<RRType> parse_rr_type(std::string_view text);

}  // namespace fairlead::dns
