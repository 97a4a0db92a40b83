// Pods from the store's changes to the table that readers see.
#include "k8s/pod_table.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "k8s/pod_store.hpp"

using namespace fairlead;
using namespace fairlead::k8s;

namespace {

base::IpAddress ip(std::string_view text) { return base::IpAddress::parse(text).value(); }

/// A store and its table, always in step.
struct Pods {
  explicit Pods(bool keeps_names = false) : store(keeps_names), table(keeps_names) {}

  std::size_t publish() { return table.apply(store.take_changes()); }
  std::size_t put(std::string ns, std::string name, std::optional<base::IpAddress> address) {
    store.upsert({.key = {std::move(ns), std::move(name)}, .address = address});
    return publish();
  }
  std::size_t put(std::string ns, std::string name, const char* address) { return put(ns, name, ip(address)); }
  std::size_t remove(std::string ns, std::string name) {
    store.remove({std::move(ns), std::move(name)});
    return publish();
  }
  bool has(std::string_view ns, std::string_view address) const {
    const base::ReadSection section;
    return table.contains(ns, ip(address));
  }
  /// "namespace" or "namespace/name" of all that have the address.
  std::multiset<std::string> at(std::string_view address) const {
    std::multiset<std::string> found;
    const base::ReadSection section;
    table.for_each(ip(address), [&](std::string_view ns, std::string_view name) {
      found.insert(std::string(ns) + (name.empty() ? "" : "/") + std::string(name));
    });
    return found;
  }

  base::ReaderThread reader;
  PodStore store;
  PodTable table;
};

using Found = std::multiset<std::string>;

}  // namespace

TEST_CASE("a Pod is found by its address in its Namespace alone") {
  Pods pods;
  pods.put("default", "a", "10.0.0.1");
  pods.put("other", "a", "10.0.0.2");
  pods.put("other", "six", "fd00::1");
  CHECK(pods.has("default", "10.0.0.1"));
  CHECK_FALSE(pods.has("default", "10.0.0.2"));
  CHECK_FALSE(pods.has("other", "10.0.0.1"));
  CHECK(pods.has("other", "fd00::1"));
  CHECK_FALSE(pods.has("default", "fd00::1"));
  CHECK_FALSE(pods.has("nowhere", "10.0.0.3"));
  // The first four octets of an IPv6 address are not an IPv4 address.
  CHECK_FALSE(pods.has("other", "253.0.0.0"));
  CHECK(pods.table.size() == 3);
}

TEST_CASE("an address that changes moves, one that is taken away is gone") {
  Pods pods;
  CHECK(pods.put("default", "a", "10.0.0.1") == 1);
  CHECK(pods.put("default", "a", "10.0.0.1") == 0);  // nothing new
  CHECK(pods.put("default", "a", "10.0.0.2") == 2);
  CHECK_FALSE(pods.has("default", "10.0.0.1"));
  CHECK(pods.has("default", "10.0.0.2"));
  pods.put("default", "a", "fd00::2");
  CHECK_FALSE(pods.has("default", "10.0.0.2"));
  CHECK(pods.has("default", "fd00::2"));
  pods.put("default", "a", std::nullopt);
  CHECK_FALSE(pods.has("default", "fd00::2"));
  CHECK(pods.table.size() == 0);
  CHECK(pods.store.size() == 0);
  CHECK(pods.remove("default", "a") == 0);
}

TEST_CASE("an address of several Pods stays until the last of them is gone, in each Namespace for itself") {
  for (const bool keeps_names : {false, true}) {
    CAPTURE(keeps_names);
    Pods pods(keeps_names);
    for (const char* name : {"proxy", "agent", "exporter"}) pods.put("kube-system", name, "192.0.2.1");
    pods.put("monitoring", "node", "192.0.2.1");
    pods.remove("kube-system", "proxy");
    pods.remove("kube-system", "agent");
    CHECK(pods.at("192.0.2.1") ==
          (keeps_names ? Found{"kube-system/exporter", "monitoring/node"} : Found{"kube-system", "monitoring"}));
    pods.remove("kube-system", "exporter");
    CHECK(pods.at("192.0.2.1") == (keeps_names ? Found{"monitoring/node"} : Found{"monitoring"}));
    pods.remove("monitoring", "node");
    CHECK(pods.at("192.0.2.1").empty());
  }
}

