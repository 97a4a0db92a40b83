#include "k8s/publisher.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <future>
#include <thread>

#include "k8s/clusterset_intake.hpp"
#include "k8s/tee_sink.hpp"
#include "record_table.hpp"

using namespace fairlead;
using namespace fairlead::k8s;
using namespace fairlead::k8s::test;

namespace {

constexpr std::chrono::seconds patience{20};

std::string wire(std::string_view presentation_form) {
  const auto name = dns::DomainName::parse(presentation_form).value();
  const auto octets = name.view().wire();
  return {reinterpret_cast<const char*>(octets.data()), octets.size() - 1};
}

std::string reverse_wire(std::string_view presentation_form) {
  const auto name = dns::DomainName::parse(presentation_form).value();
  return std::string(reverse_key(name));
}

// The table first, so that it goes last: no reader may be registered on the thread that destroys it.
struct Fixture {
  ClusterTable table;
  ObjectStore store{cluster_local()};
  std::uint32_t now = 1000;
  std::vector<PublishedBatch> batches;
  Publisher publisher{store,
                      table,
                      {.ttl = 7,
                       .on_published = [this](const PublishedBatch& batch) { batches.push_back(batch); },
                       .unix_time = [this] { return now; }}};

  PublishedBatch publish() {
    const base::ReaderThread thread;
    return publisher.publish_pending();
  }
  bool has(const zones::NameTable& names, std::string_view owner) {
    const base::ReaderThread thread;
    const base::ReadSection section;
    return names.find(wire(owner)) != nullptr;
  }
  bool has_reverse(std::string_view owner) {
    const base::ReaderThread thread;
    const base::ReadSection section;
    return table.reverse.find(reverse_wire(owner)) != nullptr;
  }
};

}  // namespace

TEST_CASE("a published name has its records, the TTL of the options and empty non-terminals above its reverse name") {
  Fixture f;
  f.store.upsert(Namespace{"default"});
  f.store.upsert(cluster_ip_service("default/web", {"10.0.0.1"}));
  f.publish();
  {
    const base::ReaderThread thread;
    const base::ReadSection section;
    const auto* const web = f.table.forward.find(wire("web.default.svc"));
    REQUIRE(web != nullptr);
    CHECK(web->a_count() == 1);
    CHECK(web->ttl() == 7);
    CHECK(f.table.apex_nameservers.read() != nullptr);
  }
  for (const auto* owner :
       {"1.0.0.10.in-addr.arpa", "0.0.10.in-addr.arpa", "0.10.in-addr.arpa", "10.in-addr.arpa", "in-addr.arpa"}) {
    CHECK(f.has_reverse(owner));
  }
  CHECK(f.publisher.names() == 7);
  f.store.remove(Kind::service, key("default/web"));
  f.publish();
  CHECK(f.table.reverse.size() == 0);
  CHECK(f.publisher.names() == 1);
}

TEST_CASE("a batch without a visible change puts nothing, keeps the serial and calls nobody") {
  Fixture f;
  f.store.upsert(Namespace{"default"});
  f.store.upsert(headless_service("default/db"));
  const std::vector<EndpointPort> sql{{"sql", Protocol::tcp, 5432}};
  f.store.upsert(slice("default/db-1", "db", sql, {endpoint({"10.1.0.1"}, "a"), endpoint({"10.1.0.2"}, "b")}));
  f.publish();
  const auto serial = f.table.serial.load();
  REQUIRE(f.batches.size() == 1);

  f.store.upsert(slice("default/db-1", "db", sql, {endpoint({"10.1.0.1"}, "a")}));
  f.store.upsert(slice("default/db-2", "db", sql, {endpoint({"10.1.0.2"}, "b")}));
  const auto moved = f.publish();
  CHECK(moved.puts == 0);
  CHECK(moved.erases == 0);
  CHECK(moved.unchanged > 0);
  CHECK(f.table.serial.load() == serial);
  CHECK(f.batches.size() == 1);
}

TEST_CASE("a batch counts only the names that changed") {
  Fixture f;
  f.store.upsert(Namespace{"default"});
  f.store.upsert(headless_service("default/db"));
  EndpointSlice many = slice("default/db-1", "db", {}, {});
  for (int i = 0; i < 200; ++i) many.endpoints.push_back(endpoint({("10.1.0." + std::to_string(i)).c_str()}));
  f.store.upsert(many);
  f.publish();
  many.endpoints.push_back(endpoint({"10.1.0.200"}));
  f.store.upsert(many);
  const auto one = f.publish();
  CHECK(one.puts == 3);  // the endpoint, its reverse name and the Service
  CHECK(one.erases == 0);
}

