#include "k8s/reverse_records.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>

#include "record_table.hpp"

using namespace fairlead;
using namespace fairlead::k8s;
using namespace fairlead::k8s::test;

TEST_CASE("an address's reverse name has octets or nibbles from the right") {
  CHECK(reverse_presentation(reverse_key(address("10.1.20.255"))) == "255.20.1.10.in-addr.arpa");
  CHECK(reverse_presentation(reverse_key(address("fd00:12::ab"))) ==
        "b.a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2.1.0.0.0.0.d.f.ip6.arpa");
}

TEST_CASE("a ClusterIP has exactly one PTR record, even if endpoints or another Service have the address") {
  const auto table = table_of({}, cluster_ip_service("default/web", {"10.0.0.1", "fd00::1"}),
                              cluster_ip_service("default/zeb", {"10.0.0.1"}), headless_service("default/db"),
                              slice("default/db-1", "db", {}, {endpoint({"10.0.0.1"}, "a")}));
  CHECK(table.dump("1.0.0.10.in-addr.arpa") == "\n1.0.0.10.in-addr.arpa PTR web.default\n");
  const auto v6 = reverse_presentation(reverse_key(address("fd00::1")));
  CHECK(table.dump(v6) == "\n" + v6 + " PTR web.default\n");
}

TEST_CASE("an endpoint's address has one PTR record for each Service, without duplicates") {
  const auto table = table_of({}, headless_service("default/db"), cluster_ip_service("default/web", {"10.0.0.1"}),
                              slice("default/db-1", "db", {}, {endpoint({"10.1.0.5"}, "a")}),
                              slice("default/db-2", "db", {}, {endpoint({"10.1.0.5"}, "a")}),
                              slice("default/web-1", "web", {}, {endpoint({"10.1.0.5"})}));
  CHECK(table.dump("5.0.1.10.in-addr.arpa") == R"(
5.0.1.10.in-addr.arpa PTR a.db.default
5.0.1.10.in-addr.arpa PTR 10-1-0-5.web.default
)");
}

TEST_CASE("endpoints of both families in one slice have reverse names") {
  const auto table = table_of({}, slice("default/db-1", "db", {{"sql", Protocol::tcp, 5432}},
                                        {endpoint({"fd00::1"}, "six"), endpoint({"10.1.0.5"}), endpoint({"fd00::2"})}));
  CHECK(table.dump() == R"(
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa PTR six.db.default
2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa PTR fd00--2.db.default
5.0.1.10.in-addr.arpa PTR 10-1-0-5.db.default
default.svc exists
)");
}

TEST_CASE("when a ClusterIP goes to another Service, the reverse name follows without a gap") {
  ObjectStore store(cluster_local());
  RecordTable table;
  store.upsert(Namespace{"default"});
  store.upsert(cluster_ip_service("default/old", {"10.0.0.1"}));
  store.drain(table);
  store.remove(Kind::service, key("default/old"));
  store.upsert(cluster_ip_service("default/new", {"10.0.0.1"}));
  store.drain(table);
  CHECK(table.dump("1.0.0.10.in-addr.arpa") == "\n1.0.0.10.in-addr.arpa PTR new.default\n");
}

TEST_CASE("a reverse name holds no more PTR records than a message") {
  std::vector<std::string> names;
  for (int i = 0; i < 3000; ++i) names.push_back("s" + std::to_string(i));
  std::vector<AddressOwner> owners;
  for (const auto& name : names) owners.push_back({"default", name, "a"});
  zones::NameContent content;
  CHECK(fill_reverse(owners, dns::DomainName::parse("cluster.local").value(), content));
  CHECK(content.ptrs.size() == ptrs_max);
}

TEST_CASE("names that do not fit below a long zone have no PTR record") {
  std::string zone;
  for (int i = 0; i < 4; ++i) zone += std::string(60, 'z') + ".";
  std::vector<AddressOwner> owners{{"default", "web", ""}};
  zones::NameContent content;
  CHECK_FALSE(fill_reverse(owners, dns::DomainName::parse(zone).value(), content));
}