TEST_CASE("names of Pods are kept where they are asked for, whatever way a Pod goes") {
  Pods pods(true);
  pods.put("default", "web-0", "10.0.0.1");
  pods.put("default", "web-1", "fd00::1");
  CHECK(pods.at("10.0.0.1") == Found{"default/web-0"});
  CHECK(pods.at("fd00::1") == Found{"default/web-1"});
  pods.put("default", "web-0", "10.0.0.2");
  CHECK(pods.at("10.0.0.1").empty());
  CHECK(pods.at("10.0.0.2") == Found{"default/web-0"});
  pods.store.begin_list();
  pods.store.upsert({.key = {"default", "web-1"}, .address = ip("fd00::1")});
  CHECK(pods.store.end_list());
  pods.publish();
  CHECK(pods.at("10.0.0.2").empty());
  CHECK(pods.at("fd00::1") == Found{"default/web-1"});
}

TEST_CASE("a list is a difference: what it does not bring goes at its end, and one that breaks off removes nothing") {
  Pods pods;
  pods.put("default", "a", "10.0.0.1");
  pods.put("default", "b", "10.0.0.2");
  pods.store.begin_list();
  pods.store.upsert({.key = {"default", "b"}, .address = ip("10.0.0.2")});
  CHECK(pods.publish() == 0);
  // It breaks off here. What the next one sees is its own affair.
  pods.store.begin_list();
  pods.store.upsert({.key = {"default", "a"}, .address = ip("10.0.0.1")});
  pods.store.upsert({.key = {"default", "c"}, .address = ip("10.0.0.3")});
  pods.publish();
  CHECK(pods.has("default", "10.0.0.2"));
  CHECK(pods.store.end_list());
  CHECK(pods.publish() == 1);
  CHECK(pods.has("default", "10.0.0.1"));
  CHECK_FALSE(pods.has("default", "10.0.0.2"));
  CHECK(pods.has("default", "10.0.0.3"));
  pods.store.begin_list();
  for (const char* name : {"a", "c"}) {
    pods.store.upsert({.key = {"default", name}, .address = ip(name == std::string("a") ? "10.0.0.1" : "10.0.0.3")});
  }
  CHECK_FALSE(pods.store.end_list());
  CHECK(pods.publish() == 0);
}

TEST_CASE("the number of a Namespace is given again only when no reader can know it by its old name") {
  Pods pods;
  PodChanges changes;
  const auto id_of = [&](const char* ns) {
    pods.store.upsert({.key = {ns, "a"}, .address = ip("10.0.0.1")});
    changes = pods.store.take_changes();
    REQUIRE(changes.named.size() == 1);
    pods.table.apply(changes);
    return changes.named[0].id;
  };
  const auto old_id = id_of("old");
  std::atomic<bool> is_reading{false}, may_end{false};
  std::thread reader([&] {
    const base::ReaderThread thread;
    const base::ReadSection section;
    is_reading = true;
    while (!may_end) std::this_thread::yield();
  });
  while (!is_reading) std::this_thread::yield();
  pods.remove("old", "a");
  CHECK(id_of("new") != old_id);
  may_end = true;
  reader.join();
  base::wait_for_reclaim();
  CHECK(id_of("newer") == old_id);
  CHECK(pods.has("newer", "10.0.0.1"));
  CHECK_FALSE(pods.has("old", "10.0.0.1"));
}

TEST_CASE("Namespaces beyond the limit are left out, those that are known go on") {
  PodStore store(false);
  for (std::uint32_t i = 0; i < PodTable::namespaces_max; ++i) {
    REQUIRE(store.upsert({.key = {"n" + std::to_string(i), "a"}, .address = ip("10.0.0.1")}) ==
            PodStore::Outcome::changed);
    if (i % 1000 == 0) store.take_changes();
  }
  CHECK(store.upsert({.key = {"more", "a"}, .address = ip("10.0.0.1")}) == PodStore::Outcome::left_out);
  CHECK(store.upsert({.key = {"n7", "b"}, .address = ip("10.0.0.2")}) == PodStore::Outcome::changed);
}

