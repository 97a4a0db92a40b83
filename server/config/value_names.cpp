#include "server/config/value_names.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <utility>

namespace fairlead::server {
namespace {

// IANA's DNS RCODEs; 16 has two names.
constexpr auto rcodes = std::to_array<std::pair<std::string_view, std::uint16_t>>(
    {{"NOERROR", 0}, {"FORMERR", 1},   {"SERVFAIL", 2},  {"NXDOMAIN", 3}, {"NOTIMP", 4},   {"NOTIMPL", 4},
     {"REFUSED", 5}, {"YXDOMAIN", 6},  {"YXRRSET", 7},   {"NXRRSET", 8},  {"NOTAUTH", 9},  {"NOTZONE", 10},
     {"BADSIG", 16}, {"BADVERS", 16},  {"BADKEY", 17},   {"BADTIME", 18}, {"BADMODE", 19}, {"BADNAME", 20},
     {"BADALG", 21}, {"BADTRUNC", 22}, {"BADCOOKIE", 23}});
constexpr unsigned rcode_max = 23;

constexpr auto classes = std::to_array<std::pair<std::string_view, dns::RRClass>>({{"IN", dns::RRClass::in},
                                                                                   {"CH", dns::RRClass::ch},
                                                                                   {"HS", dns::RRClass::hs},
                                                                                   {"NONE", dns::RRClass::none},
                                                                                   {"ANY", dns::RRClass::any}});

std::string upper(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return result;
}

template <typename Table>
auto find(const Table& table, std::string_view text) {
  return std::ranges::find(table, upper(text), [](const auto& row) { return row.first; });
}

}  // namespace

std::optional<dns::Rcode> parse_rcode(std::string_view text) {
  unsigned number = 0;
  const char* const end = text.data() + text.size();
  if (const auto parsed = std::from_chars(text.data(), end, number); parsed.ec == std::errc() && parsed.ptr == end) {
    return number <= rcode_max ? std::optional(static_cast<dns::Rcode>(number)) : std::nullopt;
  }
  const auto row = find(rcodes, text);
  return row == rcodes.end() ? std::nullopt : std::optional(static_cast<dns::Rcode>(row->second));
}

std::optional<dns::RRClass> parse_rr_class(std::string_view text) {
  const auto row = find(classes, text);
  return row == classes.end() ? std::nullopt : std::optional(row->second);
}

}  // namespace fairlead::server
