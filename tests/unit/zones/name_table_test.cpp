#include "zones/name_table.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <set>
#include <thread>

#include "contents.hpp"
#include "wire.hpp"
#include "zones/base/published.hpp"

using namespace fairlead;
using namespace fairlead::zones;
using test::addresses;
using wire::ip;
using wire::labels;

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

TEST_CASE("a table in which names come and go, few at a time, neither fills up with marks nor stays large") {
  const base::ReaderThread thread;
  NameTable table;
  const auto key = [](int i) { return labels("n" + std::to_string(i) + ".svc"); };
  for (int i = 0; i < 5000; ++i) {
    table.put(NameEntry::make(key(i), {}, 5));
    if (i >= 30) table.erase(key(i - 30));
  }
  CHECK(table.size() == 30);
  CHECK(table.cells() <= 128);
  for (int i = 5000; i < 20000; ++i) table.put(NameEntry::make(key(i), {}, 5));
  // At most three quarters full, and three cells a name where it grew last; where that was depends on the seed.
  CHECK(table.cells() > 20000);
  CHECK(table.cells() <= 3 * 15030);
  for (int i = 5000; i < 20000; ++i) table.erase(key(i));
  CHECK(table.size() == 30);
  CHECK(table.cells() <= 8 * 64);
  const base::ReadSection section;
  for (int i = 4970; i < 5000; ++i) CHECK(table.find(key(i)) != nullptr);
}

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

TEST_CASE("a name too long to exist changes nothing") {
  const base::ReaderThread thread;
  NameTable table;
  table.put(NameEntry::make(std::string(255, 'k'), {}, 5));
  CHECK(table.size() == 0);
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
            entry->a_addresses()[0] != 10 || entry->key() != key) {
          ++wrong;
        }
      }
    });
  }
  for (unsigned i = 0; i < 20000; ++i) {
    const unsigned version = i % 8 + 1;
    table.put(NameEntry::make(key, versions[version], version));
    // Neighbours come and go, so that the table is written anew meanwhile and its runs change.
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

TEST_CASE("names that stay are found all the while, as others come and go and the table is written anew") {
  NameTable table;
  const base::ReaderThread thread;
  const auto key = [](int i) { return labels("n" + std::to_string(i) + ".svc"); };
  constexpr int staying = 40;
  for (int i = 0; i < staying; ++i) table.put(NameEntry::make(key(i), {}, 5));
  std::atomic<bool> stop{false};
  std::atomic<int> missed{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      const base::ReaderThread reading;
      while (!stop) {
        for (int n = 0; n < staying; ++n) {
          const base::ReadSection section;
          if (table.find(key(n)) == nullptr) ++missed;
        }
        int seen = 0;
        table.for_each([&](const NameEntry& entry) { seen += entry.ttl() == 5 ? 1 : 0; });
        if (seen != staying) ++missed;
      }
    });
  }
  for (int wave = 0; wave < 60; ++wave) {
    for (int i = 0; i < 400; ++i) table.put(NameEntry::make(key(1000 + wave % 7 + i), {}, 7));
    for (int i = 0; i < 400; ++i) table.erase(key(1000 + wave % 7 + i));
  }
  stop = true;
  for (auto& reader : readers) reader.join();
  CHECK(missed == 0);
  CHECK(table.size() == staying);
}
