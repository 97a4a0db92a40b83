#include <doctest/doctest.h>

#include "k8s/packed_objects.hpp"
#include "k8s/service_records.hpp"
#include "record_table.hpp"

using namespace fairlead;
using namespace fairlead::k8s;
using namespace fairlead::k8s::test;

namespace {
const std::vector<ServicePort> web_ports{{"http", Protocol::tcp, 80}, {"metrics", Protocol::tcp, 9090}};
}

TEST_CASE("a ClusterIP Service has its address and an SRV record for each port, named or not") {
  const auto table = table_of({}, cluster_ip_service("default/web", {"10.0.0.1"}, web_ports),
                              cluster_ip_service("default/plain", {"10.0.0.2"}, {{"", Protocol::udp, 53}}));
  CHECK(table.dump() == R"(
1.0.0.10.in-addr.arpa PTR web.default
2.0.0.10.in-addr.arpa PTR plain.default
_http._tcp.web.default.svc A 10.0.0.1
_http._tcp.web.default.svc SRV 0 100 80 web.default.svc glue 10.0.0.1
_metrics._tcp.web.default.svc A 10.0.0.1
_metrics._tcp.web.default.svc SRV 0 100 9090 web.default.svc glue 10.0.0.1
_tcp.web.default.svc exists
default.svc exists
plain.default.svc A 10.0.0.2
plain.default.svc SRV 0 100 53 plain.default.svc glue 10.0.0.2
web.default.svc A 10.0.0.1
web.default.svc SRV 0 50 80 web.default.svc glue 10.0.0.1
web.default.svc SRV 0 50 9090 web.default.svc glue 10.0.0.1
)");
}

TEST_CASE("NodePort and LoadBalancer Services answer like ClusterIP") {
  auto service = cluster_ip_service("default/web", {"10.0.0.1"}, web_ports);
  const auto plain = table_of({}, service).dump();
  service.type = Service::Type::node_port;
  CHECK(table_of({}, service).dump() == plain);
  service.type = Service::Type::load_balancer;
  CHECK(table_of({}, service).dump() == plain);
}

TEST_CASE("a dual-stack Service has both families, and its SRV weight counts ports times addresses") {
  const auto table = table_of({}, cluster_ip_service("default/web", {"10.0.0.1", "fd00::1"}, web_ports));
  CHECK(table.dump("web.default.svc") == R"(
web.default.svc A 10.0.0.1
web.default.svc AAAA fd00::1
web.default.svc SRV 0 25 80 web.default.svc glue 10.0.0.1 fd00::1
web.default.svc SRV 0 25 9090 web.default.svc glue 10.0.0.1 fd00::1
)");
  CHECK(table.dump("_http._tcp.web.default.svc") == R"(
_http._tcp.web.default.svc A 10.0.0.1
_http._tcp.web.default.svc AAAA fd00::1
_http._tcp.web.default.svc SRV 0 50 80 web.default.svc glue 10.0.0.1 fd00::1
)");
}

TEST_CASE("one port number under two protocols is one SRV record at the Service, with both in the weight") {
  const auto table = table_of({}, cluster_ip_service("default/dns", {"10.0.0.10"},
                                                     {{"dns", Protocol::udp, 53}, {"dns-tcp", Protocol::tcp, 53}}));
  CHECK(table.dump("dns.default.svc") == R"(
dns.default.svc A 10.0.0.10
dns.default.svc SRV 0 50 53 dns.default.svc glue 10.0.0.10
)");
  CHECK(table.names.contains("_dns._udp.dns.default.svc"));
  CHECK(table.names.contains("_dns-tcp._tcp.dns.default.svc"));
  CHECK(table.names.contains("_udp.dns.default.svc"));
  CHECK_FALSE(table.names.contains("_dns._tcp.dns.default.svc"));
  CHECK_FALSE(table.names.contains("_sctp.dns.default.svc"));
}

TEST_CASE("a Service without ports, or without an address yet, exists and has no SRV records") {
  CHECK(table_of({}, cluster_ip_service("default/web", {"10.0.0.1"})).dump("web.default.svc") ==
        "\nweb.default.svc A 10.0.0.1\n");
  CHECK(table_of({}, cluster_ip_service("default/web", {}, web_ports)).dump("web.default.svc") ==
        "\nweb.default.svc exists\n");
}

