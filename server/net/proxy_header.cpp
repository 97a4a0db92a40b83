#include "server/net/proxy_header.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <string_view>

#include "zones/base/ip_address.hpp"
#include "zones/dns/message_reader.hpp"

namespace fairlead::server {
namespace {

using Kind = ProxyHeader::Kind;
using Octets = std::span<const std::uint8_t>;

constexpr std::string_view text_signature = "PROXY ";
constexpr std::size_t text_octets_max = 107;
constexpr std::string_view binary_signature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t binary_octets_min = 16;

enum class Carrier : std::uint8_t { stream, datagram };

// Whole, absent, or incomplete where the octets end within the signature.
Kind find_signature(Octets octets, std::string_view signature) {
  const std::size_t common = std::min(octets.size(), signature.size());
  if (std::memcmp(octets.data(), signature.data(), common) != 0) return Kind::absent;
  return common == signature.size() ? Kind::whole : Kind::incomplete;
}

sockaddr_storage make_client(const base::IpAddress& address, std::uint16_t port) {
  sockaddr_storage client{};
  if (address.is_v4()) {
    auto& in = reinterpret_cast<sockaddr_in&>(client);
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    std::memcpy(&in.sin_addr, address.octets().data(), 4);
  } else {
    auto& in6 = reinterpret_cast<sockaddr_in6&>(client);
    in6.sin6_family = AF_INET6;
    in6.sin6_port = htons(port);
    std::ranges::copy(address.octets(), in6.sin6_addr.s6_addr);
  }
  return client;
}

std::optional<std::uint16_t> read_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  const bool is_whole = error == std::errc() && end == text.data() + text.size() && text.size() <= 5;
  return is_whole ? std::optional(port) : std::nullopt;
}

// "PROXY TCP4 192.0.2.1 198.51.100.1 56324 53\r\n"
ProxyHeader read_text(Octets octets) {
  const std::string_view text(reinterpret_cast<const char*>(octets.data()), std::min(octets.size(), text_octets_max));
  const std::size_t end = text.find("\r\n");
  if (end == std::string_view::npos) {
    return {.kind = octets.size() < text_octets_max ? Kind::incomplete : Kind::malformed, .client = {}};
  }
  std::array<std::string_view, 6> words;  // one more than there may be
  std::size_t count = 0;
  for (std::size_t at = text_signature.size(); at <= end && count < words.size(); ++count) {
    const std::size_t blank = std::min(text.find(' ', at), end);
    words[count] = text.substr(at, blank - at);
    at = blank + 1;
  }
  ProxyHeader header{.kind = Kind::whole, .octets = end + 2, .client = {}};
  if (words[0] == "UNKNOWN") return header;  // what follows means nothing
  const auto client = base::IpAddress::parse(words[1]);
  const auto server = base::IpAddress::parse(words[2]);
  const auto port = read_port(words[3]);
  const bool is_v4 = words[0] == "TCP4";
  const bool is_right = (is_v4 || words[0] == "TCP6") && count == 5 && client && server && client->is_v4() == is_v4 &&
                        server->is_v4() == is_v4 && port && read_port(words[4]);
  if (!is_right) return {.kind = Kind::malformed, .client = {}};
  header.client = make_client(*client, *port);
  return header;
}

ProxyHeader read_binary(Octets octets, Carrier carrier) {
  constexpr ProxyHeader malformed{.kind = Kind::malformed, .client = {}};
  if (octets.size() < binary_octets_min) return {.kind = Kind::incomplete, .client = {}};
  const unsigned version = octets[12] >> 4;
  const unsigned command = octets[12] & 0x0f;
  const unsigned family = octets[13] >> 4;
  const unsigned transport = octets[13] & 0x0f;
  const std::size_t size = binary_octets_min + dns::read_u16(&octets[14]);
  if (version != 2 || command > 1 || family > 3 || transport > 2 || size > proxy_header_octets_max) return malformed;
  if (octets.size() < size) return {.kind = Kind::incomplete, .client = {}};
  ProxyHeader header{.kind = Kind::whole, .octets = size, .client = {}};
  // The balancer's own, as its health checks; families without addresses that could be shown.
  if (command == 0 || family == 0 || transport == 0 || family == 3) return header;
  if (transport != (carrier == Carrier::stream ? 1u : 2u)) return malformed;
  const std::size_t address_octets = family == 1 ? 4 : 16;
  if (size < binary_octets_min + 2 * address_octets + 4) return malformed;
  const Octets source = octets.subspan(binary_octets_min, address_octets);
  const auto address = family == 1 ? base::IpAddress::v4(source.first<4>()) : base::IpAddress::v6(source.first<16>());
  header.client = make_client(address, dns::read_u16(&octets[binary_octets_min + 2 * address_octets]));
  return header;
}

}  // namespace

ProxyHeader read_stream_header(Octets octets) {
  const Kind text = find_signature(octets, text_signature);
  if (text == Kind::whole) return read_text(octets);
  const Kind binary = find_signature(octets, binary_signature);
  if (binary == Kind::whole) return read_binary(octets, Carrier::stream);
  const bool may_come = text == Kind::incomplete || binary == Kind::incomplete;
  return {.kind = may_come ? Kind::incomplete : Kind::absent, .client = {}};
}

ProxyHeader read_datagram_header(Octets octets) {
  // Version 1 is for connections; as a query it would be one without sense.
  if (find_signature(octets, text_signature) == Kind::whole) return {.kind = Kind::malformed, .client = {}};
  if (find_signature(octets, binary_signature) != Kind::whole) return {};
  ProxyHeader header = read_binary(octets, Carrier::datagram);
  if (header.kind == Kind::incomplete) header.kind = Kind::malformed;
  return header;
}

}  // namespace fairlead::server
