#include "server/config/option_values.hpp"

#include <arpa/inet.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <limits>
#include <system_error>

#include "server/config/fault_collector.hpp"

namespace fairlead::server {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t nanoseconds;
};
constexpr auto units = std::to_array<Unit>({{"ns", 1},
                                            {"us", 1'000},
                                            {"\u00b5s", 1'000},
                                            {"\u03bcs", 1'000},
                                            {"ms", 1'000'000},
                                            {"s", 1'000'000'000},
                                            {"m", 60'000'000'000},
                                            {"h", 3'600'000'000'000}});

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::size_t count_digits(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::find_if_not(text, is_digit) - text.begin());
}

// `text` is digits; empty when they are too many.
std::optional<std::int64_t> read_digits(std::string_view text) {
  std::int64_t value = 0;
  if (text.empty()) return value;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

// The first part of "1h30m" in nanoseconds, taken off `text`; empty when it is no number with a unit.
std::optional<std::int64_t> take_duration_part(std::string_view& text) {
  const std::string_view whole = text.substr(0, count_digits(text));
  text.remove_prefix(whole.size());
  std::string_view fraction;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    fraction = text.substr(0, count_digits(text));
    text.remove_prefix(fraction.size());
  }
  if (whole.empty() && fraction.empty()) return std::nullopt;
  // The longest name that fits: "ms" before "m".
  const Unit* unit = nullptr;
  for (const Unit& candidate : units) {
    if (text.starts_with(candidate.name) && (unit == nullptr || candidate.name.size() > unit->name.size())) {
      unit = &candidate;
    }
  }
  if (unit == nullptr) return std::nullopt;
  text.remove_prefix(unit->name.size());
  const auto count = read_digits(whole);
  std::int64_t nanoseconds = 0;
  if (!count || __builtin_mul_overflow(*count, unit->nanoseconds, &nanoseconds)) return std::nullopt;
  std::int64_t step = unit->nanoseconds;
  for (const char digit : fraction) {
    step /= 10;
    if (step == 0) break;
    if (__builtin_add_overflow(nanoseconds, step * (digit - '0'), &nanoseconds)) return std::nullopt;
  }
  return nanoseconds;
}

std::optional<std::uint16_t> read_port(std::string_view text) {
  std::uint16_t port = 0;
  if (text.empty() || count_digits(text) != text.size()) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(port) : std::nullopt;
}

struct HostPort {
  std::string_view host;
  std::string_view port;
};

// "host:port" and "[v6]:port"; empty without a port, and for more colons than that.
std::optional<HostPort> split_host_port(std::string_view text) {
  if (text.starts_with('[')) {
    const std::size_t close = text.find("]:");
    if (close == std::string_view::npos) return std::nullopt;
    return HostPort{text.substr(1, close - 1), text.substr(close + 2)};
  }
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || text.find(':', colon + 1) != std::string_view::npos) return std::nullopt;
  return HostPort{text.substr(0, colon), text.substr(colon + 1)};
}

struct Network {
  std::array<std::uint8_t, 16> octets{};
  unsigned octet_count = 4;
  unsigned prefix_length = 0;
};

std::optional<Network> read_network(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos || slash > INET6_ADDRSTRLEN) return std::nullopt;
  const std::string address(text.substr(0, slash));
  const std::string_view length = text.substr(slash + 1);
  Network network;
  if (::inet_pton(AF_INET, address.c_str(), network.octets.data()) == 1) {
    network.octet_count = 4;
  } else if (::inet_pton(AF_INET6, address.c_str(), network.octets.data()) == 1) {
    network.octet_count = 16;
  } else {
    return std::nullopt;
  }
  if (length.empty() || length.size() > 3 || count_digits(length) != length.size()) return std::nullopt;
  network.prefix_length = static_cast<unsigned>(*read_digits(length));
  if (network.prefix_length > network.octet_count * 8) return std::nullopt;
  for (unsigned bit = network.prefix_length; bit < network.octet_count * 8; ++bit) {
    network.octets[bit / 8] &= static_cast<std::uint8_t>(~(0x80U >> (bit % 8)));
  }
  return network;
}

// The reverse zone of the first `labels` octets (IPv4) or nibbles (IPv6).
dns::DomainName reverse_zone(const Network& network, unsigned labels) {
  static constexpr std::string_view hex = "0123456789abcdef";
  std::string name;
  for (unsigned i = labels; i-- > 0;) {
    if (network.octet_count == 4) {
      name += std::to_string(network.octets[i]);
    } else {
      name += hex[i % 2 == 0 ? network.octets[i / 2] >> 4 : network.octets[i / 2] & 15];
    }
    name += '.';
  }
  name += network.octet_count == 4 ? "in-addr.arpa." : "ip6.arpa.";
  return dns::DomainName::parse(name).value_or(dns::DomainName());
}

// A prefix that ends inside of a label needs one zone for each value that the label can have.
std::vector<dns::DomainName> reverse_zones(Network network) {
  const unsigned label_bits = network.octet_count == 4 ? 8 : 4;
  const unsigned labels = (network.prefix_length + label_bits - 1) / label_bits;
  const unsigned free_bits = labels * label_bits - network.prefix_length;
  std::vector<dns::DomainName> zones;
  const unsigned last_octet = labels == 0 ? 0 : (labels * label_bits - 1) / 8;
  const unsigned shift = label_bits == 4 && labels % 2 == 1 ? 4 : 0;
  const std::uint8_t first = network.octets[last_octet];
  for (unsigned value = 0; value < (1U << free_bits); ++value) {
    network.octets[last_octet] = static_cast<std::uint8_t>(first | (value << shift));
    zones.push_back(reverse_zone(network, labels));
  }
  return zones;
}

std::unexpected<std::string> not_a_zone(std::string_view text, std::string_view why) {
  return std::unexpected(quote(text) + " is not a zone: " + std::string(why) +
                         "; write a name such as 'example.org' or a network such as '10.0.0.0/24'");
}

}  // namespace

Parsed<Duration> parse_duration(std::string_view text) {
  std::string_view rest = text;
  const bool is_negative = rest.starts_with('-');
  if (is_negative || rest.starts_with('+')) rest.remove_prefix(1);
  std::int64_t total = 0;
  bool is_valid = !rest.empty();
  if (rest != "0") {
    while (is_valid && !rest.empty()) {
      const auto part = take_duration_part(rest);
      is_valid = part && !__builtin_add_overflow(total, *part, &total);
    }
  }
  if (is_valid && is_negative && total != 0) {
    return std::unexpected("the duration " + quote(text) + " is negative; write one of 0 or more, such as '5s'");
  }
  if (is_valid) return Duration(total);
  std::string message = quote(text) + " is not a duration; write a number with a unit";
  const bool is_number = !text.empty() && text.size() < 10 && count_digits(text) == text.size();
  return std::unexpected(message + ", such as " + (is_number ? quote(std::string(text) + "s") : "'5s' or '500ms'"));
}

Parsed<std::uint64_t> parse_number(std::string_view text, std::uint64_t min, std::uint64_t max) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && value >= min && value <= max) return value;
  return std::unexpected(quote(text) + " is not a number from " + std::to_string(min) + " to " + std::to_string(max));
}