TEST_CASE("a headless Service has the addresses, names and ports of its slices") {
  const auto table = table_of({}, headless_service("default/db", {{"ignored", Protocol::tcp, 1}}),
                              slice("default/db-1", "db", {{"sql", Protocol::tcp, 5432}},
                                    {endpoint({"10.1.0.5"}, "db-0"), endpoint({"10.1.0.6"})}));
  CHECK(table.dump() == R"(
10-1-0-6.db.default.svc A 10.1.0.6
10-1-0-6.db.default.svc SRV 0 100 5432 10-1-0-6.db.default.svc glue 10.1.0.6
5.0.1.10.in-addr.arpa PTR db-0.db.default
6.0.1.10.in-addr.arpa PTR 10-1-0-6.db.default
_sql._tcp.db.default.svc A 10.1.0.5
_sql._tcp.db.default.svc A 10.1.0.6
_sql._tcp.db.default.svc SRV 0 50 5432 10-1-0-6.db.default.svc glue 10.1.0.6
_sql._tcp.db.default.svc SRV 0 50 5432 db-0.db.default.svc glue 10.1.0.5
_tcp.db.default.svc exists
db-0.db.default.svc A 10.1.0.5
db-0.db.default.svc SRV 0 100 5432 db-0.db.default.svc glue 10.1.0.5
db.default.svc A 10.1.0.5
db.default.svc A 10.1.0.6
db.default.svc SRV 0 50 5432 10-1-0-6.db.default.svc glue 10.1.0.6
db.default.svc SRV 0 50 5432 db-0.db.default.svc glue 10.1.0.5
default.svc exists
)");
}

TEST_CASE("a headless Service without ready endpoints does not exist, and says why") {
  const auto table = table_of({}, headless_service("default/db"),
                              slice("default/db-1", "db", {{"sql", Protocol::tcp, 5432}}, {not_ready({"10.1.0.5"})}));
  CHECK(table.dump() == R"(
db.default.svc no ready endpoints
default.svc exists
)");
}

TEST_CASE("a headless Service's slices without ports answer addresses and no SRV records") {
  const auto table =
      table_of({}, headless_service("default/db"), slice("default/db-1", "db", {}, {endpoint({"10.1.0.5"}, "db-0")}));
  CHECK(table.dump("db.default.svc") == "\ndb.default.svc A 10.1.0.5\n");
  CHECK(table.dump("db-0.db.default.svc") == "\ndb-0.db.default.svc A 10.1.0.5\n");
}

TEST_CASE("the slices of both families and duplicates of an endpoint are one name; the weight counts duplicates") {
  const std::vector<EndpointPort> sql{{"sql", Protocol::tcp, 5432}};
  const auto table =
      table_of({}, headless_service("default/db"), slice("default/db-4", "db", sql, {endpoint({"10.1.0.5"}, "db-0")}),
               slice("default/db-4b", "db", sql, {endpoint({"10.1.0.5"}, "db-0")}),
               slice("default/db-6", "db", sql, {endpoint({"fd01::5"}, "db-0")}));
  CHECK(table.dump("db-0.db.default.svc") == R"(
db-0.db.default.svc A 10.1.0.5
db-0.db.default.svc AAAA fd01::5
db-0.db.default.svc SRV 0 33 5432 db-0.db.default.svc glue 10.1.0.5 fd01::5
)");
  CHECK(table.dump("db.default.svc") == R"(
db.default.svc A 10.1.0.5
db.default.svc AAAA fd01::5
db.default.svc SRV 0 33 5432 db-0.db.default.svc glue 10.1.0.5 fd01::5
)");
}