TEST_CASE("each kind of difference between two contents of a name is seen") {
  Fixture f;
  f.store.upsert(Namespace{"default"});
  const auto publish = [&](Service service) {
    f.store.upsert(std::move(service));
    return f.publish().puts;
  };
  CHECK(publish(cluster_ip_service("default/web", {"10.0.0.1"})) > 0);
  CHECK(publish(cluster_ip_service("default/web", {"10.0.0.2"})) > 0);
  CHECK(publish(cluster_ip_service("default/web", {"10.0.0.2", "fd00::1"})) > 0);
  CHECK(publish(cluster_ip_service("default/web", {"10.0.0.2", "fd00::1"}, {{"", Protocol::tcp, 80}})) == 1);
  CHECK(publish(cluster_ip_service("default/web", {"10.0.0.2", "fd00::1"}, {{"", Protocol::tcp, 81}})) == 1);
  CHECK(publish(cluster_ip_service("default/web", {"10.0.0.2", "fd00::1"},
                                   {{"", Protocol::tcp, 81}, {"", Protocol::tcp, 81}})) == 1);  // the weight
  CHECK(publish(external_service("default/web", "a.example")) == 1);
  CHECK(publish(external_service("default/web", "b.example")) == 1);
  CHECK(publish(headless_service("default/web")) == 1);
  f.store.upsert(slice("default/web-1", "web", {}, {endpoint({"10.1.0.1"}, "a")}));
  CHECK(f.publish().puts > 0);
  f.store.upsert(slice("default/web-1", "web", {}, {endpoint({"10.1.0.1"}, "b")}));
  CHECK(f.publish().puts == 2);  // the new name, and the PTR record that now leads to it
}

TEST_CASE("the serial is the Unix time and rises strictly with every visible change") {
  Fixture f;
  CHECK(f.table.serial.load() == 1000);
  f.now = 2000;
  f.store.upsert(Namespace{"a"});
  f.publish();
  CHECK(f.table.serial.load() == 2000);
  f.store.upsert(Namespace{"b"});
  f.publish();
  CHECK(f.table.serial.load() == 2001);
  f.now = 1500;
  f.store.remove(Kind::kNamespace, {"", "b"});
  f.publish();
  CHECK(f.table.serial.load() == 2002);
  f.publish();
  CHECK(f.table.serial.load() == 2002);
}

TEST_CASE("synced is set when every kind was listed and published, and stays set") {
  Fixture f;
  for (const auto kind : {Kind::kNamespace, Kind::service, Kind::endpoint_slice}) {
    f.publish();
    CHECK_FALSE(f.table.synced.load());
    f.store.begin_list(kind);
    f.store.end_list(kind);
  }
  f.publish();
  CHECK(f.table.synced.load());
  f.store.begin_list(Kind::service);
  f.publish();
  CHECK(f.table.synced.load());
}

TEST_CASE("the publisher's thread publishes within milliseconds, sleeps when idle and can be started again") {
  Fixture f;
  f.publisher.start();
  f.publisher.start();
  f.store.upsert(Namespace{"default"});
  REQUIRE(f.publisher.flush(patience));
  CHECK(f.has(f.table.forward, "default.svc"));
  f.publisher.stop();
  f.publisher.stop();
  f.store.upsert(Namespace{"later"});
  CHECK_FALSE(f.publisher.flush(std::chrono::milliseconds(20)));
  CHECK_FALSE(f.has(f.table.forward, "later.svc"));
  f.publisher.start();
  REQUIRE(f.publisher.flush(patience));
  CHECK(f.has(f.table.forward, "later.svc"));
  REQUIRE(f.batches.size() == 2);
  CHECK(f.batches[0].published - f.batches[0].oldest_change < std::chrono::seconds(2));
}

