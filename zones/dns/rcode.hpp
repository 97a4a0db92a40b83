// Response codes and Extended DNS Error codes.
//
// Threads: values.
// Standards: RFC 1035 §4.1.1, RFC 6895 §2.3, RFC 8914.
#pragma once

#include <cstdint>
#include <string>

namespace fairlead::dns {

/// Twelve bits with EDNS; the upper eight travel in OPT.
enum class Rcode : std::uint16_t {
  noerror = 0,
  formerr = 1,
  servfail = 2,
  nxdomain = 3,
  notimp = 4,
  refused = 5,
  yxdomain = 6,
  yxrrset = 7,
  nxrrset = 8,
  notauth = 9,
  notzone = 10,
  badvers = 16,
};

/// "NXDOMAIN" and so on; "RCODE11" for one without a name.
std::string to_string(Rcode rcode);

enum class Opcode : std::uint8_t { query = 0, iquery = 1, status = 2, notify = 4, update = 5 };

/// RFC 8914 INFO-CODEs.
enum class ExtendedError : std::uint16_t {
  other = 0,
  stale_answer = 3,
  forged_answer = 4,
  cached_error = 13,
  not_ready = 14,
  blocked = 15,
  filtered = 17,
  prohibited = 18,
  stale_nxdomain_answer = 19,
  not_authoritative = 20,
  not_supported = 21,
  no_reachable_authority = 22,
  network_error = 23,
  invalid_data = 24,
};

}  // namespace fairlead::dns