TEST_CASE("only slices that carry a port stand behind its name") {
  const auto table = table_of(
      {}, headless_service("default/db"),
      slice("default/db-1", "db", {{"sql", Protocol::tcp, 5432}}, {endpoint({"10.1.0.5"})}),
      slice("default/db-2", "db", {{"sql", Protocol::tcp, 6432}, {"", Protocol::udp, 7}}, {endpoint({"10.1.0.6"})}),
      slice("default/db-3", "db", {{"web", Protocol::tcp, 80}}, {endpoint({"10.1.0.7"})}));
  CHECK(table.dump("_sql._tcp.db.default.svc") == R"(
_sql._tcp.db.default.svc A 10.1.0.5
_sql._tcp.db.default.svc A 10.1.0.6
_sql._tcp.db.default.svc SRV 0 50 5432 10-1-0-5.db.default.svc glue 10.1.0.5
_sql._tcp.db.default.svc SRV 0 50 6432 10-1-0-6.db.default.svc glue 10.1.0.6
)");
  CHECK(table.dump("db.default.svc") == R"(
db.default.svc A 10.1.0.5
db.default.svc A 10.1.0.6
db.default.svc A 10.1.0.7
db.default.svc SRV 0 25 5432 10-1-0-5.db.default.svc glue 10.1.0.5
db.default.svc SRV 0 25 7 10-1-0-6.db.default.svc glue 10.1.0.6
db.default.svc SRV 0 25 6432 10-1-0-6.db.default.svc glue 10.1.0.6
db.default.svc SRV 0 25 80 10-1-0-7.db.default.svc glue 10.1.0.7
)");
  CHECK_FALSE(table.names.contains("_udp.db.default.svc"));
}

TEST_CASE("a slice without ports counts in the weight of the others, as in CoreDNS") {
  const auto table = table_of({}, headless_service("default/db"),
                              slice("default/db-1", "db", {{"sql", Protocol::tcp, 5432}}, {endpoint({"10.1.0.5"})}),
                              slice("default/db-2", "db", {}, {endpoint({"10.1.0.6"})}));
  CHECK(table.dump("db.default.svc") == R"(
db.default.svc A 10.1.0.5
db.default.svc A 10.1.0.6
db.default.svc SRV 0 50 5432 10-1-0-5.db.default.svc glue 10.1.0.5
)");
}

TEST_CASE("the weight is never below one") {
  EndpointSlice many = slice("default/db-1", "db", {{"sql", Protocol::tcp, 5432}}, {});
  for (int i = 0; i < 250; ++i) many.endpoints.push_back(endpoint({("10.1.0." + std::to_string(i)).c_str()}));
  CHECK(table_of({}, headless_service("default/db"), many).names.at("db.default.svc").srv_weight == 1);
}

TEST_CASE("endpoint names exist for ClusterIP Services too, with the ports of the slice") {
  const auto table =
      table_of({}, cluster_ip_service("default/web", {"10.0.0.1"}, web_ports),
               slice("default/web-1", "web", {{"http", Protocol::tcp, 8080}}, {endpoint({"10.1.0.5"}, "a")}));
  CHECK(table.dump("a.web.default.svc") == R"(
a.web.default.svc A 10.1.0.5
a.web.default.svc SRV 0 100 8080 a.web.default.svc glue 10.1.0.5
)");
  CHECK(table.dump("_http._tcp.web.default.svc") == R"(
_http._tcp.web.default.svc A 10.0.0.1
_http._tcp.web.default.svc SRV 0 100 80 web.default.svc glue 10.0.0.1
)");
  CHECK(table.dump("5.0.1.10.in-addr.arpa") == "\n5.0.1.10.in-addr.arpa PTR a.web.default\n");
}

TEST_CASE("an endpoint is named by host name, by Pod name when wanted, or by its address") {
  const RecordOptions pod_names{.endpoint_pod_names = true, .zone = {}};
  CHECK(own_label(endpoint({"10.1.0.5"}, "a", "pod"), {}) == "a");
  CHECK(own_label(endpoint({"10.1.0.5"}, "a", "pod"), pod_names) == "a");
  CHECK(own_label(endpoint({"10.1.0.5"}, "", "pod"), pod_names) == "pod");
  CHECK(own_label(endpoint({"10.1.0.5"}, "", "pod"), {}).empty());
  CHECK(own_label(endpoint({"10.1.0.5"}, "", std::string(63, 'p')), pod_names) == std::string(63, 'p'));
  CHECK(own_label(endpoint({"10.1.0.5"}, "", std::string(64, 'p')), pod_names).empty());
  CHECK(own_label(endpoint({"10.1.0.5"}, "", "pod.with.dots"), pod_names).empty());

  CHECK(std::string_view(DashedAddress(address("10.1.0.5"))) == "10-1-0-5");
  CHECK(std::string_view(DashedAddress(address("fd00::1"))) == "fd00--1");
  CHECK(std::string_view(DashedAddress(address("fd00::"))) == "fd00--0");
  CHECK(std::string_view(DashedAddress(address("::ffff:10.0.0.1"))) == "--ffff-10-0-0-1");
}