std::string canonical_address(std::string_view text) {
  const std::size_t percent = text.find('%');
  const std::string_view scope = percent == std::string_view::npos ? std::string_view() : text.substr(percent + 1);
  const std::string address(text.substr(0, percent));
  if (address.size() >= INET6_ADDRSTRLEN) return {};
  std::array<std::uint8_t, 16> octets{};
  std::array<char, INET6_ADDRSTRLEN> canonical{};
  if (percent == std::string_view::npos && ::inet_pton(AF_INET, address.c_str(), octets.data()) == 1) {
    return ::inet_ntop(AF_INET, octets.data(), canonical.data(), canonical.size());
  }
  if (::inet_pton(AF_INET6, address.c_str(), octets.data()) != 1) return {};
  std::string result = ::inet_ntop(AF_INET6, octets.data(), canonical.data(), canonical.size());
  if (percent == std::string_view::npos) return result;
  const auto is_scope = [](char c) { return c > ' ' && c < 0x7f && c != '/' && c != '%' && c != '[' && c != ']'; };
  if (scope.empty() || scope.size() >= IF_NAMESIZE || !std::ranges::all_of(scope, is_scope)) return {};
  return result + '%' + std::string(scope);
}

std::optional<IpEndpoint> parse_endpoint(std::string_view text, std::uint16_t default_port) {
  if (std::string address = canonical_address(text); !address.empty()) return IpEndpoint{address, default_port};
  if (text.size() > 2 && text.starts_with('[') && text.ends_with(']')) {
    const std::string address = canonical_address(text.substr(1, text.size() - 2));
    if (address.empty()) return std::nullopt;
    return IpEndpoint{address, default_port};
  }
  const auto parts = split_host_port(text);
  if (!parts) return std::nullopt;
  const std::string address = canonical_address(parts->host);
  const auto port = read_port(parts->port);
  if (address.empty() || !port) return std::nullopt;
  return IpEndpoint{address, *port};
}

