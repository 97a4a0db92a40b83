#include "tools/fairleadctl/explanation.hpp"

#include <doctest/doctest.h>

using namespace fairlead;
using namespace fairlead::ctl;

namespace {

const dns::DomainName zone = *dns::DomainName::parse("cluster.local");

dns::DomainName name(std::string_view text) { return *dns::DomainName::parse(text); }
base::IpAddress ip(std::string_view text) { return *base::IpAddress::parse(text); }

dns::ResourceRecord address(std::string_view owner) {
  return {.owner = name(owner), .type = dns::RRType::a, .ttl = 5, .rdata = {10, 96, 0, 7}};
}

k8s::EndpointSlice slice(const std::string& of, bool ready) {
  k8s::EndpointSlice slice;
  slice.key = {"shop", of + "-1"};
  slice.service_name = of;
  slice.ports = {{.name = "http", .port = 8080}};
  slice.endpoints.resize(2);
  slice.endpoints[0].addresses = {ip("10.244.0.9")};
  slice.endpoints[0].hostname = of + "-0";
  slice.endpoints[0].ready = ready;
  slice.endpoints[1].addresses = {ip("10.244.0.10")};
  slice.endpoints[1].ready = false;
  return slice;
}

k8s::Service service(const std::string& called, bool headless) {
  k8s::Service service;
  service.key = {"shop", called};
  service.headless = headless;
  if (!headless) service.cluster_ips = {ip("10.96.0.7"), ip("fd00::7")};
  service.ports = {{.name = "http", .port = 80}};
  return service;
}

// A Namespace with a Service of each kind, of which `asked` picks its own.
Explanation explain_of(std::string_view asked, bool ready, const std::vector<dns::ResourceRecord>& records,
                       const std::vector<dns::DomainName>& existing = {}) {
  NamedObjects objects(NameForm::of(name(asked), zone));
  objects.upsert(k8s::Namespace{"shop"});
  objects.upsert(service("web", false));
  objects.upsert(service("db", true));
  k8s::Service alias = service("ext", false);
  alias.type = k8s::Service::Type::external_name;
  alias.cluster_ips.clear();
  alias.external_name = "db.example.com";
  objects.upsert(alias);
  objects.upsert(slice("web", ready));
  objects.upsert(slice("db", ready));
  return explain(name(asked), zone, objects, records, existing);
}

}  // namespace

TEST_CASE("the form of a name says what it asks for") {
  using Kind = NameForm::Kind;
  const std::pair<std::string_view, Kind> cases[] = {
      {"www.example.org", Kind::outside},
      {"cluster.local", Kind::apex},
      {"dns-version.cluster.local", Kind::fixed},
      {"svc.cluster.local", Kind::fixed},
      {"shop.svc.cluster.local", Kind::namespace_name},
      {"WEB.Shop.SVC.cluster.local", Kind::service},
      {"db-0.db.shop.svc.cluster.local", Kind::endpoint},
      {"_http._tcp.web.shop.svc.cluster.local", Kind::port},
      {"a.b.web.shop.svc.cluster.local", Kind::too_long},
      {"10-244-0-9.shop.pod.cluster.local", Kind::pod},
      {"x.10-244-0-9.shop.pod.cluster.local", Kind::too_long},
      {"www.cluster.local", Kind::too_long},
      {"9.0.244.10.in-addr.arpa", Kind::address},
  };
  for (const auto& [text, kind] : cases) {
    CAPTURE(text);
    CHECK(NameForm::of(name(text), zone).kind == kind);
  }
  const auto form = NameForm::of(name("_HTTP._tcp.Web.shop.svc.cluster.local"), zone);
  CHECK(form.port == "http");
  CHECK(form.protocol == "tcp");
  CHECK(form.service == "web");
  CHECK(form.namespace_name == "shop");
}