TEST_CASE("zonal names are those of the topology zones that have ready endpoints, of headless Services alone") {
  const auto in = [](Endpoint made, std::string topology_zone) {
    made.zone = std::move(topology_zone);
    return made;
  };
  const auto objects = [&](RecordOptions options) {
    return table_of(
        std::move(options), headless_service("default/db"), headless_service("default/idle"),
        cluster_ip_service("default/web", {"10.0.0.1"}),
        slice("default/web-1", "web", {}, {in(endpoint({"10.1.0.1"}), "z1")}),
        slice("default/idle-1", "idle", {}, {in(not_ready({"10.1.0.2"}), "z1")}),
        slice("default/db-1", "db", {{"sql", Protocol::tcp, 5432}},
              {in(endpoint({"10.1.0.5"}, "db-0"), "Z1"), in(endpoint({"10.1.0.6"}, "db-1"), "corp.example.com")}),
        slice("default/db-2", "db", {{"sql", Protocol::tcp, 5432}},
              {in(endpoint({"10.1.0.7"}, "db-2"), "z1"), in(not_ready({"10.1.0.8"}), "z3"),
               in(endpoint({"10.1.0.9"}, "db-3"), "not..asked"), endpoint({"10.1.0.10"}, "db-4")}));
  };
  const auto table = objects({.zonal = true, .zone = {}});
  std::string zonal = "\n";
  for (const auto& [owner, content] : table.names) {
    if (!owner.contains("_zone")) continue;
    for (const auto& line : lines(owner, content)) zonal += line + "\n";
  }
  CHECK(zonal == R"(
_zone.db.default.svc exists
_zone.idle.default.svc exists
corp.example.com.pin._zone.db.default.svc A 10.1.0.6
corp.example.com.pin._zone.db.default.svc SRV 0 100 5432 db-1.db.default.svc glue 10.1.0.6
z1.pin._zone.db.default.svc A 10.1.0.5
z1.pin._zone.db.default.svc A 10.1.0.7
z1.pin._zone.db.default.svc SRV 0 50 5432 db-0.db.default.svc glue 10.1.0.5
z1.pin._zone.db.default.svc SRV 0 50 5432 db-2.db.default.svc glue 10.1.0.7
)");
  for (const auto& [owner, content] : objects({}).names) CHECK_FALSE(owner.contains("_zone"));
}

TEST_CASE("an endpoint's topology zone takes room in the store only when zonal names are served") {
  EndpointSlice zoned = slice("default/db-1", "db", {}, {endpoint({"10.1.0.5"})});
  const auto plain = pack(ready_slice(zoned, {}));
  zoned.endpoints[0].zone = "us-west-2a";
  CHECK(pack(ready_slice(zoned, {})) == plain);
  CHECK(pack(ready_slice(zoned, {.zonal = true, .zone = {}})).size() == plain.size() + 11);
}

TEST_CASE("in a clusterset an endpoint has its cluster behind it, and addresses lead nowhere") {
  const auto of = [](std::string cluster, EndpointSlice made) {
    made.source_cluster = std::move(cluster);
    return made;
  };
  const auto table =
      table_of({.clusterset = true, .zone = {}}, headless_service("default/db"),
               cluster_ip_service("default/web", {"10.42.0.1"}),
               of("c1", slice("default/web-1", "web", {{"http", Protocol::tcp, 80}}, {endpoint({"10.1.0.1"})})),
               of("c1", slice("default/db-1", "db", {{"sql", Protocol::tcp, 5432}},
                              {endpoint({"10.1.0.5"}, "db-0"), endpoint({"10.1.0.6"})})),
               of("C2", slice("default/db-2", "db", {{"sql", Protocol::tcp, 5432}}, {endpoint({"10.2.0.5"}, "db-0")})));
  CHECK(table.dump() == R"(
10-1-0-1.c1.web.default.svc A 10.1.0.1
10-1-0-1.c1.web.default.svc SRV 0 100 80 10-1-0-1.c1.web.default.svc glue 10.1.0.1
10-1-0-6.c1.db.default.svc A 10.1.0.6
10-1-0-6.c1.db.default.svc SRV 0 100 5432 10-1-0-6.c1.db.default.svc glue 10.1.0.6
_sql._tcp.db.default.svc A 10.1.0.5
_sql._tcp.db.default.svc A 10.1.0.6
_sql._tcp.db.default.svc A 10.2.0.5
_sql._tcp.db.default.svc SRV 0 33 5432 10-1-0-6.c1.db.default.svc glue 10.1.0.6
_sql._tcp.db.default.svc SRV 0 33 5432 db-0.c1.db.default.svc glue 10.1.0.5
_sql._tcp.db.default.svc SRV 0 33 5432 db-0.C2.db.default.svc glue 10.2.0.5
_tcp.db.default.svc exists
c1.db.default.svc exists
c1.web.default.svc exists
c2.db.default.svc exists
db-0.c1.db.default.svc A 10.1.0.5
db-0.c1.db.default.svc SRV 0 100 5432 db-0.c1.db.default.svc glue 10.1.0.5
db-0.c2.db.default.svc A 10.2.0.5
db-0.c2.db.default.svc SRV 0 100 5432 db-0.C2.db.default.svc glue 10.2.0.5
db.default.svc A 10.1.0.5
db.default.svc A 10.1.0.6
db.default.svc A 10.2.0.5
db.default.svc SRV 0 33 5432 10-1-0-6.c1.db.default.svc glue 10.1.0.6
db.default.svc SRV 0 33 5432 db-0.c1.db.default.svc glue 10.1.0.5
db.default.svc SRV 0 33 5432 db-0.C2.db.default.svc glue 10.2.0.5
default.svc exists
web.default.svc A 10.42.0.1
)");
}

