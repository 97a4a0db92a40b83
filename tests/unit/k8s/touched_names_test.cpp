// Which names an event makes the store look at.
#include <doctest/doctest.h>

#include "record_table.hpp"

using namespace fairlead;
using namespace fairlead::k8s;
using namespace fairlead::k8s::test;

namespace {

using Names = std::set<std::string>;

EndpointSlice thousand(std::string_view name, const std::string& service) {
  EndpointSlice many = slice(name, service, {{"http", Protocol::tcp, 80}}, {});
  for (int i = 0; i < 1000; ++i) {
    many.endpoints.push_back(endpoint({("10.1." + std::to_string(i / 250) + "." + std::to_string(i % 250)).c_str()}));
  }
  return many;
}

struct Fixture {
  ObjectStore store;
  RecordTable table;

  explicit Fixture(RecordOptions options = {}) : store(cluster_local(std::move(options))) {
    store.upsert(Namespace{"default"});
    store.upsert(cluster_ip_service("default/web", {"10.0.0.1"}, {{"http", Protocol::tcp, 80}}));
    store.upsert(thousand("default/web-1", "web"));
    store.upsert(headless_service("default/db"));
    store.upsert(slice("default/db-1", "db", {{"sql", Protocol::tcp, 5432}},
                       {endpoint({"10.2.0.1"}, "db-0"), endpoint({"10.2.0.2"}, "db-1"), not_ready({"10.2.0.3"})}));
    drain();
  }
  Names drain() {
    table.looked_at.clear();
    store.drain(table);
    return table.looked_at;
  }
};

}  // namespace

TEST_CASE("an object that comes again unchanged touches nothing and wakes nobody") {
  Fixture f;
  const auto before = f.store.sequence();
  f.store.upsert(Namespace{"default"});
  f.store.upsert(cluster_ip_service("default/web", {"10.0.0.1"}, {{"http", Protocol::tcp, 80}}));
  f.store.upsert(thousand("default/web-1", "web"));
  CHECK(f.store.sequence() == before);
  CHECK(f.drain().empty());
}

TEST_CASE("what DNS does not see touches nothing: type, other order, endpoints that are not ready, Pod names") {
  Fixture f;
  const auto before = f.store.sequence();
  auto service = cluster_ip_service("default/web", {"10.0.0.1"}, {{"http", Protocol::tcp, 80}});
  service.type = Service::Type::load_balancer;
  f.store.upsert(service);
  f.store.upsert(slice(
      "default/db-1", "db", {{"sql", Protocol::tcp, 5432}},
      {endpoint({"10.2.0.2"}, "db-1", "pod-b"), not_ready({"10.2.0.9"}), endpoint({"10.2.0.1"}, "db-0", "pod-a")}));
  CHECK(f.store.sequence() == before);
}

TEST_CASE("one endpoint of a thousand behind a ClusterIP touches its own name and its reverse name alone") {
  Fixture f;
  auto many = thousand("default/web-1", "web");
  many.endpoints[7].ready = false;
  f.store.upsert(many);
  CHECK(f.drain() == Names{"10-1-0-7.web.default.svc", "7.0.1.10.in-addr.arpa"});
  CHECK_FALSE(f.table.names.contains("10-1-0-7.web.default.svc"));
  many.endpoints[7].ready = true;
  f.store.upsert(many);
  CHECK(f.drain() == Names{"10-1-0-7.web.default.svc", "7.0.1.10.in-addr.arpa"});
  CHECK(f.table.names.contains("10-1-0-7.web.default.svc"));
}

TEST_CASE("an endpoint of a headless Service touches the names that list it, too") {
  Fixture f;
  f.store.upsert(slice("default/db-1", "db", {{"sql", Protocol::tcp, 5432}}, {endpoint({"10.2.0.1"}, "db-0")}));
  CHECK(f.drain() == Names{"db-1.db.default.svc", "db.default.svc", "_sql._tcp.db.default.svc", "_tcp.db.default.svc",
                           "2.0.2.10.in-addr.arpa"});
}

TEST_CASE("an endpoint that moves from one slice to another in one batch changes no name") {
  Fixture f;
  const auto before = f.table.dump();
  const std::vector<EndpointPort> sql{{"sql", Protocol::tcp, 5432}};
  f.store.upsert(slice("default/db-1", "db", sql, {endpoint({"10.2.0.1"}, "db-0")}));
  f.store.upsert(slice("default/db-2", "db", sql, {endpoint({"10.2.0.2"}, "db-1")}));
  f.drain();
  CHECK(f.table.dump() == before);
}

TEST_CASE("a port of a ClusterIP Service touches the Service and its ports, not its endpoints") {
  Fixture f;
  f.store.upsert(cluster_ip_service("default/web", {"10.0.0.1"}, {{"web", Protocol::tcp, 80}}));
  CHECK(f.drain() ==
        Names{"web.default.svc", "_http._tcp.web.default.svc", "_web._tcp.web.default.svc", "_tcp.web.default.svc"});
  CHECK_FALSE(f.table.names.contains("_http._tcp.web.default.svc"));
}

TEST_CASE("a ClusterIP that changes touches both reverse names and no endpoint") {
  Fixture f;
  f.store.upsert(cluster_ip_service("default/web", {"10.0.0.9"}, {{"http", Protocol::tcp, 80}}));
  CHECK(f.drain() == Names{"web.default.svc", "_http._tcp.web.default.svc", "_tcp.web.default.svc",
                           "1.0.0.10.in-addr.arpa", "9.0.0.10.in-addr.arpa"});
}

TEST_CASE("with ignore empty_service the last endpoint takes the Service with it and the first brings it back") {
  Fixture f({.ignore_empty_services = true, .zone = {}});
  f.store.remove(Kind::endpoint_slice, key("default/web-1"));
  f.drain();
  CHECK(f.table.dump("web.default.svc") == "\nweb.default.svc no ready endpoints\n");
  CHECK_FALSE(f.table.names.contains("_http._tcp.web.default.svc"));
  f.store.upsert(thousand("default/web-1", "web"));
  f.drain();
  CHECK(f.table.names.contains("_http._tcp.web.default.svc"));
  CHECK(f.table.names.at("web.default.svc").addresses.size() == 1);
}

TEST_CASE("a headless Service and its slice that go in one batch leave no name of the slice's ports behind") {
  for (const bool service_first : {true, false}) {
    Fixture f;
    if (service_first) f.store.remove(Kind::service, key("default/db"));
    f.store.remove(Kind::endpoint_slice, key("default/db-1"));
    if (!service_first) f.store.remove(Kind::service, key("default/db"));
    f.drain();
    for (const auto& [owner, content] : f.table.names) CHECK_FALSE(owner.contains("db.default"));
  }
}

TEST_CASE("a slice that changes its Service takes its endpoints along") {
  Fixture f;
  f.store.upsert(slice("default/db-1", "web", {{"sql", Protocol::tcp, 5432}}, {endpoint({"10.2.0.1"}, "db-0")}));
  f.drain();
  CHECK(f.table.names.contains("db-0.web.default.svc"));
  CHECK_FALSE(f.table.names.contains("db-0.db.default.svc"));
  CHECK(f.table.dump("1.0.2.10.in-addr.arpa") == "\n1.0.2.10.in-addr.arpa PTR db-0.web.default\n");
  f.store.upsert(slice("default/db-1", "", {}, {endpoint({"10.2.0.1"}, "db-0")}));
  f.drain();
  CHECK_FALSE(f.table.names.contains("db-0.web.default.svc"));
  CHECK_FALSE(f.table.names.contains("1.0.2.10.in-addr.arpa"));
}
