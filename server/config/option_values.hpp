// The values that options are made of: durations, numbers, addresses, zones.
//
// Threads: pure functions.
// Limits: a network is at most 128 zones (an IPv4 prefix length of 8n + 1).
// Errors: each parser returns a message that says what is wrong and what to write instead.
// Standards: RFC 1035 §3.5 and RFC 3596 §2.5 (reverse zones); durations and addresses as Go writes them, which is how
//   Corefiles do.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/config/directive_options.hpp"
#include "zones/dns/domain_name.hpp"

namespace fairlead::server {

template <typename Value>
using Parsed = std::expected<Value, std::string>;

/// "5s", "1h30m", "0.5s", "0".
Parsed<Duration> parse_duration(std::string_view text);

/// A decimal number from `min` to `max`.
Parsed<std::uint64_t> parse_number(std::string_view text, std::uint64_t min, std::uint64_t max);

/// The canonical text of an IP address, with an optional IPv6 zone ("fe80::1%eth0"); empty when it is none.
std::string canonical_address(std::string_view text);

/// "10.0.0.1", "10.0.0.1:53", "2001:db8::1", "[2001:db8::1]:53"; empty when it is no address.
std::optional<IpEndpoint> parse_endpoint(std::string_view text, std::uint16_t default_port);

/// "HOST:PORT", where the host may be empty or an IPv6 address in brackets.
Parsed<HttpAddress> parse_http_address(std::string_view text);

/// "10.0.0.0/8", checked.
Parsed<std::string> parse_network(std::string_view text);

/// A zone name, or the reverse zones of a network, in lower case. A scheme and a port are allowed and returned.
struct ZoneText {
  std::string_view scheme;  // "" when there is none
  std::vector<dns::DomainName> zones;
  std::optional<std::uint16_t> port;
};
Parsed<ZoneText> parse_zone(std::string_view text);

/// True below in-addr.arpa and ip6.arpa, and for these two.
bool is_reverse_zone(dns::NameView zone);

}  // namespace fairlead::server