TEST_CASE("external addresses take room in the store only when an external zone is served") {
  Service outside = cluster_ip_service("default/web", {"10.0.0.1"}, web_ports);
  const auto plain = pack(outside);
  outside.external_ips = addresses({"192.0.2.1"});
  outside.ingress_names = {"lb.example.org"};
  ObjectStore store(cluster_local());
  store.upsert(Namespace{"default"});
  store.upsert(cluster_ip_service("default/web", {"10.0.0.1"}, web_ports));
  const auto before = store.sequence();
  store.upsert(outside);
  CHECK(store.sequence() == before);
  normalize_external(outside);
  CHECK(outside.ingress_names.empty());
  const Service read = unpack_service(pack(outside), outside.key);
  CHECK(read.external_ips == outside.external_ips);
  CHECK(read.cluster_ips == outside.cluster_ips);
  drop_external(outside);
  CHECK(pack(outside) == plain);
}

TEST_CASE("names go out as stored, and are found in lower case") {
  const auto table =
      table_of({}, headless_service("default/db"),
               slice("default/db-1", "db", {{"SQL", Protocol::tcp, 5432}}, {endpoint({"10.1.0.5"}, "Db-0")}));
  CHECK(table.dump("db-0.db.default.svc") == R"(
db-0.db.default.svc A 10.1.0.5
db-0.db.default.svc SRV 0 100 5432 Db-0.db.default.svc glue 10.1.0.5
)");
  CHECK(table.names.contains("_sql._tcp.db.default.svc"));
  CHECK(table.dump("5.0.1.10.in-addr.arpa") == "\n5.0.1.10.in-addr.arpa PTR Db-0.db.default\n");
}

TEST_CASE("ExternalName is an alias and nothing else") {
  const auto with_slice = slice("default/ext-1", "ext", {{"a", Protocol::tcp, 1}}, {endpoint({"10.1.0.5"})});
  auto service = external_service("default/ext", "www.example.com");
  service.ports = web_ports;
  const std::string alias = "\next.default.svc CNAME www.example.com.\n";
  const auto table = table_of({}, service, with_slice);
  CHECK(table.dump("ext.default.svc") == alias);
  CHECK_FALSE(table.names.contains("10-1-0-5.ext.default.svc"));
  CHECK_FALSE(table.names.contains("_http._tcp.ext.default.svc"));
  CHECK_FALSE(table.names.contains("_tcp.ext.default.svc"));
  CHECK(table_of({}, external_service("default/ext", "www.example.com.")).dump("ext.default.svc") == alias);
  CHECK(table_of({.no_endpoints = true, .ignore_empty_services = true, .zone = {}}, service).dump("ext.default.svc") ==
        alias);
}