Parsed<HttpAddress> parse_http_address(std::string_view text) {
  const auto parts = split_host_port(text);
  const auto port = parts ? read_port(parts->port) : std::nullopt;
  const auto is_host_character = [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == '_';
  };
  if (port && parts->host.size() <= dns::name_octets_max) {
    if (const std::string address = canonical_address(parts->host); !address.empty())
      return HttpAddress{address, *port};
    if (!text.starts_with('[') && std::ranges::all_of(parts->host, is_host_character)) {
      return HttpAddress{std::string(parts->host), *port};
    }
  }
  const std::string example = read_port(text) ? quote(':' + std::string(text)) : "':8080' or '127.0.0.1:8080'";
  return std::unexpected(quote(text) + " is not an address to listen on; write " + example);
}

Parsed<std::string> parse_network(std::string_view text) {
  const auto network = read_network(text);
  if (!network) {
    return std::unexpected(quote(text) + " is not a network; write one such as '10.0.0.0/8' or '2001:db8::/32'");
  }
  std::array<char, INET6_ADDRSTRLEN> address{};
  ::inet_ntop(network->octet_count == 4 ? AF_INET : AF_INET6, network->octets.data(), address.data(), address.size());
  return std::string(address.data()) + '/' + std::to_string(network->prefix_length);
}

Parsed<ZoneText> parse_zone(std::string_view text) {
  ZoneText parsed;
  std::string_view name = text;
  if (const std::size_t separator = name.find("://"); separator != std::string_view::npos) {
    parsed.scheme = name.substr(0, separator);
    if (parsed.scheme.empty()) return not_a_zone(text, "nothing stands before '://'");
    name.remove_prefix(separator + 3);
  }
  // A number after the last colon is a port, unless the colon belongs to an IPv6 network, whose '/' comes after it.
  if (const std::size_t colon = name.rfind(':');
      colon != std::string_view::npos && name.find('/', colon) == std::string_view::npos) {
    const std::string_view digits = name.substr(colon + 1);
    parsed.port = read_port(digits);
    if (digits.empty()) return not_a_zone(text, "a port is missing after the last ':'");
    if (!parsed.port) return not_a_zone(text, quote(digits) + " is not a port from 0 to 65535");
    name = name.substr(0, colon);
  } else if (name.empty() && !parsed.scheme.empty()) {
    return not_a_zone(text, "nothing stands after '://'");
  } else if (name.empty()) {
    return not_a_zone(text, "it is empty");
  }
  if (name.contains('/')) {
    const auto network = read_network(name);
    if (!network) return not_a_zone(text, quote(name) + " is not a network");
    parsed.zones = reverse_zones(*network);
    return parsed;
  }
  if (name.contains(':')) return not_a_zone(text, "an IPv6 address needs the length of its network");
  const auto zone = dns::DomainName::parse(name);
  if (!zone) return not_a_zone(text, dns::to_string(zone.error()));
  parsed.zones.push_back(zone->to_lower());
  return parsed;
}

bool is_reverse_zone(dns::NameView zone) {
  static const dns::DomainName ipv4 = dns::DomainName::parse("in-addr.arpa.").value_or(dns::DomainName());
  static const dns::DomainName ipv6 = dns::DomainName::parse("ip6.arpa.").value_or(dns::DomainName());
  return zone.is_at_or_below(ipv4) || zone.is_at_or_below(ipv6);
}

}  // namespace fairlead::server
