#include "zones/dns/reverse_name.hpp"

#include <array>
#include <string>

namespace fairlead::dns {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view in_addr_arpa = "\7in-addr\4arpa\0"sv;
constexpr std::string_view ip6_arpa = "\3ip6\4arpa\0"sv;

NameView view_of(std::string_view wire) {
  return NameView({reinterpret_cast<const std::uint8_t*>(wire.data()), wire.size()});
}

// As it is written: no leading zeros.
std::optional<std::uint8_t> read_decimal(std::string_view digits) {
  if (digits.empty() || digits.size() > 3 || (digits.size() > 1 && digits[0] == '0')) return std::nullopt;
  unsigned value = 0;
  for (const char digit : digits) {
    if (digit < '0' || digit > '9') return std::nullopt;
    value = 10 * value + static_cast<unsigned>(digit - '0');
  }
  if (value > 255) return std::nullopt;
  return static_cast<std::uint8_t>(value);
}

std::optional<std::uint8_t> read_nibble(std::string_view label) {
  if (label.size() != 1) return std::nullopt;
  const std::uint8_t digit = to_lower(static_cast<std::uint8_t>(label[0]));
  if (digit >= '0' && digit <= '9') return static_cast<std::uint8_t>(digit - '0');
  if (digit >= 'a' && digit <= 'f') return static_cast<std::uint8_t>(digit - 'a' + 10);
  return std::nullopt;
}

}  // namespace

std::optional<base::IpAddress> address_of_reverse_name(NameView name) {
  const bool is_v4 = name.is_at_or_below(view_of(in_addr_arpa));
  if (!is_v4 && !name.is_at_or_below(view_of(ip6_arpa))) return std::nullopt;
  if (name.label_count() != (is_v4 ? 6u : 34u)) return std::nullopt;
  std::array<std::uint8_t, 16> octets{};
  for (std::size_t i = is_v4 ? 4 : 32; i > 0; --i, name = name.parent()) {
    const auto value = is_v4 ? read_decimal(name.first_label()) : read_nibble(name.first_label());
    if (!value) return std::nullopt;
    if (is_v4) {
      octets[i - 1] = *value;
    } else {
      octets[(i - 1) / 2] = static_cast<std::uint8_t>(octets[(i - 1) / 2] | (i % 2 == 0 ? *value : *value << 4));
    }
  }
  if (is_v4) return base::IpAddress::v4(std::span(octets).first<4>());
  return base::IpAddress::v6(octets);
}

DomainName reverse_name(const base::IpAddress& address) {
  constexpr std::string_view hex = "0123456789abcdef";
  std::string text;
  const auto octets = address.octets();
  for (std::size_t i = octets.size(); i > 0; --i) {
    if (address.is_v4()) {
      text += std::to_string(octets[i - 1]) + '.';
    } else {
      text += {hex[octets[i - 1] % 16], '.', hex[octets[i - 1] / 16], '.'};
    }
  }
  return *DomainName::parse(text + (address.is_v4() ? "in-addr.arpa." : "ip6.arpa."));
}

}  // namespace fairlead::dns