TEST_CASE("any sequence of events leaves what a plain model holds") {
  for (const bool keeps_names : {false, true}) {
    CAPTURE(keeps_names);
    Pods pods(keeps_names);
    std::map<ObjectKey, base::IpAddress> model;
    std::mt19937 random(7);
    const auto draw = [&](unsigned count) { return static_cast<unsigned>(random() % count); };
    const auto draw_address = [&] {
      const unsigned number = draw(60);
      return ip((number % 3 == 0 ? "fd00::" : "10.0.0.") + std::to_string(number));
    };
    for (int round = 0; round < 60; ++round) {
      const bool is_list = round % 5 == 4;
      std::map<ObjectKey, base::IpAddress> listed;
      if (is_list) pods.store.begin_list();
      for (int event = 0; event < 200; ++event) {
        const ObjectKey key{"ns" + std::to_string(draw(8)), "pod" + std::to_string(draw(150))};
        if (!is_list && draw(3) == 0) {
          pods.store.remove(key);
          model.erase(key);
        } else {
          const auto address = draw_address();
          pods.store.upsert({.key = key, .address = address});
          (is_list ? listed : model)[key] = address;
        }
        if (draw(20) == 0) pods.publish();
      }
      if (is_list) {
        pods.store.end_list();
        model = listed;
      }
      pods.publish();
      std::map<base::IpAddress, Found> expected;
      for (const auto& [key, address] : model) {
        const std::string text = keeps_names ? key.namespace_name + "/" + key.name : key.namespace_name;
        if (keeps_names || !expected[address].contains(text)) expected[address].insert(text);
      }
      for (int number = 0; number < 60; ++number) {
        const std::string address = (number % 3 == 0 ? "fd00::" : "10.0.0.") + std::to_string(number);
        REQUIRE(pods.at(address) == expected[ip(address)]);
      }
      REQUIRE(pods.store.size() == model.size());
    }
  }
}

TEST_CASE("readers see a Pod that stays at every moment of relists and changes around it") {
  Pods pods;
  for (int i = 0; i < 2000; ++i) {
    pods.store.upsert({.key = {"default", "stays-" + std::to_string(i)},
                       .address = ip("10.1." + std::to_string(i / 250) + "." + std::to_string(i % 250))});
  }
  pods.publish();
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> missing{0}, looked{0};
  std::thread reader([&] {
    const base::ReaderThread thread;
    while (!stop) {
      for (int i = 0; i < 2000; ++i) {
        const auto address = ip("10.1." + std::to_string(i / 250) + "." + std::to_string(i % 250));
        const base::ReadSection section;
        if (!pods.table.contains("default", address)) ++missing;
        ++looked;
      }
    }
  });
  for (int round = 0; round < 20; ++round) {
    pods.store.begin_list();
    for (int i = 0; i < 2000; ++i) {
      pods.store.upsert({.key = {"default", "stays-" + std::to_string(i)},
                         .address = ip("10.1." + std::to_string(i / 250) + "." + std::to_string(i % 250))});
      pods.store.upsert({.key = {"ns" + std::to_string(round), "comes-" + std::to_string(i)},
                         .address = ip("10.2." + std::to_string(i / 250) + "." + std::to_string(i % 250))});
      if (i % 300 == 0) pods.publish();
    }
    pods.store.end_list();
    pods.publish();
  }
  while (looked == 0) std::this_thread::yield();
  stop = true;
  reader.join();
  CHECK(missing == 0);
}

TEST_CASE("a Pod from a snapshot is taken over by the one that a list brings, unseen") {
  Pods pods;
  CHECK(pods.store.restore("default", ip("10.0.0.1")) == PodStore::Outcome::changed);
  CHECK(pods.store.restore("default", ip("10.0.0.1")) == PodStore::Outcome::unchanged);
  pods.store.restore("default", ip("fd00::1"));
  pods.store.restore("default", ip("10.0.0.2"));
  pods.store.restore("other", ip("10.0.0.1"));
  CHECK(pods.publish() == 4);
  CHECK(pods.has("default", "10.0.0.1"));

  pods.store.begin_list();
  CHECK(pods.put("default", "a", "10.0.0.1") == 0);
  CHECK(pods.put("default", "six", "fd00::1") == 0);
  CHECK(pods.store.size() == 4);
  CHECK(pods.put("default", "b", "10.0.0.1") == 0);  // it shares the address
  CHECK(pods.put("default", "c", "10.0.0.3") == 1);
  CHECK(pods.store.end_list());
  CHECK(pods.publish() == 2);
  CHECK_FALSE(pods.has("default", "10.0.0.2"));
  CHECK_FALSE(pods.has("other", "10.0.0.1"));
  CHECK(pods.store.size() == 4);

  // And from now on each of them is itself.
  CHECK(pods.remove("default", "a") == 0);
  CHECK(pods.has("default", "10.0.0.1"));
  CHECK(pods.remove("default", "b") == 1);
  CHECK(pods.remove("default", "six") == 1);
  CHECK(pods.remove("default", "c") == 1);
  CHECK(pods.store.size() == 0);
  CHECK(pods.table.size() == 0);
}

