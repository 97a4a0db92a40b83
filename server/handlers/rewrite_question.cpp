#include "server/handlers/rewrite_question.hpp"

#include <algorithm>
#include <ranges>
#include <string_view>
#include <utility>

#include "server/query/metadata.hpp"
#include "server/query/nested_question.hpp"
#include "server/query/worker_plan.hpp"

namespace fairlead::server {
namespace {

constexpr std::size_t option_header_octets = 4;

struct OptionPlace {
  std::size_t offset = 0;
  std::size_t octets = 0;  // with its header
};

std::optional<OptionPlace> find_option(std::span<const std::uint8_t> options, std::uint16_t code) {
  std::size_t at = 0;
  while (at + option_header_octets <= options.size()) {
    const std::size_t octets = option_header_octets + dns::read_u16(options.data() + at + 2);
    if (at + octets > options.size()) break;
    if (dns::read_u16(options.data() + at) == code) return OptionPlace{.offset = at, .octets = octets};
    at += octets;
  }
  return std::nullopt;
}

void remove_option(std::vector<std::uint8_t>& options, const OptionPlace& place) {
  const auto begin = options.begin() + static_cast<std::ptrdiff_t>(place.offset);
  options.erase(begin, begin + static_cast<std::ptrdiff_t>(place.octets));
}

std::vector<std::uint8_t> data_of(std::span<const std::uint8_t> options, const OptionPlace& place) {
  const auto data = options.subspan(place.offset + option_header_octets, place.octets - option_header_octets);
  return {data.begin(), data.end()};
}

// At the place of the option that it replaces, else at the end.
void put_option(std::vector<std::uint8_t>& options, std::uint16_t code, std::span<const std::uint8_t> data) {
  std::size_t offset = options.size();
  if (const auto place = find_option(options, code)) {
    offset = place->offset;
    remove_option(options, *place);
  }
  std::vector<std::uint8_t> option(option_header_octets);
  dns::write_u16(option.data(), code);
  dns::write_u16(option.data() + 2, static_cast<std::uint16_t>(data.size()));
  option.insert(option.end(), data.begin(), data.end());
  options.insert(options.begin() + static_cast<std::ptrdiff_t>(offset), option.begin(), option.end());
}

std::vector<std::uint8_t> select_options(std::span<const std::uint8_t> options, std::span<const std::uint16_t> codes) {
  std::vector<std::uint8_t> selected;
  for (const std::uint16_t code : codes) {
    const auto place = find_option(options, code);
    if (!place) continue;
    const auto option = options.subspan(place->offset, place->octets);
    selected.insert(selected.end(), option.begin(), option.end());
  }
  return selected;
}

std::vector<std::uint8_t> octets_of(std::string_view text) { return {text.begin(), text.end()}; }

std::vector<std::uint8_t> octets_of(std::uint16_t number) {
  std::vector<std::uint8_t> octets(2);
  dns::write_u16(octets.data(), number);
  return octets;
}

std::vector<std::uint8_t> octets_of(const base::IpAddress& address) {
  return {address.octets().begin(), address.octets().end()};
}

}  // namespace

std::vector<std::uint8_t>& RewriteQuestion::options() {
  if (!std::exchange(has_options_, true) && context_.query.edns) {
    const auto of_client = context_.query.edns->options;
    options_.assign(of_client.begin(), of_client.end());
  }
  return options_;
}

bool RewriteQuestion::apply(const RewriteRule::Edns& rule) {
  using Action = RewriteRule::Edns::Action;
  // What the rule says of a query without OPT holds for one without options.
  std::vector<std::uint8_t>& options = this->options();
  auto place = find_option(options, rule.code);
  if (rule.action == Action::unset) {
    for (; place; place = find_option(options, rule.code)) remove_option(options, *place);
    return true;
  }
  if (place ? rule.action == Action::append : rule.action == Action::replace) return false;
  const auto value = value_of(rule);
  if (!value) return false;
  if (options.size() + option_header_octets + value->size() > rewritten_options_octets_max) return false;
  if (rule.revert) {
    reverts_.push_back({.code = rule.code, .data = std::nullopt});
    if (place) reverts_.back().data = data_of(options, *place);
  }
  put_option(options, rule.code, *value);
  return true;
}

std::optional<std::vector<std::uint8_t>> RewriteQuestion::value_of(const RewriteRule::Edns& rule) {
  using Kind = RewriteRule::Edns::Kind;
  if (rule.kind == Kind::nsid) return std::vector<std::uint8_t>();
  if (rule.kind == Kind::subnet) return client_subnet(rule);
  const std::string_view variable = rule.variable;
  const Origin& origin = context_.origin;
  if (variable.empty()) return rule.data;
  if (variable == "qname") return octets_of(std::string_view(text()));
  if (variable == "qtype") return octets_of(static_cast<std::uint16_t>(qtype_));
  if (variable == "client_ip") return octets_of(origin.client_address());
  if (variable == "client_port") return octets_of(origin.client_port());
  if (variable == "protocol") return octets_of(origin.transport() == Transport::udp ? "udp" : "tcp");
  if (variable == "server_port") return octets_of(context_.plan->routers[context_.router].port);
  if (variable == "server_ip") {
    const auto address = origin.local_address();
    return address ? std::optional(octets_of(*address)) : std::nullopt;
  }
  const auto value = metadata_value(context_, variable);
  return value && !value->empty() ? std::optional(octets_of(std::string_view(*value))) : std::nullopt;
}

std::vector<std::uint8_t> RewriteQuestion::client_subnet(const RewriteRule::Edns& rule) const {
  const base::IpAddress address = context_.origin.client_address();
  const bool is_ipv4 = address.octets().size() == 4;
  const std::uint8_t prefix = is_ipv4 ? rule.ipv4_prefix : rule.ipv6_prefix;
  // FAMILY, SOURCE and SCOPE PREFIX-LENGTH, then as many octets as the prefix has bits in.
  std::vector<std::uint8_t> data{0, static_cast<std::uint8_t>(is_ipv4 ? 1 : 2), prefix, 0};
  const std::size_t octets = (prefix + 7u) / 8;
  data.insert(data.end(), address.octets().begin(), address.octets().begin() + static_cast<std::ptrdiff_t>(octets));
  if (prefix % 8 != 0) data.back() = static_cast<std::uint8_t>(data.back() & 0xff << (8 - prefix % 8));
  return data;
}

std::vector<std::uint8_t> RewriteQuestion::packet(std::span<const std::uint16_t> codes) {
  QuestionChange change{.qname = qname_, .qtype = qtype_, .qclass = qclass_};
  // The name as the client wrote it, where it is still the client's.
  if (!is_renamed()) change.qname = context_.query.qname;
  std::vector<std::uint8_t> sent;
  if (!codes.empty()) {
    sent = select_options(options(), codes);
    change.edns_options = sent;
  }
  return make_packet(context_.query, change);
}

std::vector<std::uint8_t> RewriteQuestion::reply_options(std::span<const std::uint16_t> codes) {
  if (!context_.query.edns || codes.empty()) return {};
  std::vector<std::uint8_t> all = options();
  for (const Revert& revert : std::views::reverse(reverts_)) {
    const auto place = find_option(all, revert.code);
    if (!place) continue;
    if (revert.data) {
      put_option(all, revert.code, *revert.data);
    } else {
      remove_option(all, *place);
    }
  }
  return select_options(all, codes);
}

}  // namespace fairlead::server
