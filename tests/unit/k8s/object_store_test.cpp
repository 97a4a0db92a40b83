#include "k8s/object_store.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <variant>

#include "record_table.hpp"

using namespace fairlead;
using namespace fairlead::k8s;
using namespace fairlead::k8s::test;

namespace {

using Object = std::variant<Namespace, Service, EndpointSlice>;

Kind kind_of(const Object& object) { return static_cast<Kind>(object.index()); }
ObjectKey key_of(const Object& object) {
  if (const auto* ns = std::get_if<Namespace>(&object)) return {"", ns->name};
  if (const auto* service = std::get_if<Service>(&object)) return service->key;
  return std::get<EndpointSlice>(object).key;
}

// A small world with many collisions: the same names, addresses and ports over and over.
class World {
 public:
  explicit World(unsigned seed) : random_(seed) {}

  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }
  template <typename Range>
  void shuffle(Range& range) {
    std::ranges::shuffle(range, random_);
  }

  Object object() {
    switch (below(7)) {
      case 0: return Namespace{space()};
      case 1:
      case 2:
      case 3: return service();
      default: return any_slice();
    }
  }
  std::pair<Kind, ObjectKey> some_key() {
    const Object any = object();
    return {kind_of(any), key_of(any)};
  }

 private:
  std::string space() { return std::string(1, static_cast<char>('m' + below(2))); }
  std::string name() { return std::string(1, static_cast<char>('a' + below(3))); }
  base::IpAddress ip() {
    return below(3) == 0 ? address("fd00::" + std::to_string(below(4))) : address("10.0.0." + std::to_string(below(6)));
  }
  template <typename Port>
  std::vector<Port> ports() {
    std::vector<Port> list(below(4));
    for (auto& port : list) {
      port.name = std::vector<std::string>{"", "http", "sql"}[below(3)];
      port.protocol = static_cast<Protocol>(below(2));
      port.port = static_cast<std::uint16_t>(80 + below(2));
    }
    return list;
  }
  Object service() {
    Service made;
    made.key = {space(), name()};
    made.ports = ports<ServicePort>();
    for (unsigned left = below(4) == 0 ? below(3) : 0; left > 0; --left) made.external_ips.push_back(ip());
    if (below(6) == 0) made.ingress_ips.push_back(ip());
    if (below(6) == 0) made.ingress_names.emplace_back(below(3) == 0 ? "10.0.0.1" : "lb.example.com");
    switch (below(5)) {
      case 0:
        made.type = Service::Type::external_name;
        made.external_name = below(3) == 0 ? "10.0.0.1" : "www.example.com";
        break;
      case 1:
      case 2: made.headless = true; break;
      default:
        made.cluster_ips.push_back(ip());
        if (below(3) == 0) made.cluster_ips.push_back(ip());
    }
    return made;
  }
  Object any_slice() {
    EndpointSlice made;
    made.key = {space(), "slice" + std::to_string(below(4))};
    made.service_name = below(10) == 0 ? "" : name();
    made.source_cluster = std::vector<std::string>{"c1", "C1", "http"}[below(3)];
    made.ports = ports<EndpointPort>();
    for (unsigned left = below(4); left > 0; --left) {
      Endpoint one;
      one.addresses.push_back(ip());
      one.ready = below(4) != 0;
      // Some that differ in case alone, and some that look like the address of another.
      if (below(3) == 0)
        one.hostname = std::vector<std::string>{"pod-0", "pod-1", "POD-1", "10-0-0-1", "fd00--1"}[below(5)];
      one.zone = std::vector<std::string>{"", "Z1", "z1", "a.z2", "not..asked"}[below(5)];
      if (below(3) == 0) one.target_ref_name = "target-" + std::to_string(below(2));
      made.endpoints.push_back(std::move(one));
    }
    return made;
  }

  std::mt19937 random_;
};

struct Cluster {
  std::map<std::pair<Kind, ObjectKey>, Object> objects;
  ObjectStore store;
  RecordTable table;

  explicit Cluster(const ObjectStoreOptions& options) : store(options) {}

