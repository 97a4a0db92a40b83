// A zone of a cluster as a transfer sends it: one version of the published names, record by record.
//
// What is sent is what CoreDNS sends: SOA, NS, the nameservers' addresses, then Service by Service its addresses, a
// CNAME or, for ClusterIPs, SRV records at the Service's name; SRV records of named ports; addresses of endpoints of
// headless Services. A reverse zone is sent with its PTR records. Each record comes once. In an external zone headless
// Services and their endpoints have SRV records at their own names as well; those of a Service that is an alias are at
// the names of its ports alone, since nothing stands beside a CNAME (RFC 1034 §3.6.2).
//
// The names come from the table in no order and are sorted in runs, slice by slice, and merged while they are sent: no
// slice takes long, and names of one Service stand together, which makes the messages small.
//
// Threads: one thread at a time; next() inside a base::ReadSection. The publisher's thread wakes it.
// Limits: 16 octets a name of the version; see zones/table_version.hpp for what the version itself may keep.
// Errors: Step::lost when the cluster has stopped, or has changed too much while the client was slow.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "k8s/cluster.hpp"
#include "k8s/cluster_apex.hpp"
#include "zones/zone_transfer.hpp"

namespace fairlead::k8s {

struct ClusterZoneOptions {
  dns::DomainName zone;  // in lower case
  ClusterPart part = ClusterPart::forward;
  ApexLabels apex = {};
  std::uint32_t ttl = 5;
  std::uint32_t soa_ttl = 5;
  /// Of the nameserver in `apex`, while no Service is one.
  std::vector<base::IpAddress> nameserver_addresses;
};

class ClusterZone final : public zones::ZoneReader {
 public:
  /// `wake` is called once, on any thread, when next() has said Step::waiting and may be asked again.
  ClusterZone(std::shared_ptr<Cluster> cluster, ClusterZoneOptions options, std::function<void()> wake);
  ~ClusterZone() override;

  Step next(zones::ZoneRecord& record) override;

 private:
  struct Mailbox;
  /// A name that is sent. `rank` orders it among the others as far as 48 bits can, see rank_of().
  struct Item {
    const zones::NameEntry* entry;
    std::uint64_t rank;
  };
  /// Sorted items: from `at` to `end` in items_.
  struct Run {
    std::size_t at, end;
  };
  /// One record of the name at hand; its RDATA stands in rdata_.
  struct Pending {
    dns::RRType type;
    std::uint32_t offset;
    std::uint32_t octets;
  };

  bool receive();
  Step sort_some();
  bool is_sent(const zones::NameEntry& entry) const;
  std::uint64_t rank_of(const zones::NameEntry& entry) const;
  static bool is_before(const Item& a, const Item& b);
  void begin_apex();
  bool begin_name(std::span<const std::uint8_t> labels);
  void expand(const zones::NameEntry& entry);
  void expand_forward(const zones::NameEntry& entry);
  void add_srvs(zones::SrvRecords& srvs, std::uint16_t weight);
  void add_alias_srvs(const zones::SrvRecords& srvs, std::span<const std::uint8_t> target);
  void add(dns::RRType type, std::span<const std::uint8_t> rdata);
  void add_name(dns::RRType type, std::string_view labels);
  /// Ends the RDATA of the last record with a zone's name.
  void end_with(dns::NameView zone);
  const zones::NameEntry* take_first();

  const std::shared_ptr<Cluster> cluster_;
  const ClusterZoneOptions options_;
  const std::size_t service_labels_;  // of a Service's name
  const std::shared_ptr<Mailbox> mailbox_;
  bool asked_ = false;
  bool received_ = false;
  bool sorted_ = false;
  bool at_end_ = false;

  ClusterVersion version_;
  std::size_t apex_step_ = 0;
  struct Nameserver {
    std::size_t index;     // in version_.apex
    bool is_sent = false;  // with its Service
  };
  std::map<std::string, Nameserver, std::less<>> nameservers_;  // by key
  std::vector<Item> items_;
  std::vector<Run> runs_;  // a heap, once all are sorted

  dns::NameBuffer owner_;
  std::uint32_t ttl_ = 0;
  std::vector<std::uint8_t> rdata_;
  std::vector<Pending> pending_;
  std::size_t pending_at_ = 0;
};

}  // namespace fairlead::k8s
