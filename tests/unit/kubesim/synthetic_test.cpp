#include "tools/kubesim/synthetic.hpp"

#include <doctest/doctest.h>

#include <set>

namespace fairlead::kubesim {
namespace {

struct Made {
  explicit Made(const char* spec) { REQUIRE(fill_cluster(cluster, *SyntheticSpec::parse(spec)).has_value()); }

  std::vector<Json> all(const Kind& kind) {
    std::vector<Json> objects;
    const auto page = registry.page(kind, {});
    for (const ObjectPtr& object : page->objects) objects.push_back(to_json(*object));
    return objects;
  }

  ObjectRegistry registry{{}, 1, 1};
  Cluster cluster{registry, *ServiceAddresses::parse({"10.96.0.0/16"})};
};

TEST_CASE("a made-up cluster has as much of everything as asked, and every address once") {
  Made made("services=40,headless=10,endpoints=900,namespaces=7,pods=1000,nodes=3,seed=4");
  CHECK(made.registry.count(kind::of_namespace()) == 7);
  CHECK(made.registry.count(kind::service()) == 40);
  CHECK(made.registry.count(kind::pod()) == 1000);
  CHECK(made.registry.count(kind::node()) == 3);
  std::size_t headless = 0;
  std::set<std::string> addresses;
  for (const Json& service : made.all(kind::service())) {
    if (service["spec"]["clusterIP"] == "None") {
      ++headless;
    } else {
      CHECK(addresses.insert(service["spec"]["clusterIP"]).second);
    }
  }
  CHECK(headless == 10);
  std::size_t endpoints = 0;
  for (const Json& slice : made.all(kind::endpoint_slice())) {
    CHECK(slice["endpoints"].size() <= slice_endpoints_max);
    const std::string service = slice["metadata"]["labels"]["kubernetes.io/service-name"];
    CHECK(made.registry.get(kind::service(), slice["metadata"]["namespace"], service) != nullptr);
    for (const Json& endpoint : slice["endpoints"]) {
      ++endpoints;
      CHECK(addresses.insert(endpoint["addresses"][0]).second);
    }
  }
  CHECK(endpoints == 900);
}

TEST_CASE("the same numbers make the same cluster") {
  Made one("services=20,endpoints=200,seed=9");
  Made two("services=20,endpoints=200,seed=9");
  Made other("services=20,endpoints=200,seed=10");
  CHECK(one.all(kind::endpoint_slice()) == two.all(kind::endpoint_slice()));
  CHECK(one.all(kind::endpoint_slice()) != other.all(kind::endpoint_slice()));
}

TEST_CASE("churn makes one event of one slice an update") {
  Made made("services=5,endpoints=20");
  const auto version = made.registry.version();
  Churn churn(made.cluster, 1);
  CHECK(churn.step(50) == 50);
  CHECK(made.registry.version() == version + 50);
}

TEST_CASE("a specification with a mistake is refused") {
  for (const char* text : {"services", "services=", "services=x", "services=-1", "services=99999999999", "pots=3",
                           "services=1,headless=2", "namespaces=0"}) {
    INFO(std::string(text));
    CHECK_FALSE(SyntheticSpec::parse(text).has_value());
  }
}

TEST_CASE("a range of cluster IPs that is too small is reported") {
  ObjectRegistry registry({}, 1, 1);
  Cluster cluster(registry, *ServiceAddresses::parse({"10.96.0.0/28"}));
  CHECK_FALSE(fill_cluster(cluster, *SyntheticSpec::parse("services=50,endpoints=50")).has_value());
}

}  // namespace
}  // namespace fairlead::kubesim