TEST_CASE("an ExternalName that is an IP address or no domain name does not exist; the latter is counted") {
  for (const auto* target : {"192.0.2.1", "fd00::1", "", ".", "a..b", "toolong.toolong."}) {
    CAPTURE(target);
    ObjectStore store(cluster_local());
    store.upsert(Namespace{"default"});
    store.upsert(external_service("default/ext", target == std::string("toolong.toolong.")
                                                     ? std::string(64, 'a') + ".example"
                                                     : std::string(target)));
    RecordTable table;
    store.drain(table);
    CHECK(table.dump() == "\ndefault.svc exists\n");
    CHECK(store.skipped_objects() == (base::IpAddress::parse(target) ? 0 : 1));
  }
}

TEST_CASE("without endpoints a ClusterIP Service answers, unless empty Services are ignored") {
  const auto service = cluster_ip_service("default/web", {"10.0.0.1"}, web_ports);
  const auto empty = slice("default/web-1", "web", {{"http", Protocol::tcp, 80}}, {not_ready({"10.1.0.5"})});
  const auto full = slice("default/web-1", "web", {{"http", Protocol::tcp, 80}}, {endpoint({"10.1.0.5"})});
  const RecordOptions ignoring{.ignore_empty_services = true, .zone = {}};
  CHECK(table_of({}, service, empty).names.contains("_http._tcp.web.default.svc"));
  CHECK(table_of(ignoring, service, empty).dump() == R"(
1.0.0.10.in-addr.arpa PTR web.default
default.svc exists
web.default.svc no ready endpoints
)");
  CHECK(table_of(ignoring, service, full).dump() == table_of({}, service, full).dump());
}

TEST_CASE("noendpoints leaves ClusterIP Services alone and drops headless, endpoint and reverse endpoint names") {
  const RecordOptions no_endpoints{.no_endpoints = true, .ignore_empty_services = true, .zone = {}};
  const auto table =
      table_of(no_endpoints, cluster_ip_service("default/web", {"10.0.0.1"}, {{"http", Protocol::tcp, 80}}),
               headless_service("default/db"),
               slice("default/web-1", "web", {{"http", Protocol::tcp, 80}}, {endpoint({"10.1.0.5"})}),
               slice("default/db-1", "db", {{"sql", Protocol::tcp, 5432}}, {endpoint({"10.1.0.6"})}));
  CHECK(table.dump() == R"(
1.0.0.10.in-addr.arpa PTR web.default
_http._tcp.web.default.svc A 10.0.0.1
_http._tcp.web.default.svc SRV 0 100 80 web.default.svc glue 10.0.0.1
_tcp.web.default.svc exists
default.svc exists
web.default.svc A 10.0.0.1
web.default.svc SRV 0 100 80 web.default.svc glue 10.0.0.1
)");
}

TEST_CASE("a Namespace has a name below svc, and below pod when pod names are served") {
  CHECK(table_of({}).dump() == "\ndefault.svc exists\n");
  CHECK(table_of({.pod_names = true, .zone = {}}).dump() == "\ndefault.pod exists\ndefault.svc exists\n");
}

TEST_CASE("Services of a Namespace that is not known have no names, as in CoreDNS") {
  ObjectStore store(cluster_local());
  store.upsert(cluster_ip_service("late/web", {"10.0.0.1"}));
  store.upsert(slice("late/web-1", "web", {}, {endpoint({"10.1.0.5"})}));
  RecordTable table;
  store.drain(table);
  CHECK(table.dump() == "\n");
  store.upsert(Namespace{"late"});
  store.drain(table);
  CHECK(table.dump() == R"(
1.0.0.10.in-addr.arpa PTR web.late
10-1-0-5.web.late.svc A 10.1.0.5
5.0.1.10.in-addr.arpa PTR 10-1-0-5.web.late
late.svc exists
web.late.svc A 10.0.0.1
)");
  store.remove(Kind::kNamespace, {"", "late"});
  store.drain(table);
  CHECK(table.dump() == "\n");
}

TEST_CASE("what a message cannot hold is left out") {
  std::vector<EndpointSlice> parts;
  ObjectStore store(cluster_local());
  store.upsert(Namespace{"default"});
  store.upsert(headless_service("default/big"));
  for (int i = 0; i < 20; ++i) {
    EndpointSlice part = slice("default/big-" + std::to_string(i), "big", {{"a", Protocol::tcp, 1}}, {});
    for (int k = 0; k < 250; ++k) {
      part.endpoints.push_back(endpoint({("10.1." + std::to_string(i) + "." + std::to_string(k)).c_str()}));
    }
    store.upsert(part);
  }
  RecordTable table;
  store.drain(table);
  CHECK(table.names.at("big.default.svc").addresses.size() == addresses_max);
  CHECK(table.names.at("big.default.svc").srvs.size() == addresses_max);
  CHECK(table.names.contains("10-1-19-249.big.default.svc"));
}

