#include "zones/name_entry.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <tuple>

#include "contents.hpp"
#include "wire.hpp"

using namespace fairlead;
using namespace fairlead::zones;
using test::addresses;
using wire::ip;
using wire::labels;

namespace {

std::string as_text(std::span<const std::uint8_t> octets) {
  return {reinterpret_cast<const char*>(octets.data()), octets.size()};
}

std::vector<base::IpAddress> read_addresses(std::span<const std::uint8_t> a, std::span<const std::uint8_t> aaaa) {
  std::vector<base::IpAddress> addresses;
  for (; !a.empty(); a = a.subspan(4)) addresses.push_back(base::IpAddress::v4(a.first<4>()));
  for (; !aaaa.empty(); aaaa = aaaa.subspan(16)) addresses.push_back(base::IpAddress::v6(aaaa.first<16>()));
  return addresses;
}

std::vector<std::string> read_ptrs(const NameEntry& entry) {
  std::vector<std::string> targets;
  PtrTargets ptrs(entry);
  for (auto target = ptrs.next(); !target.empty(); target = ptrs.next()) targets.push_back(as_text(target));
  CHECK(ptrs.next().empty());
  return targets;
}

/// An SRV record with all that it leads to.
using ReadSrv = std::tuple<std::uint16_t, std::string, std::vector<base::IpAddress>>;

std::vector<ReadSrv> read_srvs(const NameEntry& entry) {
  std::vector<ReadSrv> read;
  SrvRecords srvs(entry);
  for (std::size_t i = 0; i < srvs.count(); ++i) {
    const auto srv = srvs[i];
    const SrvTarget& target = srvs.target(srv.target);
    read.emplace_back(srv.port, as_text(target.label()) + as_text(srvs.suffix()),
                      read_addresses(target.a_addresses(), target.aaaa_addresses()));
  }
  return read;
}

void sort_unique(std::vector<base::IpAddress>& addresses) {
  std::ranges::sort(addresses, [](const auto& a, const auto& b) {
    return a.is_v4() != b.is_v4() ? a.is_v4() : a < b;  // A before AAAA
  });
  const auto repeated = std::ranges::unique(addresses);
  addresses.erase(repeated.begin(), repeated.end());
}

std::string labels_of(const NameContent::Target& target) {
  std::string name;
  for (const std::string& label : {target.label, target.parent}) {
    if (label.empty()) break;
    name += static_cast<char>(label.size());
    name += label;
  }
  return name;
}

std::vector<ReadSrv> expected_srvs(const NameContent& content) {
  std::vector<ReadSrv> expected;
  for (const auto& srv : content.srvs) {
    const auto& target = content.targets[srv.target];
    const std::string name = labels_of(target);
    std::vector<base::IpAddress> glue(target.addresses.begin(), target.addresses.end());
    sort_unique(glue);
    expected.emplace_back(srv.port, name + content.srv_suffix, glue);
  }
  return expected;
}

void check_reads_back(std::string_view key, const NameContent& content, std::uint32_t ttl) {
  const auto entry = NameEntry::make(key, content, ttl);
  REQUIRE(entry != nullptr);
  CHECK(entry->key() == key);
  CHECK(entry->ttl() == ttl);
  CHECK(entry->presence() == content.presence);
  std::vector<base::IpAddress> expected(content.addresses.begin(), content.addresses.end());
  sort_unique(expected);
  CHECK(read_addresses(entry->a_addresses(), entry->aaaa_addresses()) == expected);
  CHECK(entry->a_count() + entry->aaaa_count() == expected.size());
  CHECK(entry->has_a() == (entry->a_count() > 0));
  CHECK(entry->has_aaaa() == (entry->aaaa_count() > 0));
  if (content.cname) {
    CHECK(dns::NameView(entry->cname()) == *content.cname);
    CHECK(read_ptrs(*entry).empty());
  } else {
    CHECK(std::ranges::equal(read_ptrs(*entry), content.ptrs));
    CHECK(entry->cname().empty());
  }
  CHECK(entry->has_cname() == content.cname.has_value());
  CHECK(entry->has_srv() == !content.srvs.empty());
  CHECK(read_srvs(*entry) == expected_srvs(content));
  CHECK(SrvRecords(*entry).weight() == (content.srvs.empty() ? 0 : content.srv_weight));
}

}  // namespace