TEST_CASE("a Pod from a snapshot whose address moved goes at the end of the list") {
  Pods pods;
  pods.store.restore("default", ip("10.0.0.1"));
  pods.publish();
  pods.store.begin_list();
  pods.put("default", "a", "10.0.0.2");
  pods.put("default", "a", "10.0.0.1");  // an event in the middle of it
  pods.store.end_list();
  pods.publish();
  CHECK(pods.has("default", "10.0.0.1"));
  CHECK_FALSE(pods.has("default", "10.0.0.2"));
  CHECK(pods.store.size() == 1);
  pods.remove("default", "a");
  CHECK(pods.table.size() == 0);
}

TEST_CASE("where names are kept, a Pod from a snapshot gets its name without being missing") {
  Pods pods(true);
  pods.store.restore("default", ip("10.0.0.1"));
  pods.store.restore("default", ip("10.0.0.2"));
  pods.publish();
  CHECK(pods.at("10.0.0.1") == Found{"default"});
  pods.store.begin_list();
  const auto changes = [&] {
    pods.store.upsert({.key = {"default", "a"}, .address = ip("10.0.0.1")});
    pods.store.upsert({.key = {"default", "b"}, .address = ip("10.0.0.1")});
    return pods.store.take_changes();
  }();
  REQUIRE(changes.changes.size() == 3);
  CHECK(changes.changes[0].is_added);
  pods.table.apply(changes);
  CHECK(pods.at("10.0.0.1") == Found{"default/a", "default/b"});
  pods.store.end_list();
  pods.publish();
  CHECK(pods.at("10.0.0.2").empty());
  pods.remove("default", "a");
  CHECK(pods.at("10.0.0.1") == Found{"default/b"});
  pods.remove("default", "b");
  CHECK(pods.table.size() == 0);
}

TEST_CASE("what a snapshot brought and a list did, at random, ends as the list says") {
  for (const bool keeps_names : {false, true}) {
    std::mt19937 random(7);
    for (int round = 0; round < 50; ++round) {
      Pods pods(keeps_names);
      const auto draw_address = [&] {
        const auto number = static_cast<std::uint8_t>(random() % 20);
        return number < 10 ? base::IpAddress::v4({{10, 0, 0, number}}) : ip("fd00::" + std::to_string(number));
      };
      const auto draw_namespace = [&] { return "n" + std::to_string(random() % 3); };
      for (int i = 0; i < 30; ++i) {
        pods.store.restore(draw_namespace(), draw_address());
        if (random() % 4 == 0) pods.publish();
      }
      std::map<std::pair<std::string, std::string>, base::IpAddress> expected;
      pods.store.begin_list();
      for (int i = 0; i < 60; ++i) {
        const std::string ns = draw_namespace(), name = "p" + std::to_string(random() % 20);
        if (random() % 5 == 0) {
          pods.remove(ns, name);
          expected.erase({ns, name});
        } else {
          const auto address = draw_address();
          pods.put(ns, name, address);
          expected.insert_or_assign({ns, name}, address);
        }
      }
      pods.store.end_list();
      pods.publish();
      CHECK(pods.store.size() == expected.size());
      for (const auto& [pod, address] : expected) CHECK(pods.has(pod.first, address.to_string()));
      for (const auto& [pod, address] : expected) pods.remove(pod.first, pod.second);
      CHECK(pods.store.size() == 0);
      CHECK(pods.table.size() == 0);
    }
  }
}