TEST_CASE("a name looked up alone is what it is among all others") {
  const std::vector<EndpointPort> ports{{"http", Protocol::tcp, 8080}};
  const auto address = [](std::string_view text) { return *base::IpAddress::parse(text); };
  std::vector<ReadySlice> slices(2);
  slices[0] = {.ports = ports, .addresses = {{address("10.0.0.1"), ""}, {address("10.0.0.2"), "WEB-0"}}};
  // The same label with and without its name's case, in another slice, and one that looks like an address.
  slices[1] = {.ports = ports,
               .addresses = {{address("10.0.0.1"), ""},
                             {address("10.0.0.3"), "web-0"},
                             {address("10.0.0.4"), "10-0-0-1"},
                             {address("fd00::"), ""},
                             {address("fd00::a"), ""}}};
  for (const bool headless : {false, true}) {
    Service service = cluster_ip_service("default/web", {"10.96.0.1"}, {{"http", Protocol::tcp, 80}});
    service.headless = headless;
    const RecordOptions options;
    ServiceNames possible;
    append_possible_names(&service, slices, false, possible);
    std::vector<std::string> names = possible.others;
    for (const auto& addressed : possible.addressed) names.push_back(addressed_name(addressed));
    names.emplace_back(
        "\x08"
        "10-0-0-9");
    names.emplace_back(
        "\x09"
        "10-0-0-01");
    names.emplace_back(
        "\x05"
        "fd00-");
    const ServiceRecords together(service, slices, options);
    zones::NameContent ignored;
    for (int i = 0; i < 8; ++i) together.fill("\x01x", ignored);  // enough lookups to have all sorted
    for (const auto& name : names) {
      zones::NameContent alone, among;
      const bool is_there = ServiceRecords(service, slices, options).fill(name, alone);
      CHECK_MESSAGE(is_there == together.fill(name, among), name);
      const auto one = zones::NameEntry::make(name + service_suffix(service.key), alone, 5);
      const auto other = zones::NameEntry::make(name + service_suffix(service.key), among, 5);
      REQUIRE((one != nullptr && other != nullptr));
      CHECK_MESSAGE(*one == *other, name);
    }
  }
}

TEST_CASE("an endpoint that goes by its address is the same asked for by that or by its name") {
  const std::vector<EndpointPort> http{{"http", Protocol::tcp, 8080}}, sql{{"sql", Protocol::tcp, 5432}};
  const auto plain = [](std::vector<EndpointPort> ports, std::initializer_list<const char*> texts) {
    ReadySlice made{.ports = std::move(ports), .addresses = {}};
    for (const char* text : texts) made.addresses.push_back({address(text), ""});
    return made;
  };
  std::vector<ReadySlice> named{plain(http, {"10.0.0.1", "10.0.0.2"})};
  named[0].addresses.push_back({address("10.0.0.3"), "10-0-0-1"});
  const std::vector<ReadySlice> all_slices[] = {
      {plain(http, {"10.0.0.1", "10.0.0.2", "fd00::1"}), plain(sql, {"10.0.0.2"}), plain({}, {"10.0.0.1"})},
      {plain(http, {"10.0.0.2", "10.0.0.1"})},  // not in order, as the octets of a snapshot may be
      {plain(http, {"10.0.0.1", "10.0.0.1"})},
      named,
      {},
  };
  for (const auto& slices : all_slices) {
    for (const Service& service : {cluster_ip_service("default/web", {"10.96.0.1"}), headless_service("default/web"),
                                   external_service("default/web", "www.example.com")}) {
      for (const bool no_endpoints : {false, true}) {
        const RecordOptions options{.no_endpoints = no_endpoints, .zone = {}};
        const ServiceRecords records(service, slices, options);
        for (const char* text : {"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.9", "fd00::1"}) {
          CAPTURE(text);
          zones::NameContent by_address, by_name;
          const bool is_there = records.fill_addressed(address(text), DashedAddress(address(text)), by_address);
          CHECK(is_there == records.fill(addressed_name(address(text)), by_name));
          CHECK(by_address == by_name);
        }
      }
    }
  }
}
