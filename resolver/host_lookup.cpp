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

// Of the answer section, whatever aliases lead to them.
void take_addresses(std::span<const std::uint8_t> message, std::vector<base::IpAddress>& addresses) {
  auto reader = dns::RecordReader::open(message);
  while (reader) {
    const auto record = reader->next();
    if (!record || !*record || (*record)->section != dns::Section::answer) return;
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

std::expected<std::vector<base::IpAddress>, std::string> look_up_host(const dns::DomainName& name,
                                                                      std::vector<UpstreamAddress> servers) {
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
    std::string trouble;
  };
  std::array<Lookup, 2> lookups{{{dns::RRType::a, false, {}, {}}, {dns::RRType::aaaa, false, {}, {}}}};
  for (Lookup& lookup : lookups) {
    const auto ticket =
        forwarder.ask({.qname = name.view(), .qtype = lookup.type}, [&lookup](const ForwardResult& result) {
          lookup.is_done = true;
          if (!result) {
            lookup.trouble = to_string(result.error().fault);
          } else {
            take_addresses(result->reply.message(), lookup.addresses);
            if (result->reply.rcode() != dns::Rcode::noerror) lookup.trouble = to_string(result->reply.rcode());
          }
        });
    if (!ticket) lookup = {lookup.type, true, {}, std::string(to_string(ticket.error().fault))};
  }
  const auto give_up = std::chrono::steady_clock::now() + host_lookup_max;
  const auto is_done = [&] { return lookups[0].is_done && lookups[1].is_done; };
  while (!is_done() && std::chrono::steady_clock::now() < give_up) {
    io.restart();
    io.run_one_for(std::chrono::milliseconds(50));
  }
  std::vector<base::IpAddress> addresses = std::move(lookups[0].addresses);
  for (const auto& address : lookups[1].addresses) {
    if (std::ranges::find(addresses, address) == addresses.end()) addresses.push_back(address);
  }
  if (!addresses.empty()) return addresses;
  const std::string& why = lookups[0].trouble.empty() ? lookups[1].trouble : lookups[0].trouble;
  return std::unexpected("the host name " + quoted + " has no address: " +
                         (!is_done()     ? std::string("no answer")
                          : !why.empty() ? why
                                         : std::string("neither A nor AAAA records")));
}

}  // namespace fairlead::resolver
