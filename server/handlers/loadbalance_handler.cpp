#include "server/handlers/loadbalance_handler.hpp"

#include <algorithm>

#include "server/query/address_order.hpp"
#include "server/query/worker_plan.hpp"
#include "zones/base/published.hpp"

namespace fairlead::server {

LoadbalanceHandler::LoadbalanceHandler(const LoadbalanceOptions& options, std::shared_ptr<const WeightSource> weights)
    : weights_(std::move(weights)) {
  for (const std::string& text : options.prefer) {
    if (const auto network = base::IpNetwork::parse(text)) preferred_.push_back(*network);
  }
}

void LoadbalanceHandler::edit_reply(QueryContext& context) {
  if (context.writer.rcode() != dns::Rcode::noerror) return;
  const base::ReadSection section;
  const std::uint32_t rotation = context.plan->next_rotation();
  order_addresses(context.writer, [&](dns::NameView owner, Addresses& addresses) {
    if (weights_ != nullptr) {
      put_one_first(owner, addresses);
    } else {
      std::ranges::rotate(addresses, addresses.begin() + static_cast<std::ptrdiff_t>(rotation % addresses.size()));
    }
    if (!preferred_.empty()) {
      std::ranges::stable_sort(addresses, {}, [&](const base::IpAddress& address) {
        return std::ranges::find_if(preferred_, [&](const auto& network) { return network.contains(address); });
      });
    }
  });
  context.rotate = false;
}

void LoadbalanceHandler::put_one_first(dns::NameView owner, Addresses& addresses) {
  const WeightTable& table = weights_->weights();
  const auto known = table.find(dns::DomainName(owner));
  const auto weight = [&](const base::IpAddress& address) -> std::uint32_t {
    if (known == table.end()) return 1;
    const auto found = known->second.find(address);
    return found == known->second.end() ? 1 : found->second;
  };
  std::uint32_t sum = 0;
  for (const auto& address : addresses) sum += weight(address);
  auto drawn = std::uniform_int_distribution<std::uint32_t>(0, sum - 1)(random_);
  auto first = addresses.begin();
  for (; drawn >= weight(*first); ++first) drawn -= weight(*first);
  std::iter_swap(addresses.begin(), first);
}

}  // namespace fairlead::server
