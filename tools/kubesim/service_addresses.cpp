#include "tools/kubesim/service_addresses.hpp"

#include <algorithm>
#include <charconv>

namespace fairlead::kubesim {
namespace {

std::optional<boost::asio::ip::address> parse_address(const std::string& text) {
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(text, error);
  if (error) return std::nullopt;
  return address;
}

std::array<std::uint8_t, 16> to_octets(const boost::asio::ip::address& address) {
  std::array<std::uint8_t, 16> octets{};
  if (address.is_v4()) {
    std::ranges::copy(address.to_v4().to_bytes(), octets.begin());
  } else {
    std::ranges::copy(address.to_v6().to_bytes(), octets.begin());
  }
  return octets;
}

}  // namespace

std::optional<Family> ServiceAddresses::family_of(const std::string& address) {
  const auto parsed = parse_address(address);
  if (!parsed) return std::nullopt;
  return parsed->is_v4() ? Family::ipv4 : Family::ipv6;
}

std::expected<ServiceAddresses, std::string> ServiceAddresses::parse(const std::vector<std::string>& cidrs) {
  ServiceAddresses addresses;
  for (const std::string& cidr : cidrs) {
    const auto slash = cidr.find('/');
    const auto base = parse_address(cidr.substr(0, slash));
    unsigned prefix = 0;
    const char* end = cidr.data() + cidr.size();
    if (slash == std::string::npos || !base ||
        std::from_chars(cidr.data() + slash + 1, end, prefix) != std::from_chars_result{end, std::errc()}) {
      return std::unexpected("'" + cidr + "' is not a CIDR such as 10.96.0.0/16");
    }
    const unsigned bits = base->is_v4() ? 32 : 128;
    if (prefix < 1 || prefix + 2 > bits) {
      return std::unexpected("'" + cidr + "': the prefix must be 1 to " + std::to_string(bits - 2) + " bits");
    }
    const Family family = base->is_v4() ? Family::ipv4 : Family::ipv6;
    if (addresses.range(family)) return std::unexpected("'" + cidr + "' is the second range of its address family");
    Range made;
    made.base = to_octets(*base);
    made.prefix_bits = prefix;
    for (unsigned bit = prefix; bit < bits; ++bit) made.base[bit / 8] &= static_cast<std::uint8_t>(~(0x80u >> bit % 8));
    made.size = std::uint64_t{1} << std::min(32u, bits - prefix);
    // The first address belongs to the API server's own Service, the next nine to hand-made ones (cluster DNS is
    // .10 by custom); they are given out only when asked for by name.
    made.next = made.size > 64 ? 11 : 1;
    addresses.range(family) = made;
  }
  return addresses;
}

std::string ServiceAddresses::address_at(Family family, const Range& range, std::uint64_t offset) {
  Octets octets = range.base;
  const std::size_t last = family == Family::ipv4 ? 4 : 16;
  for (std::size_t i = 0; i < 4; ++i) octets[last - 1 - i] |= static_cast<std::uint8_t>(offset >> 8 * i);
  if (family == Family::ipv4) {
    return boost::asio::ip::address_v4({octets[0], octets[1], octets[2], octets[3]}).to_string();
  }
  return boost::asio::ip::address_v6(octets).to_string();
}

std::optional<std::string> ServiceAddresses::allocate(Family family) {
  std::optional<Range>& from = range(family);
  if (!from) return std::nullopt;
  // Bounded by what is taken: among taken + 3 different offsets (network, broadcast and one more) one is free.
  const std::uint64_t tries = std::min<std::uint64_t>(from->size, taken_.size() + 3);
  for (std::uint64_t i = 0; i < tries; ++i) {
    const std::uint64_t offset = from->next;
    from->next = offset + 1 == from->size ? 0 : offset + 1;
    if (offset == 0 || offset == from->size - 1) continue;
    std::string address = address_at(family, *from, offset);
    if (is_taken(address)) continue;
    take(address);
    return address;
  }
  return std::nullopt;
}

std::optional<std::string> ServiceAddresses::first_address(Family family) const {
  const std::optional<Range>& from = range(family);
  if (!from) return std::nullopt;
  return address_at(family, *from, 1);
}

bool ServiceAddresses::holds(const std::string& address) const {
  const auto parsed = parse_address(address);
  if (!parsed) return false;
  const std::optional<Range>& from = range(parsed->is_v4() ? Family::ipv4 : Family::ipv6);
  if (!from) return false;
  const Octets octets = to_octets(*parsed);
  for (unsigned bit = 0; bit < from->prefix_bits; ++bit) {
    const std::uint8_t mask = static_cast<std::uint8_t>(0x80u >> bit % 8);
    if ((octets[bit / 8] & mask) != (from->base[bit / 8] & mask)) return false;
  }
  return true;
}

void ServiceAddresses::release(const std::string& address) {
  const auto found = taken_.find(address);
  if (found != taken_.end() && --found->second == 0) taken_.erase(found);
}

}  // namespace fairlead::kubesim
