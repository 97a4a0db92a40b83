// What is known about a query, by label.
#include "server/query/metadata.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "server/handlers/cluster_metadata.hpp"
#include "unit/server/query/cluster_fixture.hpp"

namespace fairlead::test {
namespace {

using dns::RRType;

/// Looks at the metadata of what passes by.
class Witness final : public server::Handler {
 public:
  server::Step handle(server::QueryContext& context) override {
    text = server::metadata_text(context);
    service = server::metadata_value(context, "kubernetes/service");
    unknown = server::metadata_value(context, "kubernetes/no-such-label");
    return server::Step::next;
  }
  server::PluginLabel plugin() const override { return server::no_plugin; }
  std::string text;
  std::optional<std::string> service, unknown;
};

struct Fixture {
  explicit Fixture(bool keeps_names = true) {
    auto options = ClusterFixture::default_options();
    options.pods = server::KubernetesOptions::Pods::verified;
    options.zonal = true;
    auto store = ClusterFixture::store_options(options);
    store.pod_object_names = keeps_names;
    cluster = std::make_shared<TableCluster>(store);
    auto chain = std::make_unique<server::Chain>();
    auto first = std::make_unique<Witness>();
    witness = first.get();
    chain->handlers.push_back(std::move(first));
    chain->handlers.push_back(
        std::make_unique<server::KubernetesHandler>(options, cluster, std::vector<base::IpAddress>{}, false));
    chain->metadata_zones.emplace(
        {*dns::DomainName::parse("cluster.local."), *dns::DomainName::parse("10.in-addr.arpa.")});
    plan->routers.resize(1);
    plan->routers[0].add({.zone = dns::DomainName(), .chain = chain.get(), .slots = nullptr});
    plan->chains.push_back(std::move(chain));
    cluster->store().upsert(k8s::Pod{.key = {"shop", "web-0"}, .address = base::IpAddress::parse("192.0.2.1")});
    cluster->publish();
  }

  std::string ask(std::string_view qname, const char* client = "192.0.2.9") {
    TestOrigin origin(server::Transport::udp);
    origin.address = *base::IpAddress::parse(client);
    std::vector<std::uint8_t> buffer(dns::message_octets_max);
    const base::ReadSection section;
    server::answer(query_packet(qname, RRType::a, {}), origin, plan, 0, buffer);
    return witness->text;
  }

  const base::ReaderThread reader;
  std::shared_ptr<TableCluster> cluster;
  std::shared_ptr<server::WorkerPlan> plan = std::make_shared<server::WorkerPlan>();
  Witness* witness = nullptr;
};

TEST_CASE("the parts of a cluster name are metadata, whether it exists or not") {
  Fixture f;
  CHECK(f.ask("Web.Shop.svc.cluster.local") == "kubernetes/service=web kubernetes/namespace=shop kubernetes/kind=svc");
  CHECK(f.witness->service == "web");
  CHECK_FALSE(f.witness->unknown);
  CHECK(f.ask("_http._tcp.web.shop.svc.cluster.local") ==
        "kubernetes/port-name=http kubernetes/protocol=tcp kubernetes/service=web kubernetes/namespace=shop "
        "kubernetes/kind=svc");
  CHECK(f.ask("db-0.db.shop.svc.cluster.local") ==
        "kubernetes/endpoint=db-0 kubernetes/service=db kubernetes/namespace=shop kubernetes/kind=svc");
  CHECK(f.ask("10-0-0-1.shop.pod.cluster.local") ==
        "kubernetes/service=10-0-0-1 kubernetes/namespace=shop kubernetes/kind=pod");
  CHECK(f.ask("eu.1.pin._zone.db.shop.svc.cluster.local") ==
        "kubernetes/zone=eu.1 kubernetes/service=db kubernetes/namespace=shop kubernetes/kind=svc");
  CHECK(f.ask("shop.svc.cluster.local") == "kubernetes/namespace=shop kubernetes/kind=svc");
  CHECK(f.ask("svc.cluster.local").empty());
  CHECK(f.ask("cluster.local").empty());
  CHECK(f.ask("www.cluster.local") == "kubernetes/parse-error=invalid query name");
  CHECK(f.ask("a.b.c.web.shop.svc.cluster.local") == "kubernetes/parse-error=invalid query name");
  CHECK(f.ask("a\\.b.shop.svc.cluster.local") ==
        "kubernetes/service=a\\.b kubernetes/namespace=shop kubernetes/kind=svc");
}

TEST_CASE("the client's Pod is metadata where Pods are verified") {
  Fixture f;
  CHECK(f.ask("cluster.local", "192.0.2.1") == "kubernetes/client-namespace=shop kubernetes/client-pod-name=web-0");
  CHECK(f.ask("cluster.local", "192.0.2.2").empty());
  Fixture without_names(false);
  CHECK(without_names.ask("cluster.local", "192.0.2.1") == "kubernetes/client-namespace=shop");
}

TEST_CASE("without the directive, and outside of its zones, there is no metadata") {
  Fixture f;
  CHECK(f.ask("web.shop.svc.example.org", "192.0.2.1").empty());
  CHECK_FALSE(f.witness->service);
  f.plan->chains[0]->metadata_zones.reset();
  CHECK(f.ask("web.shop.svc.cluster.local", "192.0.2.1").empty());
  CHECK_FALSE(f.witness->service);
}

TEST_CASE("two labels left of a Service are an endpoint and its cluster in multicluster zones") {
  const auto parts = server::cluster_name_parts("\4db-0\4east\2db\4shop\3svc", true, false);
  CHECK(parts.endpoint == "db-0");
  CHECK(parts.cluster == "east");
  const auto port = server::cluster_name_parts("\5_http\3tcp\2db\4shop\3svc", true, false);
  CHECK(port.port == "http");
  CHECK(port.protocol == "tcp");
  CHECK(server::cluster_name_parts("\2eu\3pin\5_zone\2db\4shop\3svc", true, true).is_invalid);
  CHECK(server::cluster_name_parts("\2eu\3pin\5_zone\2db\4shop\3svc", false, false).is_invalid);
}

}  // namespace
}  // namespace fairlead::test
