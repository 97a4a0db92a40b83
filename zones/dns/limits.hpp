// Sizes and bounds of DNS messages that the whole house shares, each with its reason.
#pragma once

#include <cstddef>
#include <cstdint>

#include "zones/dns/domain_name.hpp"

namespace fairlead::dns {

inline constexpr std::size_t header_octets = 12;
/// RFC 1035 §4.2.1: what a client without EDNS takes over UDP.
inline constexpr std::size_t udp_octets_classic = 512;
/// What we offer and the most we send over UDP: fits an IPv6 path of 1280 octets unfragmented (DNS flag day 2020).
inline constexpr std::size_t udp_octets_max = 1232;
/// RFC 1035 §4.2.2: two length octets.
inline constexpr std::size_t message_octets_max = 65535;
/// Root owner, type, class, ttl, rdlength.
inline constexpr std::size_t opt_octets = 11;
/// Compression pointers have 14 bits.
inline constexpr std::size_t pointer_offset_max = 0x3fff;
/// A decompressed name follows pointers strictly backwards, so this many jumps are never needed; a bound for loops.
inline constexpr int name_pointers_max = 126;
/// The name of the question always begins behind the header, so answers point there.
inline constexpr std::uint16_t question_pointer = 0xc000 | header_octets;

static_assert(udp_octets_max >= udp_octets_classic);
static_assert(header_octets + name_octets_max + 4 + opt_octets <= udp_octets_classic,
              "a header, any question and an OPT fit the smallest reply");

}  // namespace fairlead::dns