TEST_CASE("whatever form content is packed in, it reads back the same") {
  const std::string web = labels("web.default.svc");
  const auto endpoint = [&](std::string label, std::string_view address) {
    NameContent content = addresses({address});
    content.srv_suffix = web;
    content.targets = {{std::move(label), content.addresses}};
    content.srvs = {{.port = 80, .target = 0}, {.port = 9090, .target = 0}};
    content.srv_weight = 50;
    return content;
  };
  SUBCASE("nothing") { check_reads_back(web, {}, 5); }
  SUBCASE("no ready endpoints") {
    NameContent content;
    content.presence = Presence::no_ready_endpoints;
    check_reads_back(web, content, entry_ttl_max);
  }
  SUBCASE("an endpoint whose target is its own name") {
    check_reads_back(labels("10-0-0-1.web.default.svc"), endpoint("10-0-0-1", "10.0.0.1"), 30);
    check_reads_back(labels("db-0.web.default.svc"), endpoint("db-0", "2001:db8::1"), 30);
  }
  SUBCASE("an endpoint whose SRV target has another address, or another label") {
    auto content = endpoint("10-0-0-1", "10.0.0.1");
    content.targets[0].addresses = {ip("10.0.0.2")};
    check_reads_back(labels("10-0-0-1.web.default.svc"), content, 30);
    check_reads_back(labels("db-0.web.default.svc"), endpoint("DB-0", "10.0.0.1"), 30);
    check_reads_back(labels("b-0.web.default.svc"), endpoint("db-0", "10.0.0.1"), 30);
  }
  SUBCASE("a Service's ports lead to the Service") {
    check_reads_back(web, endpoint("", "10.96.0.1"), 30);
    check_reads_back(labels("_http._tcp.web.default.svc"), endpoint("", "10.96.0.1"), 30);
  }
  SUBCASE("a suffix that is no end of the key") {
    check_reads_back("\3web", endpoint("", "10.96.0.1"), 30);
    auto content = endpoint("a", "10.96.0.1");
    content.srv_suffix.clear();
    check_reads_back("\1a", content, 30);
    check_reads_back("", content, 30);
  }
  SUBCASE("targets that share their ports, and one that has others") {
    auto content = endpoint("10-0-0-1", "10.0.0.1");
    content.targets = {{"10-0-0-1", {ip("10.0.0.1")}},
                       {"db-0", {ip("10.0.0.2")}},
                       {"db-1", {ip("10.0.0.3"), ip("10.0.0.4"), ip("2001:db8::3")}},
                       {"10-0-0-9", {ip("10.0.0.5")}},
                       {"255-255-255-255", {ip("255.255.255.255")}},
                       {"0-0-0-0", {ip("0.0.0.0")}},
                       {"none", {}}};
    content.srvs.clear();
    for (std::uint16_t target = 0; target < content.targets.size(); ++target) {
      content.srvs.push_back({.port = 80, .target = target});
      content.srvs.push_back({.port = 443, .target = target});
    }
    content.addresses = {ip("10.0.0.2"), ip("10.0.0.1")};
    check_reads_back(web, content, 30);
    content.srvs.back().port = 444;
    check_reads_back(web, content, 30);
    content.srvs.pop_back();
    check_reads_back(web, content, 30);
    std::ranges::reverse(content.srvs);
    check_reads_back(web, content, 30);
  }
  SUBCASE("names") {
    NameContent content;
    for (int i = 0; i < 40; ++i) content.ptrs.push_back(labels("n" + std::to_string(i) + ".web.default"));
    check_reads_back("\0011", content, 30);
    content.ptrs.resize(1);
    check_reads_back("\0011", content, 30);
    content.cname = wire::name("web.default.svc.cluster.local");
    content.ptrs.clear();
    check_reads_back("\0011", content, 30);
  }
  SUBCASE("a target that is the address in the key with dashes, or nearly") {
    for (const std::string_view octets : {"1.2.3.4", "255.244.133.122", "0.10.244.10", "10.10.10.10"}) {
      const std::string v4 = labels(octets) + '\7';
      for (const std::string_view target :
           {"4-3-2-1.web.default", "122-133-244-255.web.default", "10-244-10-0.web.default", "10-10-10-10.web.default",
            "10-10-10-10.web.default.more", "10-10-10-10.web", "10-10-10-10", "10-10-10-1.web.default"}) {
        NameContent content;
        content.ptrs = {labels(target)};
        check_reads_back(v4, content, 30);
        check_reads_back(labels(octets), content, 30);  // without the octet behind it
        check_reads_back("", content, 30);
        content.addresses = {ip("10.0.0.1"), ip("fd00::1")};
        content.srvs = {{.port = 80, .target = 0}};
        content.targets = {{"a", {ip("10.0.0.2")}}};
        check_reads_back(v4, content, 30);
        content.ptrs.push_back(labels("other.web.default"));
        check_reads_back(v4, content, 30);
      }
    }
  }
  SUBCASE("counts around the width of their octet") {
    for (const unsigned count : {1u, 253u, 254u, 255u, 256u, 257u, 1000u}) {
      NameContent content;
      content.srv_suffix = web;
      content.srv_weight = static_cast<std::uint16_t>(count);
      for (unsigned i = 0; i < count; ++i) {
        const std::string end = std::to_string(i >> 8) + "." + std::to_string(i & 255);
        content.addresses.push_back(ip("10.0." + end));
        content.addresses.push_back(ip("fd00::" + std::to_string(i)));
        content.targets.push_back({"n" + std::to_string(i), {content.addresses.back()}});
        content.srvs.push_back({.port = static_cast<std::uint16_t>(i % 2), .target = static_cast<std::uint16_t>(i)});
      }
      check_reads_back(web, content, 30);
    }
  }
}

