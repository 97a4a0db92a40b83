#include "zones/name_table.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <set>
#include <thread>

#include "wire.hpp"
#include "zones/base/published.hpp"

using namespace fairlead;
using namespace fairlead::zones;
using wire::ip;
using wire::labels;

namespace {

NameContent addresses(std::initializer_list<std::string_view> texts) {
  NameContent content;
  for (const auto text : texts) content.addresses.push_back(ip(text));
  return content;
}

TEST_CASE("a table that has grown several times over finds every name, and those that came before it grew") {
  const base::ReaderThread thread;
  NameTable table;
  constexpr int names = 70000;
  const auto key = [](int i) {
    const std::string label = "n" + std::to_string(i);
    return static_cast<char>(label.size()) + label;
  };
  for (int i = 0; i < names; ++i) table.put(NameEntry::make(key(i), NameContent{}, 5));
  for (int i = 0; i < names; i += 2) table.erase(key(i));
  CHECK(table.size() == names / 2);
  const base::ReadSection section;
  int wrong = 0;
  for (int i = 0; i < names; ++i) wrong += (table.find(key(i)) != nullptr) != (i % 2 == 1);
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("a name is found by its key, replaced as a whole and gone when it is erased") {
  const base::ReaderThread thread;
  NameTable table;
  table.put(NameEntry::make(labels("web.default.svc"), addresses({"10.0.0.1", "2001:db8::1"}), 5));
  table.put(NameEntry::make(labels("db.default.svc"), addresses({"10.0.0.2"}), 5));
  CHECK(table.size() == 2);
  {
    const base::ReadSection section;
    const NameEntry* const entry = table.find(labels("web.default.svc"));
    REQUIRE(entry != nullptr);
    CHECK(entry->key() == labels("web.default.svc"));
    CHECK(entry->a_count() == 1);
    CHECK(entry->aaaa_count() == 1);
    CHECK(entry->ttl() == 5);
    CHECK(table.find(labels("default.svc")) == nullptr);
    CHECK(table.find("") == nullptr);
    // The key is octets: another label boundary is another name.
    CHECK(table.find(labels(R"(web\.default.svc)")) == nullptr);
  }
  table.put(NameEntry::make(labels("web.default.svc"), {}, 7));
  CHECK(table.size() == 2);
  {
    const base::ReadSection section;
    CHECK(table.find(labels("web.default.svc"))->a_count() == 0);
    CHECK(table.find(labels("web.default.svc"))->ttl() == 7);
  }
  table.erase(labels("web.default.svc"));
  table.erase(labels("web.default.svc"));
  table.erase(labels("never.was"));
  CHECK(table.size() == 1);
  const base::ReadSection section;
  CHECK(table.find(labels("web.default.svc")) == nullptr);
  CHECK(table.find(labels("db.default.svc")) != nullptr);
}

TEST_CASE("equal content in any order makes equal entries; any difference makes them differ") {
  const auto make = [](auto change) {
    NameContent content = addresses({"10.0.0.2", "10.0.0.1", "2001:db8::2", "2001:db8::1"});
    content.srv_suffix = labels("web.default.svc");
    content.targets = {{"a", {ip("10.0.0.9"), ip("10.0.0.3"), ip("2001:db8::9")}}};
    content.srvs = {{.port = 80, .target = 0}};
    content.srv_weight = 100;
    content.ptrs = {wire::name("web.default.svc.cluster.local")};
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
    c.cname = c.ptrs[0];  // the same octets, another type
    c.ptrs.clear();
  }));
  CHECK_FALSE(*original == *NameEntry::make("\3web", {}, 5));
}

TEST_CASE("content that no message could hold is left out, not written past its count") {
  SUBCASE("keys and suffixes over a name's length") {
    CHECK(NameEntry::make(std::string(254, 'k'), {}, 5) != nullptr);
    CHECK(NameEntry::make(std::string(255, 'k'), {}, 5) == nullptr);
    const base::ReaderThread thread;
    NameTable table;
    table.put(NameEntry::make(std::string(255, 'k'), {}, 5));
    CHECK(table.size() == 0);
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
    const std::uint8_t* const packed = entry->targets();
    CHECK(packed[0] == 0);
    CHECK(dns::read_u16(packed + 1) == 65535);
    // The next target stands where the first one's counts say.
    const std::uint8_t* const next = packed + 5 + 65535 * 4;
    CHECK(std::string_view(reinterpret_cast<const char*>(next), 5) == "\4next");
  }
  SUBCASE("SRV records to targets that are not there") {
    NameContent content;
    content.targets = {{"a", {}}};
    content.srvs = {{.port = 1, .target = 0}, {.port = 2, .target = 1}, {.port = 3, .target = 65535}};
    CHECK(NameEntry::make("\1a", content, 5)->srv_count() == 1);
  }
}

TEST_CASE("for_each sees every name once") {
  const base::ReaderThread thread;
  NameTable table;
  std::set<std::string> expected;
  for (int i = 0; i < 5000; ++i) {
    const std::string key = labels("n" + std::to_string(i) + ".svc");
    table.put(NameEntry::make(key, {}, 5));
    if (i % 3 != 0) {
      expected.insert(key);
    } else {
      table.erase(key);
    }
  }
  std::multiset<std::string> seen;
  table.for_each([&seen](const NameEntry& entry) { seen.emplace(entry.key()); });
  CHECK(seen.size() == expected.size());
  CHECK(std::set<std::string>(seen.begin(), seen.end()) == expected);
  CHECK(table.size() == expected.size());
}

TEST_CASE("a reader that looks a name up while it is replaced sees one version, whole") {
  NameTable table;
  const base::ReaderThread thread;
  const std::string key = labels("web.default.svc");
  // Version v has v addresses of each family, and v as its TTL.
  std::vector<NameContent> versions(9);
  for (unsigned version = 1; version < versions.size(); ++version) {
    for (unsigned i = 0; i < version; ++i) {
      versions[version].addresses.push_back(ip("10.0.0." + std::to_string(i)));
      versions[version].addresses.push_back(ip("2001:db8::" + std::to_string(i)));
    }
  }
  table.put(NameEntry::make(key, versions[1], 1));
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      const base::ReaderThread reading;
      while (!stop) {
        const base::ReadSection section;
        const NameEntry* const entry = table.find(key);
        if (entry == nullptr || entry->a_count() != entry->ttl() || entry->aaaa_count() != entry->ttl() ||
            entry->a_records()[0] != 0xc0 || entry->key() != key) {
          ++wrong;
        }
      }
    });
  }
  for (unsigned i = 0; i < 20000; ++i) {
    const unsigned version = i % 8 + 1;
    table.put(NameEntry::make(key, versions[version], version));
    // Neighbours come and go, so that the table also grows and shrinks its chains.
    const std::string other = labels("n" + std::to_string(i % 3000) + ".svc");
    if (i % 2 == 0) {
      table.put(NameEntry::make(other, {}, 5));
    } else {
      table.erase(other);
    }
  }
  stop = true;
  for (auto& reader : readers) reader.join();
  CHECK(wrong == 0);
}