TEST_CASE("a sleeping publisher is woken at the end of a burst") {
  Fixture f;
  f.publisher.start();
  // It may be awake when a burst begins, and publishes what is there then: once in many times it is not.
  bool waited = false;
  for (int i = 0; i < 50 && !waited; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    const std::uint64_t before = f.publisher.names();
    {
      const Burst outer(f.store);
      {
        const Burst inner(f.store);
        f.store.upsert(Namespace{"first" + std::to_string(i)});
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      waited = f.publisher.names() == before;
      f.store.upsert(Namespace{"second" + std::to_string(i)});
    }
    REQUIRE(f.publisher.flush(patience));
    CHECK(f.publisher.names() == before + 2);
  }
  CHECK(waited);
}

TEST_CASE("few changes are published by the thread that makes them, many by the publisher's own") {
  Fixture f;
  std::vector<std::thread::id> threads;
  Publisher publisher(
      f.store, f.table,
      {.on_published = [&](const PublishedBatch&) { threads.push_back(std::this_thread::get_id()); }, .unix_time = {}});
  publisher.start();
  REQUIRE(publisher.flush(patience));
  std::this_thread::sleep_for(2 * Publisher::gather_max);
  threads.clear();
  f.store.upsert(Namespace{"few"});
  CHECK(f.has(f.table.forward, "few.svc"));  // without a flush
  CHECK(threads == std::vector{std::this_thread::get_id()});

  std::this_thread::sleep_for(2 * Publisher::gather_max);
  threads.clear();
  {
    const Burst burst(f.store);
    for (std::uint64_t i = 0; i <= Publisher::taken_max; ++i) f.store.upsert(Namespace{"many" + std::to_string(i)});
  }
  REQUIRE(publisher.flush(patience));
  CHECK(f.has(f.table.forward, "many0.svc"));
  REQUIRE(threads.size() == 1);
  CHECK(threads[0] != std::this_thread::get_id());
}

TEST_CASE("a burst is one of both stores of a tee, and of the store behind an intake") {
  Fixture own, clusterset;
  ClustersetIntake intake(clusterset.store);
  TeeSink tee(own.store, intake);
  for (Fixture* const f : {&own, &clusterset}) {
    f->publisher.start();
    REQUIRE(f->publisher.flush(patience));
  }
  std::this_thread::sleep_for(2 * Publisher::gather_max);
  {
    const Burst burst(tee);
    tee.upsert(Namespace{"default"});
    std::this_thread::sleep_for(2 * Publisher::gather_max);
    CHECK_FALSE(own.has(own.table.forward, "default.svc"));
    CHECK_FALSE(clusterset.has(clusterset.table.forward, "default.svc"));
  }
  CHECK(own.has(own.table.forward, "default.svc"));
  CHECK(clusterset.has(clusterset.table.forward, "default.svc"));
}

TEST_CASE("a version is given on the publisher's thread, in a quiet cluster and while others publish") {
  Fixture f;
  f.publisher.start();
  const auto giver_of_version = [&] {
    std::promise<std::thread::id> given;
    auto giver = given.get_future();
    f.publisher.take_version(ClusterPart::forward, [&](std::optional<ClusterVersion> version) {
      CHECK(version.has_value());
      given.set_value(std::this_thread::get_id());
    });
    REQUIRE(giver.wait_for(patience) == std::future_status::ready);
    return giver.get();
  };
  REQUIRE(f.publisher.flush(patience));
  const auto own = giver_of_version();
  CHECK(own != std::this_thread::get_id());

  std::jthread events([&](std::stop_token stop) {
    for (int i = 0; !stop.stop_requested(); ++i) {
      f.store.upsert(Namespace{i % 2 == 0 ? "even" : "odd"});
      f.store.remove(Kind::kNamespace, {"", i % 2 == 0 ? "odd" : "even"});
      std::this_thread::sleep_for(std::chrono::microseconds(100 * (i % 30)));
    }
  });
  for (int i = 0; i < 100; ++i) CHECK(giver_of_version() == own);
}

TEST_CASE("the publisher stops while events keep coming") {
  Fixture f;
  f.publisher.start();
  std::jthread events([&](std::stop_token stop) {
    for (int i = 0; !stop.stop_requested(); ++i)
      f.store.upsert(cluster_ip_service("default/web", {i % 2 == 0 ? "10.0.0.1" : "10.0.0.2"}));
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  f.publisher.stop();
  CHECK(true);
}

TEST_CASE("names that still exist never blink: relists, moves between slices, ClusterIPs that change hands") {
  Fixture f;
  const std::vector<EndpointPort> sql{{"sql", Protocol::tcp, 5432}};
  const auto list_services = [&](const char* owner) {
    f.store.begin_list(Kind::service);
    f.store.upsert(headless_service("default/db"));
    f.store.upsert(cluster_ip_service("default/web", {"10.0.0.1"}));
    f.store.upsert(cluster_ip_service(owner, {"10.0.0.2"}));
    f.store.end_list(Kind::service);
  };
  const auto list_slices = [&](bool first) {
    f.store.begin_list(Kind::endpoint_slice);
    // In the order in which nothing is lost: the new home before the old one is left.
    f.store.upsert(slice(first ? "default/db-1" : "default/db-2", "db", sql, {endpoint({"10.1.0.1"}, "a")}));
    f.store.end_list(Kind::endpoint_slice);
  };
  f.store.begin_list(Kind::kNamespace);
  f.store.upsert(Namespace{"default"});
  f.store.end_list(Kind::kNamespace);
  list_services("default/x");
  list_slices(true);
  f.publisher.start();
  REQUIRE(f.publisher.flush(patience));
  REQUIRE(f.table.synced.load());

  std::atomic<int> missing = 0;
  std::atomic<long> looks = 0;
  {
    std::jthread reader([&](std::stop_token stop) {
      const base::ReaderThread thread;
      const std::vector<std::string> forward{wire("web.default.svc"),     wire("db.default.svc"),
                                             wire("a.db.default.svc"),    wire("_sql._tcp.db.default.svc"),
                                             wire("_tcp.db.default.svc"), wire("default.svc")};
      const std::vector<std::string> reverse{
          reverse_wire("1.0.0.10.in-addr.arpa"), reverse_wire("1.0.1.10.in-addr.arpa"),
          reverse_wire("2.0.0.10.in-addr.arpa"), reverse_wire("0.1.10.in-addr.arpa")};
      while (!stop.stop_requested()) {
        const base::ReadSection section;
        for (const auto& owner : forward) {
          const auto* const entry = f.table.forward.find(owner);
          if (entry == nullptr || entry->presence() != zones::Presence::exists) ++missing;
        }
        for (const auto& owner : reverse) missing += f.table.reverse.find(owner) == nullptr ? 1 : 0;
        ++looks;
      }
    });
    for (int round = 0; round < 60; ++round) {
      list_services(round % 2 == 0 ? "default/y" : "default/x");
      list_slices(round % 2 != 0);
      f.store.begin_list(Kind::kNamespace);
      f.store.upsert(Namespace{"default"});
      f.store.end_list(Kind::kNamespace);
      f.store.begin_list(Kind::service);
      f.store.abort_list(Kind::service);
      if (round % 3 == 0) REQUIRE(f.publisher.flush(patience));
    }
    REQUIRE(f.publisher.flush(patience));
  }
  CHECK(looks > 100);
  CHECK(missing == 0);
}

TEST_CASE("slices that say when they changed are measured until they are published, those of a list are not") {
  Fixture fixture;
  Service headless{.key = {"default", "h"}, .headless = true, .cluster_ips = {}, .ports = {}, .external_name = {}};
  Service plain = headless;
  plain.key.name = "c";
  plain.headless = false;
  const auto slice = [](const char* name, const char* service, const char* address) {
    EndpointSlice made{.key = {"default", name}, .service_name = service, .ports = {}, .endpoints = {}};
    made.endpoints.push_back(
        {.addresses = {base::IpAddress::parse(address).value()}, .hostname = {}, .target_ref_name = {}});
    made.last_change = std::chrono::system_clock::now() - std::chrono::seconds(3);
    return made;
  };
  const auto counted = [&](bool of_headless) {
    const ProgrammingDurations durations = fixture.publisher.programming_durations();
    std::uint64_t sum = 0;
    for (const auto count : (of_headless ? durations.headless_with_selector : durations.cluster_ip).counts)
      sum += count;
    return sum;
  };
  fixture.store.upsert(headless);
  fixture.store.upsert(plain);
  fixture.store.begin_list(Kind::endpoint_slice);
  fixture.store.upsert(slice("h-1", "h", "10.1.0.1"));
  fixture.store.end_list(Kind::endpoint_slice);
  fixture.publish();
  CHECK(counted(true) == 0);
  fixture.store.upsert(slice("h-1", "h", "10.1.0.2"));
  fixture.store.upsert(slice("c-1", "c", "10.1.0.3"));
  fixture.store.upsert(slice("n-1", "nobody", "10.1.0.4"));
  CHECK(counted(true) == 0);
  fixture.publish();
  CHECK(counted(true) == 1);
  CHECK(counted(false) == 1);
  CHECK(fixture.publisher.programming_durations().cluster_ip.sum_seconds >= 3);
}