TEST_CASE("random content reads back the same, and equal content gives equal entries") {
  std::mt19937 random(1);
  const auto below = [&](unsigned limit) { return static_cast<unsigned>(random() % limit); };
  const auto address = [&] {
    return below(3) != 0 ? ip("10.0.0." + std::to_string(below(6))) : ip("fd00::" + std::to_string(below(6)));
  };
  const auto label = [&]() -> std::string {
    switch (below(4)) {
      case 0: return "";
      case 1: return "10-0-0-" + std::to_string(below(6));
      default: return std::string(1 + below(63), static_cast<char>('a' + below(3)));
    }
  };
  const std::string suffixes[] = {labels("web.default.svc"), labels("svc"), ""};
  for (int round = 0; round < 3000; ++round) {
    NameContent content;
    for (unsigned i = below(4); i > 0; --i) content.addresses.push_back(address());
    content.srv_suffix = suffixes[below(3)];
    for (unsigned i = below(5); i > 0; --i) {
      content.targets.push_back({label(), {}});
      if (below(3) == 0) content.targets.back().parent = label();
      for (unsigned n = below(3); n > 0; --n) content.targets.back().addresses.push_back(address());
      if (below(2) == 0) content.targets.back().addresses = content.addresses;
    }
    const unsigned ports = below(3);
    for (unsigned i = 0; i < content.targets.size() * ports; ++i) {
      content.srvs.push_back({.port = static_cast<std::uint16_t>(below(9) == 0 ? 1 : 80 + i % ports),
                              .target = static_cast<std::uint16_t>(i / ports)});
    }
    content.srv_weight = static_cast<std::uint16_t>(below(400));
    if (below(4) == 0) content.cname = wire::name("a.example");
    const std::string own = content.targets.empty() ? "" : labels_of(content.targets[0]);
    const std::string key = own + labels("web.default.svc");
    check_reads_back(key, content, 30);
    const auto entry = NameEntry::make(key, content, 30);
    CHECK(*entry == *NameEntry::make(key, content, 30));
    CHECK_FALSE(*entry == *NameEntry::make(key, content, 31));
    auto other = content;
    other.addresses.push_back(ip("10.9.9.9"));
    CHECK_FALSE(*entry == *NameEntry::make(key, other, 30));
  }
}

TEST_CASE("what a large cluster has most of takes few octets") {
  NameContent endpoint = addresses({"10.100.123.213"});
  endpoint.srv_suffix = labels("svc-000123.ns-00123.svc");
  endpoint.targets = {{"10-100-123-213", endpoint.addresses}};
  endpoint.srvs = {{.port = 8080, .target = 0}, {.port = 9090, .target = 0}};
  endpoint.srv_weight = 50;
  const std::string key = labels("10-100-123-213.svc-000123.ns-00123.svc");
  CHECK(NameEntry::make(key, endpoint, 30)->octets() == key.size() + 17);
  // Of its reverse name, whatever octets tell it from others.
  NameContent reverse;
  reverse.ptrs = {labels("10-100-123-213.svc-000123.ns-00123")};
  CHECK(NameEntry::make(labels("213.123.100.10") + '\7', reverse, 30)->octets() == 40);
  // One endpoint more in a headless Service: its address twice, and an octet.
  NameContent service = addresses({"10.100.123.213"});
  service.srv_suffix = labels("svc-000123.ns-00123.svc");
  const auto grow = [&](unsigned i) {
    service.addresses.push_back(ip("10.0.0." + std::to_string(i)));
    service.targets.push_back({"10-0-0-" + std::to_string(i), {service.addresses.back()}});
    for (const std::uint16_t port : {80, 443}) {
      service.srvs.push_back({.port = port, .target = static_cast<std::uint16_t>(service.targets.size() - 1)});
    }
    return NameEntry::make(service.srv_suffix, service, 30)->octets();
  };
  for (unsigned i = 1; i < 10; ++i) grow(i);
  const std::size_t before = grow(10);
  CHECK(grow(11) - before == 9);
}

