#include <algorithm>
#include <array>
#include <limits>

#include "server/config/corefile.hpp"
#include "server/config/directive_readers.hpp"
#include "server/config/limits.hpp"
#include "server/config/option_reader.hpp"

namespace fairlead::server {
namespace {

using Transport = ForwardOptions::Transport;

constexpr std::uint64_t uint32_max = std::numeric_limits<std::uint32_t>::max();

struct TransportRow {
  std::string_view scheme;
  Transport transport;
  std::uint16_t port;
};
constexpr auto transports = std::to_array<TransportRow>({
    {"dns://", Transport::dns, 53},
    {"tls://", Transport::tls, 853},
    {"https://", Transport::https, 443},
});

// "9.9.9.9%dns.quad9.net:853": what stands between '%' and the port is the name in the server's certificate.
std::string take_server_name(std::string& host) {
  const std::size_t percent = host.rfind('%');
  if (percent == std::string::npos) return {};
  std::string name = host.substr(percent + 1);
  std::string port;
  if (const std::size_t colon = name.find(':'); colon != std::string::npos) {
    port = name.substr(colon);
    name.resize(colon);
  }
  host = host.substr(0, percent);
  if (host.starts_with('[')) host += ']';
  if (name.ends_with(']')) name.pop_back();
  host += port;
  return name;
}

bool is_host_name(std::string_view text) {
  const auto name = dns::DomainName::parse(text);
  if (!name || name->view().is_root()) return false;
  const auto is_host_character = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' ||
           c == '.';
  };
  // "10.0.0.300" is a mistyped address, not a name.
  return std::ranges::all_of(text, is_host_character) && text.find_first_not_of("0123456789.") != std::string::npos;
}

void read_upstream(const Word& word, OptionReader& reader, ForwardOptions& options) {
  std::string host = word.text;
  TransportRow row = transports.front();
  if (const std::size_t separator = host.find("://"); separator != std::string::npos) {
    const auto known =
        std::ranges::find(transports, std::string_view(host).substr(0, separator + 3), &TransportRow::scheme);
    if (known == transports.end()) {
      reader.fault(word.at, "'forward' cannot speak " + quote(host.substr(0, separator + 3)) +
                                "; write an IP address, 'dns://' or a file such as '/etc/resolv.conf'");
      return;
    }
    row = *known;
    host = host.substr(separator + 3);
    if (row.transport == Transport::https) {
      if (reader.is_not_yet(word.at, "forward", "TO", row.scheme)) return;
    }
  }
  const std::string server_name = row.transport == Transport::dns ? std::string() : take_server_name(host);
  if (auto endpoint = parse_endpoint(host, row.port)) {
    const auto is_same = [&](const ForwardOptions::Upstream& upstream) {
      const auto* address = std::get_if<ForwardOptions::Address>(&upstream);
      return address != nullptr && address->transport == row.transport && address->endpoint == *endpoint;
    };
    if (std::ranges::any_of(options.to, is_same)) {
      reader.warn(word.at, "the upstream " + quote(word.text) + " is written twice; it is used once");
    } else {
      options.to.push_back(ForwardOptions::Address{row.transport, std::move(*endpoint), server_name});
    }
    return;
  }
  if (row.transport == Transport::dns && !host.empty() && (host.contains('/') || reader.is_file(host))) {
    options.to.push_back(ForwardOptions::ResolvConf{host});
    return;
  }
  std::string_view name = host;
  std::uint64_t port = row.port;
  if (const std::size_t colon = name.rfind(':'); colon != std::string_view::npos) {
    port = parse_number(name.substr(colon + 1), 0, 65535).value_or(65536);
    name = name.substr(0, colon);
  }
  if (is_host_name(name) && port <= 65535) {
    options.to.push_back(
        ForwardOptions::Host{row.transport, std::string(name), static_cast<std::uint16_t>(port), server_name});
    return;
  }
  reader.fault(word.at, quote(word.text) +
                            " is no upstream; write '10.0.0.10', '10.0.0.10:5353', '[2001:db8::1]:53' or "
                            "a file such as '/etc/resolv.conf'");
}

void read_health_check(const Statement& option, OptionReader& reader, ForwardOptions& options) {
  options.health_check_interval = reader.duration(option.argument(0)).value_or(options.health_check_interval);
  for (std::size_t i = 1; i < option.argument_count(); ++i) {
    const Word& word = option.argument(i);
    if (word.text == "no_rec") {
      options.health_check_recursion_desired = false;
    } else if (word.text == "domain" && i + 1 < option.argument_count()) {
      if (auto name = reader.name(option.argument(++i))) options.health_check_domain = std::move(*name);
    } else {
      reader.fault(word.at,
                   "unexpected " + quote(word.text) + "; write 'health_check DURATION [no_rec] [domain FQDN]'");
    }
  }
}

struct RcodeRow {
  std::string_view name;
  std::uint16_t rcode;
};
// IANA's DNS RCODEs, without those that only TSIG and TKEY use.
constexpr auto rcodes = std::to_array<RcodeRow>({{"NOERROR", 0},
                                                 {"FORMERR", 1},
                                                 {"SERVFAIL", 2},
                                                 {"NXDOMAIN", 3},
                                                 {"NOTIMP", 4},
                                                 {"REFUSED", 5},
                                                 {"YXDOMAIN", 6},
                                                 {"YXRRSET", 7},
                                                 {"NXRRSET", 8},
                                                 {"NOTAUTH", 9},
                                                 {"NOTZONE", 10}});

std::vector<std::uint16_t> read_rcodes(const Statement& option, OptionReader& reader, bool allows_noerror) {
  std::vector<std::uint16_t> codes;
  for (const Word& word : option.arguments()) {
    std::string name = word.text;
    for (char& c : name) {
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    const auto row = std::ranges::find(rcodes, std::string_view(name), &RcodeRow::name);
    if (row == rcodes.end()) {
      reader.fault(word.at, quote(word.text) + " is not an RCODE; write one such as 'SERVFAIL'");
    } else if (row->rcode == 0 && !allows_noerror) {
      reader.fault(word.at, "'failover NOERROR' would drop good answers; write another RCODE such as 'SERVFAIL'");
    } else {
      codes.push_back(row->rcode);
    }
  }
  return codes;
}

void read_tls(const Statement& option, ForwardOptions& options) {
  ForwardOptions::Tls tls;
  const std::size_t count = option.argument_count();
  if (count >= 2) {
    tls.certificate_file = option.argument(0).text;
    tls.key_file = option.argument(1).text;
  }
  if (count == 1 || count == 3) tls.ca_file = option.argument(count - 1).text;
  options.tls = std::move(tls);
}

// What TLS needs stands with the upstream or in the block, not in both.
void check_tls(const Statement& directive, OptionReader& reader, const ForwardOptions& options) {
  bool speaks_tls = false;
  bool names_server = false;
  const auto look_at = [&](const auto& upstream) {
    if constexpr (requires { upstream.transport; }) {
      speaks_tls = speaks_tls || upstream.transport != Transport::dns;
      names_server = names_server || !upstream.tls_server_name.empty();
    }
  };
  for (const auto& upstream : options.to) std::visit(look_at, upstream);
  const SourcePosition at = directive.name().at;
  if (names_server && !options.tls_server_name.empty()) {
    reader.fault(at, "both 'tls_servername' and an upstream's '%NAME' name the server; write one of them");
  }
  if (!options.tls_server_name.empty() && !is_host_name(options.tls_server_name)) {
    reader.fault(at, quote(options.tls_server_name) + " is not a server's name; write one such as 'dns.example.org'");
  }
  if (!speaks_tls && (options.tls || !options.tls_server_name.empty())) {
    reader.warn(at, "'tls' and 'tls_servername' are without effect: no upstream is 'tls://'");
  }
}

void read_from(const Word& word, OptionReader& reader, ForwardOptions& options) {
  const std::vector<dns::DomainName> zones = reader.zones(std::span(&word, 1));
  if (zones.empty()) return;
  options.from = zones.front();
  if (zones.size() > 1) {
    reader.warn(word.at, quote(word.text) + " is " + std::to_string(zones.size()) +
                             " zones; only the first is forwarded, " + quote(options.from.to_string()));
  }
}

}  // namespace

void read_forward(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  ForwardOptions options;
  options.at = reader.line_of(directive.name().at);
  if (reader.check_arguments(directive, 2, any_count, "forward FROM TO...")) {
    read_from(directive.argument(0), reader, options);
    if (directive.argument_count() - 1 > upstreams_max) {
      reader.fault(directive.name().at, "more than " + std::to_string(upstreams_max) +
                                            " upstreams; write fewer, or several 'forward' directives");
    } else {
      for (const Word& word : directive.arguments().subspan(1)) read_upstream(word, reader, options);
    }
  }
  const auto read_count = [&](const Statement& option) {
    return static_cast<std::uint32_t>(reader.number(option.argument(0), 0, uint32_max).value_or(0));
  };
  reader.read_options(
      directive,
      {{"except", 1, any_count, "except NAMES...",
        [&](const Statement& option) {
          for (auto& zone : reader.zones(option.arguments())) options.except.push_back(std::move(zone));
        }},
       {"force_tcp", 0, 0, "force_tcp", [&](const Statement&) { options.force_tcp = true; }},
       {"prefer_udp", 0, 0, "prefer_udp", [&](const Statement&) { options.prefer_udp = true; }},
       {"expire", 1, 1, "expire DURATION",
        [&](const Statement& option) {
          options.expire = reader.duration(option.argument(0)).value_or(options.expire);
        }},
       {"max_age", 1, 1, "max_age DURATION",
        [&](const Statement& option) {
          options.max_age = reader.duration(option.argument(0)).value_or(options.max_age);
        }},
       {"max_idle_conns", 1, 1, "max_idle_conns NUMBER",
        [&](const Statement& option) { options.max_idle_conns = read_count(option); }},
       {"read_timeout", 1, 1, "read_timeout DURATION",
        [&](const Statement& option) {
          options.read_timeout = reader.duration(option.argument(0), Duration(1)).value_or(options.read_timeout);
        }},
       {"max_fails", 1, 1, "max_fails NUMBER",
        [&](const Statement& option) { options.max_fails = read_count(option); }},
       {"max_connect_attempts", 1, 1, "max_connect_attempts NUMBER",
        [&](const Statement& option) { options.max_connect_attempts = read_count(option); }},
       {"doh_method", 1, 1, "doh_method GET|POST",
        [&](const Statement& option) {
          static constexpr std::array<std::string_view, 2> methods = {"GET", "POST"};
          options.doh_get = reader.choice(option.argument(0), methods) == 0;
        }},
       {"tls", 0, 3, "tls [CERT KEY] [CA]", [&](const Statement& option) { read_tls(option, options); }},
       {"tls_servername", 1, 1, "tls_servername NAME",
        [&](const Statement& option) { options.tls_server_name = option.argument(0).text; }},
       {"policy", 1, 1, "policy random|round_robin|sequential",
        [&](const Statement& option) {
          static constexpr std::array<std::string_view, 3> policies = {"random", "round_robin", "sequential"};
          if (const auto policy = reader.choice(option.argument(0), policies)) {
            using enum ForwardOptions::Policy;
            options.policy = *policy == 0 ? random : *policy == 1 ? round_robin : sequential;
          }
        }},
       {"health_check", 1, 4, "health_check DURATION [no_rec] [domain FQDN]",
        [&](const Statement& option) { read_health_check(option, reader, options); }},
       {"max_concurrent", 1, 1, "max_concurrent NUMBER",
        [&](const Statement& option) { options.max_concurrent = read_count(option); }},
       {"next", 1, any_count, "next RCODE...",
        [&](const Statement& option) { options.next_rcodes = read_rcodes(option, reader, true); }},
       {"next_on_nodata", 0, 0, "next_on_nodata", [&](const Statement&) { options.next_on_nodata = true; }},
       {"failfast_all_unhealthy_upstreams", 0, 0, "failfast_all_unhealthy_upstreams",
        [&](const Statement&) { options.failfast_all_unhealthy_upstreams = true; }},
       {"failover", 1, any_count, "failover RCODE...",
        [&](const Statement& option) { options.failover_rcodes = read_rcodes(option, reader, false); }},
       {"source_address", 1, 1, "source_address IP",
        [&](const Statement& option) {
          options.source_address = canonical_address(option.argument(0).text);
          if (options.source_address.empty()) {
            reader.fault(option.argument(0).at,
                         quote(option.argument(0).text) + " is not an IP address; write one such as '10.0.0.7'");
          }
        }},
       {"resolver", 1, any_count, "resolver IP[:PORT]...", [&](const Statement& option) {
          for (const Word& word : option.arguments()) {
            if (auto endpoint = parse_endpoint(word.text, 53)) {
              options.resolver.push_back(std::move(*endpoint));
            } else {
              reader.fault(word.at, quote(word.text) +
                                        " is not an IP address with an optional port; write one such as '10.0.0.7:53'");
            }
          }
        }}});
  if (options.max_age > Duration::zero() && options.max_age < options.expire) {
    reader.fault(directive.name().at, "'max_age' is shorter than 'expire'; make it at least as long");
  }
  check_tls(directive, reader, options);
  block.options.forward.push_back(std::move(options));
}

}  // namespace fairlead::server
