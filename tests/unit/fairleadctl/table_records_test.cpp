#include "tools/fairleadctl/table_records.hpp"

#include <doctest/doctest.h>

#include "tools/fairleadctl/zone_listing.hpp"

using namespace fairlead;
using namespace fairlead::ctl;

namespace {

std::string labels(std::string_view text) {
  const auto name = *dns::DomainName::parse(text);
  const auto wire = name.view().wire();
  return {reinterpret_cast<const char*>(wire.data()), wire.size() - 1};
}

base::IpAddress ip(std::string_view text) { return *base::IpAddress::parse(text); }

std::string list(const k8s::ClusterTable& table, TableOptions options) {
  auto records = list_table(table, options);
  sort_records(records, options.zone);
  return write_listing(records, options.zone, Format::zone);
}

}  // namespace

TEST_CASE("every record of the table is listed below the zone, PTRs on demand") {
  const base::ReaderThread thread;
  k8s::ClusterTable table;
  table.serial = 1700000000;
  zones::NameContent service;
  service.addresses = {ip("10.96.0.7"), ip("fd00::7")};
  service.srv_suffix = labels("web.default.svc");
  service.srv_weight = 50;
  service.targets = {{.label = "", .addresses = service.addresses}};
  service.srvs = {{.port = 80, .target = 0}, {.port = 443, .target = 0}};
  table.forward.put(zones::NameEntry::make(labels("web.default.svc"), service, 30));
  zones::NameContent headless;
  headless.srv_suffix = labels("db.default.svc");
  headless.srv_weight = 100;
  headless.targets = {{.label = "db-0", .addresses = {ip("10.1.0.1"), ip("fd00::1"), ip("10.1.0.2")}},
                      {.label = "db-1", .addresses = {ip("10.1.0.3")}}};
  headless.srvs = {{.port = 5432, .target = 1}, {.port = 5432, .target = 0}};
  table.forward.put(zones::NameEntry::make(labels("_pg._tcp.db.default.svc"), headless, 30));
  zones::NameContent alias;
  alias.cname = *dns::DomainName::parse("Db.Example.com");
  table.forward.put(zones::NameEntry::make(labels("ext.default.svc"), alias, 30));
  table.forward.put(zones::NameEntry::make(labels("default.svc"), {}, 30));
  zones::NameContent empty;
  empty.presence = zones::Presence::no_ready_endpoints;
  table.forward.put(zones::NameEntry::make(labels("idle.default.svc"), empty, 30));
  zones::NameContent reverse;
  reverse.ptrs = {labels("web.default"), labels("db.default")};
  table.ptr_zone = *dns::DomainName::parse("svc.cluster.local");
  table.reverse.put(zones::NameEntry::make(labels("7.0.96.10") + '\7', reverse, 30));

  const std::string forward =
      "cluster.local.\t30\tIN\tSOA\tns.dns.cluster.local. hostmaster.cluster.local. 1700000000 7200 1800 86400 30\n"
      "cluster.local.\t30\tIN\tNS\tns.dns.cluster.local.\n"
      "_pg._tcp.db.default.svc.cluster.local.\t30\tIN\tSRV\t0 100 5432 db-0.db.default.svc.cluster.local.\n"
      "_pg._tcp.db.default.svc.cluster.local.\t30\tIN\tSRV\t0 100 5432 db-1.db.default.svc.cluster.local.\n"
      "ext.default.svc.cluster.local.\t30\tIN\tCNAME\tDb.Example.com.\n"
      "web.default.svc.cluster.local.\t30\tIN\tA\t10.96.0.7\n"
      "web.default.svc.cluster.local.\t30\tIN\tAAAA\tfd00::7\n"
      "web.default.svc.cluster.local.\t30\tIN\tSRV\t0 50 80 web.default.svc.cluster.local.\n"
      "web.default.svc.cluster.local.\t30\tIN\tSRV\t0 50 443 web.default.svc.cluster.local.\n";
  const TableOptions options{.zone = *dns::DomainName::parse("cluster.local"), .ttl = 30};
  CHECK(list(table, options) == forward);
  CHECK(list(table, {.zone = options.zone, .ttl = 30, .reverse = true}) ==
        forward +
            "7.0.96.10.in-addr.arpa.\t30\tIN\tPTR\tdb.default.svc.cluster.local.\n"
            "7.0.96.10.in-addr.arpa.\t30\tIN\tPTR\tweb.default.svc.cluster.local.\n");
}

TEST_CASE("the apex names the Services that serve it, and its SOA lives at most 300 seconds") {
  const base::ReaderThread thread;
  k8s::ClusterTable table;
  auto apex = std::make_unique<k8s::ApexNameservers>();
  apex->nameservers = {{labels("kube-dns.kube-system.svc"), {ip("10.96.0.10")}}};
  table.apex_nameservers.publish(std::move(apex));
  CHECK(list(table, {.zone = *dns::DomainName::parse("k8s.example"), .ttl = 3600}) ==
        "k8s.example.\t300\tIN\tSOA\tns.dns.k8s.example. hostmaster.k8s.example. 0 7200 1800 86400 3600\n"
        "k8s.example.\t3600\tIN\tNS\tkube-dns.kube-system.svc.k8s.example.\n");
}

TEST_CASE("names that a long zone pushes over 255 octets are left out") {
  const base::ReaderThread thread;
  k8s::ClusterTable table;
  zones::NameContent content;
  content.addresses = {ip("10.0.0.1")};
  table.forward.put(zones::NameEntry::make(labels("web.default.svc"), content, 5));
  std::string zone;
  for (int i = 0; i < 120; ++i) zone += "z.";
  CHECK(list_table(table, {.zone = *dns::DomainName::parse(zone)}).size() == 2);
}
