#include "resolver/host_lookup.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <span>

#include "resolver/forwarder.hpp"
#include "zones/dns/message_reader.hpp"
#include "zones/dns/rcode.hpp"

namespace fairlead::resolver {
namespace {

/// RFC 2181 §8.
constexpr std::uint32_t ttl_max = 0x7fffffff;

// Of the answer section, whatever aliases lead to them.
void take_addresses(std::span<const std::uint8_t> message, std::vector<base::IpAddress>& addresses,
                    std::uint32_t& ttl) {
  auto reader = dns::RecordReader::open(message);
  while (reader) {
    const auto record = reader->next();
    if (!record || !*record || (*record)->section != dns::Section::answer) return;
    ttl = std::min(ttl, (*record)->ttl);
    const auto& rdata = (*record)->rdata;
    std::optional<base::IpAddress> address;
    if ((*record)->type == dns::RRType::a && rdata.size() == 4) address = base::IpAddress::v4(rdata.first<4>());
    if ((*record)->type == dns::RRType::aaaa && rdata.size() == 16) address = base::IpAddress::v6(rdata.first<16>());
    if (address && addresses.size() < host_addresses_max && std::ranges::find(addresses, *address) == addresses.end()) {
      addresses.push_back(*address);
    }
  }
}

}  // namespace

std::expected<HostAddresses, std::string> look_up_host(const dns::DomainName& name,
                                                       std::vector<UpstreamAddress> servers,
                                                       const std::stop_token& stop) {
  const std::string quoted = "'" + name.to_string() + "'";
  if (servers.empty()) return std::unexpected("no server to ask for the address of " + quoted);
  asio::io_context io;
  ForwarderConfig config;
  config.upstreams = std::move(servers);
  config.policy = Policy::sequential;
  Forwarder forwarder(io, std::move(config));
  struct Lookup {
    dns::RRType type;
    bool is_done = false;
    std::vector<base::IpAddress> addresses;
    std::uint32_t ttl = ttl_max;
    std::string trouble;
  };
  std::array<Lookup, 2> lookups{{{.type = dns::RRType::a, .addresses = {}, .trouble = {}},
                                 {.type = dns::RRType::aaaa, .addresses = {}, .trouble = {}}}};
  for (Lookup& lookup : lookups) {
    const auto ticket =
        forwarder.ask({.qname = name.view(), .qtype = lookup.type}, [&lookup](const ForwardResult& result) {
          lookup.is_done = true;
          if (!result) {
            lookup.trouble = to_string(result.error().fault);
          } else {
            take_addresses(result->reply.message(), lookup.addresses, lookup.ttl);
            if (result->reply.rcode() != dns::Rcode::noerror) lookup.trouble = to_string(result->reply.rcode());
          }
        });
    if (ticket) continue;
    lookup.is_done = true;
    lookup.trouble = to_string(ticket.error().fault);
  }
  const auto give_up = std::chrono::steady_clock::now() + host_lookup_max;
  const auto is_done = [&] { return lookups[0].is_done && lookups[1].is_done; };
  while (!is_done() && !stop.stop_requested() && std::chrono::steady_clock::now() < give_up) {
    io.restart();
    io.run_one_for(std::chrono::milliseconds(50));
  }
  HostAddresses found{.addresses = {}, .ttl = std::chrono::seconds(ttl_max), .is_whole = is_done()};
  for (const Lookup& lookup : lookups) {
    found.is_whole &= lookup.trouble.empty();
    if (lookup.addresses.empty()) continue;
    found.ttl = std::min(found.ttl, std::chrono::seconds(lookup.ttl));
    found.addresses.insert(found.addresses.end(), lookup.addresses.begin(), lookup.addresses.end());
  }
  if (!found.addresses.empty()) return found;
  const std::string& why = lookups[0].trouble.empty() ? lookups[1].trouble : lookups[0].trouble;
  return std::unexpected("the host name " + quoted + " has no address: " +
                         (!is_done()     ? std::string("no answer")
                          : !why.empty() ? why
                                         : std::string("neither A nor AAAA records")));
}

}  // namespace fairlead::resolver