  void upsert(const Object& object) {
    objects.insert_or_assign({kind_of(object), key_of(object)}, object);
    std::visit([&](const auto& one) { store.upsert(one); }, object);
  }
  void remove(const std::pair<Kind, ObjectKey>& key) {
    objects.erase(key);
    store.remove(key.first, key.second);
  }
  // A list that finds other objects than the events told.
  void relist(World& world, Kind kind, bool whole) {
    store.begin_list(kind);
    std::vector<Object> seen;
    for (const auto& [key, object] : objects) {
      if (key.first == kind && world.below(4) != 0) seen.push_back(object);
    }
    for (int i = 0; i < 2; ++i) {
      const Object fresh = world.object();
      if (kind_of(fresh) == kind) seen.push_back(fresh);
    }
    world.shuffle(seen);
    if (whole) std::erase_if(objects, [&](const auto& item) { return item.first.first == kind; });
    for (const auto& object : seen) {
      upsert(object);
      if (world.below(4) == 0) store.drain(table);
    }
    if (whole) {
      store.end_list(kind);
    } else {
      store.abort_list(kind);
    }
  }
  std::string apex() const {
    std::string text;
    if (table.external_nameserver) {
      text += "outside";
      for (const auto& a : table.external_nameserver->addresses) text += " " + a.to_string();
      text += "\n";
    }
    for (const auto& server : table.apex.nameservers) {
      text += presentation(server.relative_name);
      for (const auto& a : server.addresses) text += " " + a.to_string();
      text += "\n";
    }
    return text;
  }
};

}  // namespace

TEST_CASE("the table depends on the objects alone, not on the order of events, drains, relists and deletions") {
  for (unsigned seed = 0; seed < 1500; ++seed) {
    CAPTURE(seed);
    World world(seed);
    ObjectStoreOptions options = cluster_local({.pod_names = world.below(2) == 0,
                                                .endpoint_pod_names = world.below(2) == 0,
                                                .no_endpoints = world.below(6) == 0,
                                                .ignore_empty_services = world.below(2) == 0,
                                                .zonal = world.below(2) == 0,
                                                .clusterset = world.below(4) == 0,
                                                .zone = {}});
    options.local_addresses = addresses({"10.0.0.1", "fd00::1"});
    if (world.below(6) == 0) options.namespaces = {"m"};
    if (world.below(2) == 0) {
      options.external =
          ExternalRecordOptions{.zone = dns::DomainName::parse("example.org").value(), .headless = world.below(2) == 0};
    }
    Cluster lived(options);
    for (int step = 0; step < 60; ++step) {
      switch (world.below(8)) {
        case 0:
        case 1: lived.remove(world.some_key()); break;
        case 2: lived.store.drain(lived.table); break;
        case 3:
          if (world.below(4) == 0) lived.relist(world, static_cast<Kind>(world.below(3)), world.below(3) != 0);
          break;
        default: lived.upsert(world.object());
      }
    }
    lived.store.drain(lived.table);

    Cluster fresh(options);
    std::vector<Object> finals;
    for (const auto& [key, object] : lived.objects) finals.push_back(object);
    world.shuffle(finals);
    for (const auto& object : finals) fresh.upsert(object);
    fresh.store.drain(fresh.table);
    REQUIRE(lived.table.dump() == fresh.table.dump());
    REQUIRE(lived.apex() == fresh.apex());

    // And all of it can go again.
    for (const auto& object : finals) lived.remove({kind_of(object), key_of(object)});
    lived.store.drain(lived.table);
    REQUIRE(lived.table.dump() == "\n");
    REQUIRE(lived.apex().empty());
  }
}

TEST_CASE("a list removes at its end what it did not bring, and nothing before") {
  ObjectStore store(cluster_local());
  RecordTable table;
  store.upsert(Namespace{"default"});
  store.upsert(cluster_ip_service("default/stays", {"10.0.0.1"}));
  store.upsert(cluster_ip_service("default/goes", {"10.0.0.2"}));
  store.drain(table);

  store.begin_list(Kind::service);
  store.upsert(cluster_ip_service("default/stays", {"10.0.0.1"}));
  store.drain(table);
  CHECK(table.names.contains("goes.default.svc"));
  store.end_list(Kind::service);
  store.drain(table);
  CHECK(table.names.contains("stays.default.svc"));
  CHECK_FALSE(table.names.contains("goes.default.svc"));
}

TEST_CASE("a list that breaks off removes nothing, and keeps what it brought") {
  ObjectStore store(cluster_local());
  RecordTable table;
  store.upsert(Namespace{"default"});
  store.upsert(cluster_ip_service("default/old", {"10.0.0.1"}));
  store.begin_list(Kind::service);
  store.upsert(cluster_ip_service("default/new", {"10.0.0.2"}));
  store.abort_list(Kind::service);
  store.end_list(Kind::service);  // without a beginning it means nothing
  store.drain(table);
  CHECK(table.names.contains("old.default.svc"));
  CHECK(table.names.contains("new.default.svc"));
}