TEST_CASE("each answer is explained by its objects") {
  struct Row {
    std::string_view asked;
    bool ready;
    bool has_record;
    std::string_view outcome, why;
  };
  const Row rows[] = {
      {"web.shop.svc.cluster.local", true, true, "NOERROR", "whatever its endpoints are doing"},
      {"web.shop.svc.cluster.local", false, true, "NOERROR", "the name resolves, and connections fail"},
      {"db.shop.svc.cluster.local", true, true, "NOERROR", "ready endpoints of the headless Service shop/db"},
      {"ext.shop.svc.cluster.local", true, true, "NOERROR", "an alias of db.example.com"},
      {"cart.shop.svc.cluster.local", true, false, "NXDOMAIN", "has no Service 'cart'. It has db, ext, web."},
      {"cart.shoe.svc.cluster.local", true, false, "NXDOMAIN", "no Namespace 'shoe'"},
      {"www.example.shop.svc.cluster.local", true, false, "NXDOMAIN", "no Service 'example'"},
      {"a.b.web.shop.svc.cluster.local", true, false, "NXDOMAIN", "search list"},
      {"_pg._tcp.web.shop.svc.cluster.local", true, false, "NXDOMAIN",
       "no port 'pg' of protocol tcp; it has ports http 80/TCP"},
      {"db-7.db.shop.svc.cluster.local", true, false, "NXDOMAIN", "is called 'db-7'"},
      {"shop.svc.cluster.local", true, false, "NXDOMAIN", "no records itself"},
      {"10-0-0-1.shop.pod.cluster.local", true, false, "computed", "pods insecure"},
      {"10-0-0-1.shoe.pod.cluster.local", true, false, "NXDOMAIN", "no Namespace 'shoe'"},
      {"www.example.org", true, false, "elsewhere", "--zone"},
      {"10.0.96.10.in-addr.arpa", true, false, "NXDOMAIN", "No Service has this cluster address"},
      {"www.cluster.local", true, false, "NXDOMAIN", "svc.cluster.local."},
  };
  for (const Row& row : rows) {
    CAPTURE(row.asked);
    std::vector<dns::ResourceRecord> records;
    if (row.has_record) records.push_back(address(row.asked));
    const Explanation told = explain_of(row.asked, row.ready, records);
    CHECK(told.outcome == row.outcome);
    CHECK(std::string_view(told.why).contains(row.why));
    CHECK(told.records.size() == records.size());
  }
}

TEST_CASE("a name without records exists if it is in the table, or something lies below it") {
  CHECK(explain_of("db.shop.svc.cluster.local", false, {}, {name("db.shop.svc.cluster.local")}).outcome == "NODATA");
  CHECK(explain_of("db.shop.svc.cluster.local", false, {}, {name("db.shop.svc.cluster.local")})
            .why.contains("none of its endpoints is ready"));
  CHECK(explain_of("shop.svc.cluster.local", true, {address("web.shop.svc.cluster.local")}).outcome == "NODATA");
}

TEST_CASE("it is written for people and for programs") {
  const Explanation told = explain_of("web.shop.svc.cluster.local", true, {address("web.shop.svc.cluster.local")});
  CHECK(write_explanation(told, false) ==
        "web.shop.svc.cluster.local. is NOERROR\n"
        "The cluster addresses of Service shop/web, whatever its endpoints are doing.\n"
        "\n"
        "Namespace shop\n"
        "Service shop/web: cluster address 10.96.0.7, fd00::7; ports http 80/TCP\n"
        "EndpointSlice shop/web-1 of Service web: 1 of 2 endpoints ready; 10.244.0.9 (web-0), not ready: 10.244.0.10; "
        "ports http 8080/TCP\n"
        "\n"
        "web.shop.svc.cluster.local.\t5\tIN\tA\t10.96.0.7\n");
  const std::string json = write_explanation(told, true);
  for (const std::string_view part : {"\"outcome\": \"NOERROR\"", "\"rdata\": \"10.96.0.7\"", "\"Namespace shop\""}) {
    CHECK(json.contains(part));
  }
  Explanation odd = told;
  odd.objects = {"Service \xff"};
  CHECK(write_explanation(odd, true).contains("Service"));
}
