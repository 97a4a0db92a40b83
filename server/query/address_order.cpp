#include "server/query/address_order.hpp"

#include <algorithm>

#include "server/query/reply_copy.hpp"
#include "zones/dns/message_reader.hpp"

namespace fairlead::server {
namespace {

struct Run {
  dns::NameBuffer owner;
  dns::RRType type{};
  std::vector<std::size_t> offsets;  // of RDATA
};

bool is_address(const dns::RecordView& record) {
  return (record.type == dns::RRType::a && record.rdata.size() == 4) ||
         (record.type == dns::RRType::aaaa && record.rdata.size() == 16);
}

base::IpAddress address_at(const std::uint8_t* octets, dns::RRType type) {
  if (type == dns::RRType::a) return base::IpAddress::v4(std::span<const std::uint8_t, 4>(octets, 4));
  return base::IpAddress::v6(std::span<const std::uint8_t, 16>(octets, 16));
}

void order_run(Run& run, std::uint8_t* message, const OrderAddresses& order) {
  if (run.offsets.size() > 1) {
    std::vector<base::IpAddress> addresses;
    for (const std::size_t offset : run.offsets) addresses.push_back(address_at(message + offset, run.type));
    order(run.owner.view(), addresses);
    for (std::size_t i = 0; i < run.offsets.size(); ++i) {
      std::ranges::copy(addresses[i].octets(), message + run.offsets[i]);
    }
  }
  run.offsets.clear();
}

}  // namespace

void order_addresses(dns::MessageWriter& writer, const OrderAddresses& order) {
  if (writer.count(dns::Section::answer) < 2) return;
  // Counts stand in the header of a finished message only.
  const std::vector<std::uint8_t> message = message_so_far(writer);
  auto reader = dns::RecordReader::open(message);
  if (!reader) return;
  Run run;
  while (true) {
    const auto record = reader->next();
    if (!record || !*record || (*record)->section != dns::Section::answer) break;
    dns::NameBuffer owner;
    const bool counts = is_address(**record) && dns::read_name(message, (*record)->owner_offset, owner);
    const bool goes_on =
        counts && !run.offsets.empty() && run.type == (*record)->type && run.owner.view() == owner.view();
    if (!goes_on) order_run(run, writer.data(), order);
    if (!counts) continue;
    run.owner = owner;
    run.type = (*record)->type;
    run.offsets.push_back((*record)->rdata_offset);
  }
  order_run(run, writer.data(), order);
}

}  // namespace fairlead::server