TEST_CASE("all kinds are listed once each has been listed in full; without endpoints slices are not waited for") {
  for (const bool no_endpoints : {false, true}) {
    ObjectStore store(cluster_local({.no_endpoints = no_endpoints, .zone = {}}));
    RecordTable table;
    store.begin_list(Kind::kNamespace);
    store.end_list(Kind::kNamespace);
    store.begin_list(Kind::endpoint_slice);
    store.abort_list(Kind::endpoint_slice);
    CHECK_FALSE(store.drain(table).all_listed);
    store.begin_list(Kind::service);
    store.end_list(Kind::service);
    CHECK(store.drain(table).all_listed == no_endpoints);
    const auto before = store.sequence();
    store.begin_list(Kind::endpoint_slice);
    store.end_list(Kind::endpoint_slice);
    CHECK(store.sequence() > before);  // news, though nothing changed
    CHECK(store.drain(table).all_listed);
  }
}

TEST_CASE("objects that DNS cannot name are left out and counted") {
  ObjectStore store(cluster_local());
  RecordTable table;
  store.upsert(Namespace{"default"});
  store.upsert(Namespace{""});
  store.upsert(Namespace{std::string(64, 'n')});
  store.upsert(cluster_ip_service("default/", {"10.0.0.1"}));
  store.upsert(cluster_ip_service("default/" + std::string(64, 's'), {"10.0.0.1"}));
  store.upsert(cluster_ip_service("default/a.b", {"10.0.0.1"}));
  store.upsert(slice("default/x", "a.b", {}, {endpoint({"10.1.0.1"})}));
  store.upsert(slice("default/x", "", {}, {endpoint({"10.1.0.1"})}));  // of no interest, but not odd
  store.remove(Kind::service, {"", ""});
  store.remove(Kind::endpoint_slice, {"nowhere", "nothing"});
  store.drain(table);
  CHECK(table.dump() == "\ndefault.svc exists\n");
  CHECK(store.skipped_objects() == 6);
}

TEST_CASE("odd ports and labels do no harm") {
  ObjectStore store(cluster_local());
  RecordTable table;
  store.upsert(Namespace{"default"});
  store.upsert(headless_service("default/db"));
  store.upsert(
      slice("default/db-1", "db",
            {{std::string(63, 'p'), Protocol::tcp, 1},
             {std::string(300, 'p'), Protocol::tcp, 2},
             {"none", Protocol::sctp, 0}},
            {endpoint({"10.1.0.1"}, std::string(300, 'h')), endpoint({}, "nothing"), endpoint({"10.1.0.2"}, "_tcp")}));
  store.drain(table);
  CHECK(table.dump("10-1-0-1.db.default.svc") == R"(
10-1-0-1.db.default.svc A 10.1.0.1
10-1-0-1.db.default.svc SRV 0 33 1 10-1-0-1.db.default.svc glue 10.1.0.1
10-1-0-1.db.default.svc SRV 0 33 2 10-1-0-1.db.default.svc glue 10.1.0.1
)");
  CHECK(table.dump("_none._sctp.db.default.svc") == R"(
_none._sctp.db.default.svc A 10.1.0.1
_none._sctp.db.default.svc A 10.1.0.2
)");
  CHECK(table.names.at("_tcp.db.default.svc").addresses.size() == 1);
}

TEST_CASE("the nameservers of the apex are the Services whose slices hold our own address") {
  ObjectStoreOptions options = cluster_local();
  options.local_addresses = addresses({"10.1.0.5"});
  Cluster cluster(options);
  const auto apex = [&] {
    cluster.store.drain(cluster.table);
    return cluster.apex();
  };
  cluster.upsert(Namespace{"kube-system"});
  cluster.upsert(slice("kube-system/dns-1", "dns", {}, {endpoint({"10.1.0.4"}), endpoint({"10.1.0.5"}, "me")}));
  CHECK(apex().empty());
  cluster.upsert(cluster_ip_service("kube-system/dns", {"10.0.0.10", "fd00::10"}));
  CHECK(apex() == "dns.kube-system.svc 10.0.0.10 fd00::10\n");
  cluster.upsert(headless_service("kube-system/dns"));
  CHECK(apex() == "me.dns.kube-system.svc 10.1.0.5\n10-1-0-4.dns.kube-system.svc 10.1.0.4\n");
  cluster.upsert(slice("kube-system/dns-1", "dns", {}, {endpoint({"10.1.0.4"})}));
  CHECK(apex().empty());
}
