// What the names of a cluster answer: objects, questions, expected replies.

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "unit/server/query/cluster_fixture.hpp"

namespace fairlead::test {
namespace {

using dns::RRType;
using k8s::Protocol;
using server::Transport;

struct Expectation {
  const char* qname;
  RRType qtype;
  Lines reply;
};

const std::string soa =
    "authority: cluster.local. 5 SOA ns.dns.cluster.local. hostmaster.cluster.local. SERIAL 7200 1800 86400 5";

// One of everything.
ClusterFixture& shop() {
  static const auto fixture = [] {
    auto made = std::make_unique<ClusterFixture>();
    ClusterFixture& cluster = *made;
    auto& store = cluster.cluster->store();
    store.upsert(k8s::Namespace{"shop"});
    store.upsert(k8s::Namespace{"empty"});
    store.upsert(
        service("shop", "web", {"10.96.0.1", "fd00::1"}, {{"http", Protocol::tcp, 80}, {"", Protocol::udp, 53}}));
    store.upsert(slice("shop", "web", {endpoint("10.244.0.9")}, {{"http", Protocol::tcp, 8080}}));
    store.upsert(service("shop", "db", {}));
    store.upsert(slice("shop", "db", {endpoint("10.244.0.1", "db-0"), endpoint("10.244.0.2", "db-1")},
                       {{"pg", Protocol::tcp, 5432}}));
    store.upsert(service("shop", "idle", {}));
    store.upsert(slice("shop", "idle", {endpoint("10.244.0.3", "", false)}));
    const auto external = [&](const char* name, const char* target) {
      store.upsert(external_name("shop", name, target));
    };
    external("out", "db.example.org");
    external("gone", "nothing.example.org");
    external("inside", "web.shop.svc.cluster.local");
    external("nowhere", "missing.shop.svc.cluster.local");
    external("round", "trip.shop.svc.cluster.local");
    external("trip", "round.shop.svc.cluster.local");
    cluster.outside->addresses["db.example.org."] = "192.0.2.7";
    cluster.sync();
    return made;
  }();
  return *fixture;
}

void check(std::vector<Expectation> table) {
  for (const auto& [qname, qtype, reply] : table) {
    INFO(qname << " " << to_string(qtype));
    CHECK(shop().ask(qname, qtype) == reply);
  }
}

TEST_CASE("a ClusterIP Service answers with its addresses, in the client's case") {
  check({
      {"web.shop.svc.cluster.local", RRType::a, {"NOERROR aa", "answer: web.shop.svc.cluster.local. 5 A 10.96.0.1"}},
      {"web.shop.svc.cluster.local",
       RRType::aaaa,
       {"NOERROR aa", "answer: web.shop.svc.cluster.local. 5 AAAA fd00::1"}},
      {"WEB.shop.SVC.Cluster.LOCAL", RRType::a, {"NOERROR aa", "answer: WEB.shop.SVC.Cluster.LOCAL. 5 A 10.96.0.1"}},
      {"web.shop.svc.cluster.local", RRType::txt, {"NOERROR aa", soa}},
      {"web.shop.svc.cluster.local", RRType::any, {"NOERROR aa", soa}},
      {"web.other.svc.cluster.local", RRType::a, {"NXDOMAIN aa", soa}},
      {"a.web.shop.svc.cluster.local", RRType::a, {"NXDOMAIN aa", soa}},
  });
}

TEST_CASE("SRV names answer with the Service as target and its addresses as glue") {
  const Lines http{"NOERROR aa",
                   "answer: _http._tcp.web.shop.svc.cluster.local. 5 SRV 0 50 80 web.shop.svc.cluster.local.",
                   "additional: web.shop.svc.cluster.local. 5 A 10.96.0.1",
                   "additional: web.shop.svc.cluster.local. 5 AAAA fd00::1"};
  check({
      {"_http._tcp.web.shop.svc.cluster.local", RRType::srv, http},
      {"_http._tcp.web.shop.svc.cluster.local",
       RRType::a,
       {"NOERROR aa", "answer: _http._tcp.web.shop.svc.cluster.local. 5 A 10.96.0.1"}},
      {"_http._udp.web.shop.svc.cluster.local", RRType::srv, {"NXDOMAIN aa", soa}},
      {"_tcp.web.shop.svc.cluster.local", RRType::srv, {"NOERROR aa", soa}},
      {"tcp.web.shop.svc.cluster.local", RRType::a, {"NOERROR aa", soa}},
      {"_http._tcp.10-244-0-9.web.shop.svc.cluster.local", RRType::srv, {"NXDOMAIN aa", soa}},
  });
  auto bare = shop().ask("http.tcp.web.shop.svc.cluster.local", RRType::srv);
  CHECK(bare.at(1) == "answer: http.tcp.web.shop.svc.cluster.local. 5 SRV 0 50 80 web.shop.svc.cluster.local.");
  // The zone of a target comes from the question, the rest as stored.
  const auto mixed = shop().ask("_HTTP._tcp.web.shop.svc.CLUSTER.local", RRType::srv);
  CHECK(mixed.at(1) == "answer: _HTTP._tcp.web.shop.svc.CLUSTER.local. 5 SRV 0 50 80 web.shop.svc.CLUSTER.local.");
}

TEST_CASE("a headless Service answers with its ready endpoints and their names") {
  check({
      {"db.shop.svc.cluster.local",
       RRType::a,
       {"NOERROR aa", "answer: db.shop.svc.cluster.local. 5 A 10.244.0.1",
        "answer: db.shop.svc.cluster.local. 5 A 10.244.0.2"}},
      {"db-1.db.shop.svc.cluster.local",
       RRType::a,
       {"NOERROR aa", "answer: db-1.db.shop.svc.cluster.local. 5 A 10.244.0.2"}},
      {"db.shop.svc.cluster.local", RRType::aaaa, {"NOERROR aa", soa}},
      {"_pg._tcp.db.shop.svc.cluster.local",
       RRType::srv,
       {"NOERROR aa", "answer: _pg._tcp.db.shop.svc.cluster.local. 5 SRV 0 50 5432 db-0.db.shop.svc.cluster.local.",
        "answer: _pg._tcp.db.shop.svc.cluster.local. 5 SRV 0 50 5432 db-1.db.shop.svc.cluster.local.",
        "additional: db-0.db.shop.svc.cluster.local. 5 A 10.244.0.1",
        "additional: db-1.db.shop.svc.cluster.local. 5 A 10.244.0.2"}},
      {"idle.shop.svc.cluster.local", RRType::a, {"NXDOMAIN aa", soa}},
  });
}

TEST_CASE("an ExternalName answers with its CNAME and what the target has") {
  check({
      {"out.shop.svc.cluster.local",
       RRType::cname,
       {"NOERROR aa", "answer: out.shop.svc.cluster.local. 5 CNAME db.example.org."}},
      {"out.shop.svc.cluster.local",
       RRType::a,
       {"NOERROR aa", "answer: out.shop.svc.cluster.local. 5 CNAME db.example.org.",
        "answer: db.example.org. 60 A 192.0.2.7"}},
      {"gone.shop.svc.cluster.local",
       RRType::a,
       {"NOERROR aa", "answer: gone.shop.svc.cluster.local. 5 CNAME nothing.example.org."}},
      {"inside.shop.svc.cluster.local",
       RRType::a,
       {"NOERROR aa", "answer: inside.shop.svc.cluster.local. 5 CNAME web.shop.svc.cluster.local.",
        "answer: web.shop.svc.cluster.local. 5 A 10.96.0.1"}},
      {"nowhere.shop.svc.cluster.local", RRType::a, {"NOERROR aa", soa}},
      {"round.shop.svc.cluster.local", RRType::a, {"NOERROR aa", soa}},
      {"out.shop.svc.cluster.local", RRType::srv, {"NOERROR aa", soa}},
      {"x.out.shop.svc.cluster.local", RRType::a, {"NXDOMAIN aa", soa}},
  });
}

TEST_CASE("a loop of aliases that fills the reply before its end is NODATA, not a truncated reply") {
  ClusterFixture cluster;
  const std::string space(63, 'n');
  const auto alias = [&](const std::string& name, const std::string& target) {
    k8s::Service service;
    service.key = {space, name};
    service.type = k8s::Service::Type::external_name;
    service.external_name = target + "." + space + ".svc.cluster.local";
    cluster.cluster->store().upsert(service);
  };
  const std::string here(63, 'h'), there(63, 't');
  cluster.cluster->store().upsert(k8s::Namespace{space});
  alias(here, there);
  alias(there, here);
  cluster.sync();
  CHECK(cluster.ask(here + "." + space + ".svc.cluster.local", RRType::a) == Lines{"NOERROR aa", soa});
}

TEST_CASE("a chain of eleven aliases is followed, one of twelve is NODATA, as in CoreDNS") {
  ClusterFixture cluster;
  auto& store = cluster.cluster->store();
  store.upsert(k8s::Namespace{"shop"});
  constexpr int links = 12;
  for (int i = 0; i < links; ++i) {
    store.upsert(
        external_name("shop", "c" + std::to_string(i), "c" + std::to_string(i + 1) + ".shop.svc.cluster.local"));
  }
  store.upsert(service("shop", "c" + std::to_string(links), {"10.96.0.1"}, {{"http", Protocol::tcp, 80}}));
  cluster.sync();
  CHECK(cluster.ask("c1.shop.svc.cluster.local", RRType::a, Transport::tcp).size() == 1 + 11 + 1);
  CHECK(cluster.ask("c0.shop.svc.cluster.local", RRType::a, Transport::tcp) == Lines{"NOERROR aa", soa});
}

TEST_CASE("names between the zone and the Services exist as far as the cluster does (RFC 8020)") {
  check({
      {"svc.cluster.local", RRType::a, {"NOERROR aa", soa}},
      {"pod.cluster.local", RRType::a, {"NOERROR aa", soa}},
      {"dns.cluster.local", RRType::a, {"NOERROR aa", soa}},
      {"shop.svc.cluster.local", RRType::a, {"NOERROR aa", soa}},
      {"empty.svc.cluster.local", RRType::txt, {"NOERROR aa", soa}},
      {"other.svc.cluster.local", RRType::a, {"NXDOMAIN aa", soa}},
      {"shop.pod.cluster.local", RRType::a, {"NOERROR aa", soa}},
      {"other.cluster.local", RRType::a, {"NXDOMAIN aa", soa}},
      {"cluster.local", RRType::a, {"NOERROR aa", soa}},
      {"cluster.local",
       RRType::ns,
       {"NOERROR aa", "answer: cluster.local. 5 NS ns.dns.cluster.local.",
        "additional: ns.dns.cluster.local. 5 A 10.96.0.10"}},
      {"ns.dns.cluster.local", RRType::a, {"NOERROR aa", "answer: ns.dns.cluster.local. 5 A 10.96.0.10"}},
      {"dns-version.cluster.local",
       RRType::txt,
       {"NOERROR aa", "answer: dns-version.cluster.local. 28800 TXT \"1.1.0\""}},
      {"dns-version.cluster.local", RRType::a, {"NOERROR aa", soa}},
      {"cluster.local", RRType::axfr, {"REFUSED"}},
  });
}

TEST_CASE("pod names spell out their address, in Namespaces that exist") {
  check({
      {"10-244-0-7.shop.pod.cluster.local",
       RRType::a,
       {"NOERROR aa", "answer: 10-244-0-7.shop.pod.cluster.local. 5 A 10.244.0.7"}},
      {"fd00--7.shop.pod.cluster.local",
       RRType::aaaa,
       {"NOERROR aa", "answer: fd00--7.shop.pod.cluster.local. 5 AAAA fd00::7"}},
      {"10-244-0-7.shop.pod.cluster.local", RRType::aaaa, {"NOERROR aa", soa}},
      // An IPv4-mapped address is of IPv4, as in CoreDNS.
      {"--ffff-af4-7.shop.pod.cluster.local",
       RRType::a,
       {"NOERROR aa", "answer: --ffff-af4-7.shop.pod.cluster.local. 5 A 10.244.0.7"}},
      {"--ffff-af4-7.shop.pod.cluster.local", RRType::aaaa, {"NOERROR aa", soa}},
      {"10-244-0-7.other.pod.cluster.local", RRType::a, {"NXDOMAIN aa", soa}},
      {"web.shop.pod.cluster.local", RRType::a, {"NXDOMAIN aa", soa}},
      {"10-244-0-300.shop.pod.cluster.local", RRType::a, {"NXDOMAIN aa", soa}},
      {"x.10-244-0-7.shop.pod.cluster.local", RRType::a, {"NXDOMAIN aa", soa}},
  });
}

TEST_CASE("with `pods verified` a pod name exists while a Pod of that Namespace has the address") {
  auto options = ClusterFixture::default_options();
  options.pods = server::KubernetesOptions::Pods::verified;
  ClusterFixture fixture(options);
  auto& store = fixture.cluster->store();
  const auto pod = [&](const char* ns, const char* name, const char* address) {
    store.upsert(k8s::Pod{.key = {ns, name}, .address = base::IpAddress::parse(address)});
  };
  store.upsert(k8s::Namespace{"shop"});
  store.upsert(k8s::Namespace{"other"});
  pod("shop", "web-0", "10.244.0.7");
  pod("shop", "web-1", "fd00::7");
  pod("other", "web-0", "10.244.0.8");
  pod("hidden", "web-0", "10.244.0.9");
  fixture.sync();
  for (const auto& [qname, qtype, reply] :
       std::vector<Expectation>{{"10-244-0-7.shop.pod.cluster.local",
                                 RRType::a,
                                 {"NOERROR aa", "answer: 10-244-0-7.shop.pod.cluster.local. 5 A 10.244.0.7"}},
                                {"10-244-0-7.SHOP.pod.cluster.local",
                                 RRType::a,
                                 {"NOERROR aa", "answer: 10-244-0-7.SHOP.pod.cluster.local. 5 A 10.244.0.7"}},
                                {"fd00--7.shop.pod.cluster.local",
                                 RRType::aaaa,
                                 {"NOERROR aa", "answer: fd00--7.shop.pod.cluster.local. 5 AAAA fd00::7"}},
                                {"10-244-0-7.shop.pod.cluster.local", RRType::aaaa, {"NOERROR aa", soa}},
                                {"fd00--7.shop.pod.cluster.local", RRType::a, {"NOERROR aa", soa}},
                                {"10-244-0-7.shop.pod.cluster.local", RRType::srv, {"NOERROR aa", soa}},
                                {"10-244-0-7.other.pod.cluster.local", RRType::a, {"NXDOMAIN aa", soa}},
                                {"10-244-0-8.shop.pod.cluster.local", RRType::a, {"NXDOMAIN aa", soa}},
                                {"10-244-0-9.hidden.pod.cluster.local", RRType::a, {"NXDOMAIN aa", soa}},
                                {"web-0.shop.pod.cluster.local", RRType::a, {"NXDOMAIN aa", soa}},
                                {"x.10-244-0-7.shop.pod.cluster.local", RRType::a, {"NXDOMAIN aa", soa}},
                                {"shop.pod.cluster.local", RRType::a, {"NOERROR aa", soa}},
                                {"hidden.pod.cluster.local", RRType::a, {"NXDOMAIN aa", soa}}}) {
    INFO(qname << " " << to_string(qtype));
    CHECK(fixture.ask(qname, qtype) == reply);
  }
  store.remove(k8s::Kind::pod, {"shop", "web-0"});
  pod("other", "web-0", "10.244.0.7");
  fixture.sync();
  CHECK(fixture.ask("10-244-0-7.shop.pod.cluster.local", RRType::a) == Lines{"NXDOMAIN aa", soa});
  CHECK(fixture.ask("10-244-0-8.other.pod.cluster.local", RRType::a) == Lines{"NXDOMAIN aa", soa});
  CHECK(fixture.ask("10-244-0-7.other.pod.cluster.local", RRType::a).size() == 2);
}

TEST_CASE("addresses lead back to their names, and the names above them exist") {
  const std::string reverse_soa =
      "authority: in-addr.arpa. 5 SOA ns.dns.in-addr.arpa. hostmaster.in-addr.arpa. SERIAL 7200 1800 86400 5";
  check({
      {"1.0.96.10.in-addr.arpa",
       RRType::ptr,
       {"NOERROR aa", "answer: 1.0.96.10.in-addr.arpa. 5 PTR web.shop.svc.cluster.local."}},
      {"1.0.244.10.in-addr.arpa",
       RRType::ptr,
       {"NOERROR aa", "answer: 1.0.244.10.in-addr.arpa. 5 PTR db-0.db.shop.svc.cluster.local."}},
      {"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa",
       RRType::ptr,
       {"NOERROR aa",
        "answer: 1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa. 5 PTR "
        "web.shop.svc.cluster.local."}},
      {"1.0.96.10.in-addr.arpa", RRType::a, {"NOERROR aa", reverse_soa}},
      {"96.10.in-addr.arpa", RRType::ptr, {"NOERROR aa", reverse_soa}},
      {"2.0.96.10.in-addr.arpa", RRType::ptr, {"NXDOMAIN aa", reverse_soa}},
  });
}

TEST_CASE("before the cluster is in step, what would be NXDOMAIN is SERVFAIL and the rest answers") {
  ClusterFixture cluster;
  cluster.cluster->store().upsert(k8s::Namespace{"shop"});
  cluster.cluster->store().upsert(service("shop", "web", {"10.96.0.1"}));
  cluster.cluster->publish();
  CHECK(cluster.ask("web.shop.svc.cluster.local", RRType::a).at(0) == "NOERROR aa");
  CHECK(cluster.ask("other.shop.svc.cluster.local", RRType::a) == Lines{"SERVFAIL aa", soa});
  CHECK(cluster.ask("svc.cluster.local", RRType::a) == Lines{"NOERROR aa", soa});
  cluster.sync();
  CHECK(cluster.ask("other.shop.svc.cluster.local", RRType::a) == Lines{"NXDOMAIN aa", soa});
}

TEST_CASE("fallthrough passes NXDOMAIN on, never NODATA, and only in its zones") {
  auto options = ClusterFixture::default_options();
  options.fallthrough = {.enabled = true, .zones = {*dns::DomainName::parse("in-addr.arpa.")}};
  ClusterFixture cluster(options);
  cluster.cluster->store().upsert(k8s::Namespace{"shop"});
  cluster.cluster->store().upsert(service("shop", "web", {"10.96.0.1"}));
  cluster.sync();
  cluster.outside->rcode = dns::Rcode::refused;
  CHECK(cluster.ask("9.9.9.9.in-addr.arpa", RRType::ptr) == Lines{"REFUSED"});
  CHECK(cluster.ask("1.0.96.10.in-addr.arpa", RRType::a).at(0) == "NOERROR aa");
  CHECK(cluster.ask("other.cluster.local", RRType::a).at(0) == "NXDOMAIN aa");
}

TEST_CASE("loadbalance lets every address be the first in turn") {
  ClusterFixture cluster(ClusterFixture::default_options(), true);
  cluster.cluster->store().upsert(k8s::Namespace{"shop"});
  cluster.cluster->store().upsert(service("shop", "db", {}));
  cluster.cluster->store().upsert(
      slice("shop", "db", {endpoint("10.0.0.1"), endpoint("10.0.0.2"), endpoint("10.0.0.3")}));
  cluster.sync();
  std::map<std::string, int> firsts;
  for (int i = 0; i < 30; ++i) ++firsts[cluster.ask("db.shop.svc.cluster.local", RRType::a).at(1)];
  CHECK(firsts.size() == 3);
  for (const auto& [first, count] : firsts) CHECK(count == 10);
}

TEST_CASE("an answer too large for the client's UDP size is cut at a record with TC, and whole over TCP") {
  ClusterFixture cluster;
  cluster.cluster->store().upsert(k8s::Namespace{"shop"});
  cluster.cluster->store().upsert(service("shop", "big", {}));
  std::vector<k8s::Endpoint> endpoints;
  for (int i = 0; i < 1000; ++i) {
    endpoints.push_back(endpoint("10.1." + std::to_string(i / 250) + "." + std::to_string(i % 250)));
  }
  cluster.cluster->store().upsert(slice("shop", "big", endpoints, {{"x", Protocol::tcp, 1}}));
  cluster.sync();
  struct Row {
    std::uint16_t edns_octets;
    Transport transport;
    std::size_t octets_max;
    bool truncated;
  };
  for (const auto& [edns_octets, transport, octets_max, truncated] :
       {Row{0, Transport::udp, 512, true}, Row{600, Transport::udp, 600, true}, Row{4096, Transport::udp, 1232, true},
        Row{100, Transport::udp, 512, true}, Row{0, Transport::tcp, 65535, false}}) {
    INFO(edns_octets << " octets offered");
    const auto packet = query_packet("big.shop.svc.cluster.local", RRType::a, {.edns_octets = edns_octets});
    const auto reply = cluster.reply(packet, transport);
    CHECK(reply.size() <= octets_max);
    CHECK(dns::read_header(reply).has(dns::Header::tc) == truncated);
    const auto lines = message_lines(reply);
    CHECK(lines.back().starts_with("answer: big."));
    if (truncated) {
      CHECK(octets_max - reply.size() < 16);
    } else {
      CHECK(lines.size() == 1001);
    }
  }
  const auto srvs = cluster.ask("_x._tcp.big.shop.svc.cluster.local", RRType::srv, Transport::tcp);
  CHECK(srvs.at(0) == "NOERROR aa");
  CHECK(srvs.size() > 1001);
}

TEST_CASE("zonal names answer for headless Services, pin or prefer, and are not there without the option") {
  auto options = ClusterFixture::default_options();
  options.zonal = true;
  ClusterFixture cluster(options);
  auto& store = cluster.cluster->store();
  store.upsert(k8s::Namespace{"shop"});
  store.upsert(service("shop", "web", {"10.96.0.1"}));
  store.upsert(service("shop", "db", {}));
  store.upsert(service("shop", "idle", {}));
  k8s::Endpoint first = endpoint("10.244.0.1", "db-0"), second = endpoint("10.244.0.2", "db-1");
  first.zone = "Us-West-2a";
  second.zone = "corp.example.com";
  store.upsert(slice("shop", "db", {first, second}, {{"pg", Protocol::tcp, 5432}}));
  cluster.sync();
  const auto a = [](const char* qname, std::initializer_list<const char*> addresses) {
    Lines lines{"NOERROR aa"};
    for (const char* address : addresses) lines.push_back("answer: " + std::string(qname) + ". 5 A " + address);
    return Expectation{qname, RRType::a, lines};
  };
  const auto none = [](const char* qname) { return Expectation{qname, RRType::a, {"NOERROR aa", soa}}; };
  const auto absent = [](const char* qname) { return Expectation{qname, RRType::a, {"NXDOMAIN aa", soa}}; };
  const std::vector<Expectation> table{
      a("us-west-2a.pin._zone.db.shop.svc.cluster.local", {"10.244.0.1"}),
      a("US-WEST-2A.PIN._ZONE.DB.shop.svc.cluster.local", {"10.244.0.1"}),
      a("corp.example.com.pin._zone.db.shop.svc.cluster.local", {"10.244.0.2"}),
      a("corp.example.com.prefer._zone.db.shop.svc.cluster.local", {"10.244.0.2"}),
      a("nowhere.prefer._zone.db.shop.svc.cluster.local", {"10.244.0.1", "10.244.0.2"}),
      a("n.o.w.h.e.r.e.prefer._zone.db.shop.svc.cluster.local", {"10.244.0.1", "10.244.0.2"}),
      none("nowhere.pin._zone.db.shop.svc.cluster.local"),
      none("com.pin._zone.db.shop.svc.cluster.local"),
      none("x.us-west-2a.pin._zone.db.shop.svc.cluster.local"),
      none("us-west-2a.pin._zone.idle.shop.svc.cluster.local"),
      none("us-west-2a.prefer._zone.idle.shop.svc.cluster.local"),
      none("_zone.db.shop.svc.cluster.local"),
      none("pin._zone.db.shop.svc.cluster.local"),
      none("prefer._zone.db.shop.svc.cluster.local"),
      {"us-west-2a.pin._zone.db.shop.svc.cluster.local", RRType::txt, {"NOERROR aa", soa}},
      {"us-west-2a.pin._zone.db.shop.svc.cluster.local", RRType::aaaa, {"NOERROR aa", soa}},
      {"us-west-2a.pin._zone.db.shop.svc.cluster.local",
       RRType::srv,
       {"NOERROR aa",
        "answer: us-west-2a.pin._zone.db.shop.svc.cluster.local. 5 SRV 0 100 5432 db-0.db.shop.svc.cluster.local.",
        "additional: db-0.db.shop.svc.cluster.local. 5 A 10.244.0.1"}},
      absent("us-west-2a.near._zone.db.shop.svc.cluster.local"),
      absent("near._zone.db.shop.svc.cluster.local"),
      absent("us-west-2a.pin.zone.db.shop.svc.cluster.local"),
      absent("us-west-2a.pin._zone.web.shop.svc.cluster.local"),
      absent("us-west-2a.pin._zone.missing.shop.svc.cluster.local"),
      absent("us-west-2a.pin._zone.shop.svc.cluster.local"),
      absent("us-west-2a.pin._zone.db.shop.pod.cluster.local"),
      absent("_zone.web.shop.svc.cluster.local"),
      absent("pin._zone.web.shop.svc.cluster.local"),
  };
  for (const auto& [qname, qtype, reply] : table) {
    INFO(qname << " " << to_string(qtype));
    CHECK(cluster.ask(qname, qtype) == reply);
  }
  for (const char* qname : {"us-west-2a.pin._zone.db.shop.svc.cluster.local", "_zone.db.shop.svc.cluster.local",
                            "pin._zone.db.shop.svc.cluster.local"}) {
    CHECK(shop().ask(qname, RRType::a) == Lines{"NXDOMAIN aa", soa});
  }
}

}  // namespace
}  // namespace fairlead::test
