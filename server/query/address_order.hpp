// The addresses of a reply that is written, in another order: `loadbalance weighted` and `prefer`.
//
// They change places by their RDATA, so owners, pointers and sizes stay where they are.
//
// Threads: any.
// Security: a reply that does not parse stays as it is.
#pragma once

#include <functional>
#include <vector>

#include "zones/base/ip_address.hpp"
#include "zones/dns/message_writer.hpp"

namespace fairlead::server {

/// Puts the addresses of one owner and type into the order that they shall have.
using OrderAddresses = std::function<void(dns::NameView owner, std::vector<base::IpAddress>& addresses)>;

/// Calls `order` for each RRset of two or more addresses in the answer section.
void order_addresses(dns::MessageWriter& writer, const OrderAddresses& order);

}  // namespace fairlead::server