TEST_CASE("equal content in any order makes equal entries; any difference makes them differ") {
  const auto make = [](auto change) {
    NameContent content = addresses({"10.0.0.2", "10.0.0.1", "2001:db8::2", "2001:db8::1"});
    content.srv_suffix = labels("web.default.svc");
    content.targets = {{"a", {ip("10.0.0.9"), ip("10.0.0.3"), ip("2001:db8::9")}}};
    content.srvs = {{.port = 80, .target = 0}};
    content.srv_weight = 100;
    content.ptrs = {labels("web.default")};
    change(content);
    return NameEntry::make("\3web", content, 5);
  };
  const auto original = make([](NameContent&) {});
  CHECK(*original == *make([](NameContent& c) { std::ranges::reverse(c.addresses); }));
  CHECK(*original == *make([](NameContent& c) { std::ranges::reverse(c.targets[0].addresses); }));
  CHECK(*original == *make([](NameContent& c) { c.addresses.push_back(c.addresses[0]); }));
  CHECK(*original == *make([](NameContent& c) { c.targets[0].addresses.push_back(ip("10.0.0.3")); }));
  CHECK_FALSE(*original == *make([](NameContent& c) { c.addresses.pop_back(); }));
  CHECK_FALSE(*original == *make([](NameContent& c) { c.targets[0].label = "b"; }));
  CHECK_FALSE(*original == *make([](NameContent& c) { c.srvs[0].port = 81; }));
  CHECK_FALSE(*original == *make([](NameContent& c) { c.srv_weight = 50; }));
  CHECK_FALSE(*original == *make([](NameContent& c) { c.presence = Presence::no_ready_endpoints; }));
  CHECK_FALSE(*original == *make([](NameContent& c) { c.ptrs.clear(); }));
  CHECK_FALSE(*original == *make([](NameContent& c) {
    c.cname = wire::name("web.default");  // the same octets, another type
    c.ptrs.clear();
  }));
  CHECK_FALSE(*original == *NameEntry::make("\3web", {}, 5));
}

TEST_CASE("an endpoint's entry is the same whether its only address is said once or twice") {
  const std::string service = labels("web.default.svc");
  for (const std::string_view label : {"10-1-2-3", "web-0", "WEB-0"}) {
    for (const std::size_t ports : {1, 2, 300}) {
      NameContent content = addresses({"10.1.2.3"});
      content.in_transfers = ports == 2;
      content.srv_weight = static_cast<std::uint16_t>(100 * ports);
      content.srv_suffix = service;
      content.targets = {{std::string(label), content.addresses}};
      for (std::size_t i = 0; i < ports; ++i) content.srvs.push_back({.port = static_cast<std::uint16_t>(80 + i)});
      NameContent again = content;
      again.addresses.push_back(content.addresses.front());
      again.targets[0].addresses.push_back(content.addresses.front());
      for (const std::string& key : {static_cast<char>(label.size()) + std::string(label) + service, service}) {
        check_reads_back(key, content, 30);
        CHECK(*NameEntry::make(key, content, 30) == *NameEntry::make(key, again, 30));
      }
    }
  }
}

TEST_CASE("a TTL longer than an entry can hold is the longest that it can") {
  CHECK(NameEntry::make("\1a", {}, entry_ttl_max)->ttl() == entry_ttl_max);
  CHECK(NameEntry::make("\1a", {}, entry_ttl_max + 1)->ttl() == entry_ttl_max);
}

TEST_CASE("content that no message could hold is left out, not written past its count") {
  SUBCASE("keys and suffixes over a name's length") {
    CHECK(NameEntry::make(std::string(254, 'k'), {}, 5) != nullptr);
    CHECK(NameEntry::make(std::string(255, 'k'), {}, 5) == nullptr);
    NameContent content;
    content.srv_suffix = std::string(300, 's');
    content.targets = {{"a", {ip("10.0.0.1")}}};
    content.srvs = {{.port = 80, .target = 0}};
    CHECK(NameEntry::make("\1a", content, 5)->srv_count() == 0);
  }
  SUBCASE("a target with more addresses than its counter holds") {
    NameContent content;
    content.targets.resize(2);
    for (unsigned i = 0; i < 65536 + 3; ++i) {
      const std::uint8_t octets[4] = {10, static_cast<std::uint8_t>(i >> 16), static_cast<std::uint8_t>(i >> 8),
                                      static_cast<std::uint8_t>(i)};
      content.targets[0].addresses.push_back(base::IpAddress::v4(octets));
    }
    content.targets[1].label = "next";
    content.srvs = {{.port = 80, .target = 1}};
    const auto entry = NameEntry::make("\1a", content, 5);
    SrvRecords srvs(*entry);
    CHECK(srvs.target(0).a_addresses().size() == 65535 * 4);
    CHECK(as_text(srvs.target(1).label()) == "\4next");
  }
  SUBCASE("SRV records to targets that are not there") {
    NameContent content;
    content.targets = {{"a", {}}};
    content.srvs = {{.port = 1, .target = 0}, {.port = 2, .target = 1}, {.port = 3, .target = 65535}};
    CHECK(NameEntry::make("\1a", content, 5)->srv_count() == 1);
  }
}
