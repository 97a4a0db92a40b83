#include "tools/fairleadctl/table_records.hpp"

#include <algorithm>
#include <optional>

#include "k8s/cluster_apex.hpp"
#include "zones/dns/message_writer.hpp"

namespace fairlead::ctl {
namespace {

using dns::ResourceRecord;
using dns::RRType;
using Octets = std::vector<std::uint8_t>;

using k8s::soa_ttl_max;

Octets to_octets(std::span<const std::uint8_t> octets) { return {octets.begin(), octets.end()}; }

// `labels` (no root) in front of `zone`.
std::optional<dns::DomainName> join(std::span<const std::uint8_t> labels, dns::NameView zone) {
  Octets wire = to_octets(labels);
  wire.insert(wire.end(), zone.data(), zone.data() + zone.size());
  auto name = dns::DomainName::from_wire(wire);
  if (!name || name->view().size() != wire.size()) return std::nullopt;
  return *std::move(name);
}

// Lists the records of one table.
class Lister {
 public:
  Lister(dns::NameView zone, std::vector<ResourceRecord>& records) : zone_(zone), records_(records) {}

  void list(const zones::NameEntry& entry) {
    const auto owner = join({reinterpret_cast<const std::uint8_t*>(entry.key().data()), entry.key().size()}, zone_);
    if (!owner) return;
    list_addresses(entry, *owner, RRType::a, entry.a_addresses(), 4);
    list_addresses(entry, *owner, RRType::aaaa, entry.aaaa_addresses(), 16);
    list_srvs(entry, *owner);
    if (entry.has_cname()) add(entry, *owner, RRType::cname, to_octets(entry.cname()));
  }

  /// Of a reverse table, whose PTR targets end in the zone.
  void list_reverse(const zones::NameEntry& entry) {
    zones::PtrTargets targets(entry);
    for (auto target = targets.next(); !target.empty(); target = targets.next()) {
      const auto name = join(target, zone_);
      if (!name) continue;
      add(entry, dns::DomainName(k8s::reverse_name(entry.key()).view()), RRType::ptr, to_octets(name->view().wire()));
    }
  }

 private:
  void add(const zones::NameEntry& entry, const dns::DomainName& owner, RRType type, Octets rdata) {
    records_.push_back({.owner = owner, .type = type, .ttl = entry.ttl(), .rdata = std::move(rdata)});
  }

  void list_addresses(const zones::NameEntry& entry, const dns::DomainName& owner, RRType type,
                      std::span<const std::uint8_t> addresses, std::size_t address_octets) {
    for (; !addresses.empty(); addresses = addresses.subspan(address_octets)) {
      add(entry, owner, type, to_octets(addresses.first(address_octets)));
    }
  }

  void list_srvs(const zones::NameEntry& entry, const dns::DomainName& owner) {
    zones::SrvRecords srvs(entry);
    for (std::size_t i = 0; i < srvs.count(); ++i) {
      const auto srv = srvs[i];
      Octets labels = to_octets(srvs.target(srv.target).label());
      labels.insert(labels.end(), srvs.suffix().begin(), srvs.suffix().end());
      const auto name = join(labels, zone_);
      if (!name) continue;
      Octets rdata(6);
      dns::write_u16(rdata.data() + 2, srvs.weight());
      dns::write_u16(rdata.data() + 4, srv.port);
      rdata.insert(rdata.end(), name->view().data(), name->view().data() + name->view().size());
      add(entry, owner, RRType::srv, std::move(rdata));
    }
  }

  dns::NameView zone_;
  std::vector<ResourceRecord>& records_;
};

void list_apex(const k8s::ClusterTable& table, const TableOptions& options, std::vector<ResourceRecord>& records) {
  records.push_back({.owner = options.zone,
                     .type = RRType::soa,
                     .ttl = std::min(options.ttl, soa_ttl_max),
                     .rdata = k8s::soa_rdata(options.zone, {}, table.serial.load(), options.ttl)});
  const auto add_nameserver = [&](std::string_view labels) {
    const auto name = join({reinterpret_cast<const std::uint8_t*>(labels.data()), labels.size()}, options.zone);
    if (!name) return;
    records.push_back(
        {.owner = options.zone, .type = RRType::ns, .ttl = options.ttl, .rdata = to_octets(name->view().wire())});
  };
  const base::ReadSection section;
  const k8s::ApexNameservers* const apex = table.apex_nameservers.read();
  if (apex == nullptr || apex->nameservers.empty()) return add_nameserver(k8s::nameserver_prefix);
  for (const auto& found : apex->nameservers) add_nameserver(found.relative_name);
}

}  // namespace

std::vector<ResourceRecord> list_table(const k8s::ClusterTable& table, const TableOptions& options) {
  const base::ReaderThread thread;
  std::vector<ResourceRecord> records;
  list_apex(table, options, records);
  table.forward.for_each(
      [lister = Lister(options.zone, records)](const zones::NameEntry& entry) mutable { lister.list(entry); });
  if (options.reverse) {
    table.reverse.for_each([lister = Lister(table.ptr_zone, records)](const zones::NameEntry& entry) mutable {
      lister.list_reverse(entry);
    });
  }
  return records;
}

}  // namespace fairlead::ctl