TEST_CASE("the keys of a reverse table are those of the names asked for, and stand for them") {
  for (const auto* const text : {"10.1.20.255", "0.0.0.0", "fd00:12::ab"}) {
    for (std::optional<ReversePrefix> prefix(address(text)); prefix; prefix = prefix->parent()) {
      const dns::NameBuffer name = reverse_name(prefix->key());
      CHECK(reverse_key(name.view()) == prefix->key());
      CHECK(dns::DomainName::parse(reverse_presentation(prefix->key()))->view() == name.view());
    }
  }
  const auto key_of = [](const char* text) {
    const auto name = dns::DomainName::parse(text).value();
    return std::string(reverse_key(name));
  };
  CHECK(key_of("in-addr.arpa") == "\7");
  CHECK(key_of("ip6.arpa") == "\3");
  CHECK(key_of("ip6.in-addr.arpa") == "\3ip6\7");
  CHECK(key_of("in-addr.ip6.arpa") == "\7in-addr\3");
}

TEST_CASE("empty non-terminals come with the first name below them and go with the last") {
  ReverseNonTerminals above;
  const auto keys = [](const std::vector<ReversePrefix>& prefixes) {
    std::vector<std::string> texts;
    for (const auto& prefix : prefixes) texts.push_back(reverse_presentation(prefix.key()));
    return texts;
  };
  CHECK(keys(above.add(address("10.1.2.3"))) ==
        std::vector<std::string>{"in-addr.arpa", "10.in-addr.arpa", "1.10.in-addr.arpa", "2.1.10.in-addr.arpa"});
  CHECK(keys(above.add(address("10.1.2.4"))).empty());
  CHECK(keys(above.add(address("10.1.0.4"))) == std::vector<std::string>{"0.1.10.in-addr.arpa"});
  CHECK(keys(above.remove(address("10.1.2.3"))).empty());
  CHECK(keys(above.remove(address("10.1.2.4"))) == std::vector<std::string>{"2.1.10.in-addr.arpa"});
  CHECK(keys(above.remove(address("10.1.0.4"))) ==
        std::vector<std::string>{"0.1.10.in-addr.arpa", "1.10.in-addr.arpa", "10.in-addr.arpa", "in-addr.arpa"});
  CHECK(above.size() == 0);

  CHECK(above.add(address("fd00::1")).size() == 32);
  CHECK(keys(above.add(address("fd00::11"))) ==
        std::vector<std::string>{"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa"});
  CHECK(above.add(address("fd00::12")).empty());
}

TEST_CASE("empty non-terminals of random sets of addresses are those of a plain computation") {
  std::mt19937 random(7);
  ReverseNonTerminals above;
  std::map<std::string, base::IpAddress> present;
  std::set<std::string> published;
  for (int step = 0; step < 3000; ++step) {
    const int low = static_cast<int>(random() % 40);
    const auto text = random() % 2 == 0 ? "10.0." + std::to_string(low % 5) + "." + std::to_string(low)
                                        : "fd00::" + std::to_string(low % 4) + ":" + std::to_string(low);
    const auto parsed = address(text);
    if (present.erase(parsed.to_string()) > 0) {
      for (const auto& gone : above.remove(parsed)) CHECK(published.erase(std::string(gone.key())) == 1);
    } else {
      present.emplace(parsed.to_string(), parsed);
      for (const auto& fresh : above.add(parsed)) CHECK(published.insert(std::string(fresh.key())).second);
    }
    if (step % 100 != 0) continue;
    std::set<std::string> expected;
    for (const auto& [name, held] : present) {
      for (auto up = ReversePrefix(held).parent(); up; up = up->parent()) expected.insert(std::string(up->key()));
    }
    CHECK(published == expected);
    CHECK(above.size() == expected.size());
  }
}
