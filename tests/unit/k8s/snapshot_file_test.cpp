#include "k8s/snapshot_file.hpp"

#include <doctest/doctest.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>

#include "record_table.hpp"
#include "temporary_directory.hpp"
#include "zones/base/checksum.hpp"

using namespace fairlead;
using namespace fairlead::k8s;
using namespace fairlead::k8s::test;
using fairlead::k8s::testing::TemporaryDirectory;

namespace {

constexpr std::uint64_t fingerprint = 0x1122334455667788;
constexpr std::int64_t written_at = 1'800'000'000;
constexpr SnapshotHeader header{.fingerprint = fingerprint, .as_of = written_at, .serial = 77};
constexpr SnapshotWanted wanted{.fingerprint = fingerprint, .now = written_at + 10, .age_seconds_max = 3600};

void fill(ObjectStore& store) {
  store.upsert(Namespace{"default"});
  store.upsert(Namespace{"empty"});
  store.upsert(cluster_ip_service("default/web", {"10.96.0.1", "fd00:10::1"}, {{"http", Protocol::tcp, 80}}));
  store.upsert(headless_service("default/db"));
  store.upsert(external_service("default/out", "www.example.com"));
  store.upsert(cluster_ip_service("unknown/later", {"10.96.0.2"}));
  EndpointSlice slice;
  slice.key = key("default/db-1");
  slice.service_name = "db";
  slice.ports = {{"sql", Protocol::udp, 5432}};
  slice.endpoints = {endpoint({"10.0.0.1"}), endpoint({"10.0.0.2"}, "db-0"), endpoint({"fd00::3"})};
  store.upsert(slice);
  slice.key.name = "db-2";
  slice.endpoints.clear();
  store.upsert(slice);
}

std::string octets_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string snapshot_of(const ObjectStore& store, const SnapshotHeader& with = header,
                        const ObjectStore* clusterset = nullptr) {
  const TemporaryDirectory folder;
  REQUIRE(write_snapshot(folder.file("cluster"), with, store, {.clusterset = clusterset}).has_value());
  return octets_of(folder.file("cluster"));
}

std::string names_in(ObjectStore& store) {
  RecordTable table;
  store.drain(table);
  return table.dump();
}

ObjectStoreOptions with_pods() {
  ObjectStoreOptions options = cluster_local();
  options.pods = true;
  return options;
}

ObjectStoreOptions of_clusterset() {
  ObjectStoreOptions options = cluster_local();
  options.records.clusterset = true;
  return options;
}

Pod pod(std::string_view name, const char* at) { return {.key = key(name), .address = address(at)}; }

// "default 10.0.0.1" of all that are held.
std::multiset<std::string> pods_in(const ObjectStore& store) {
  std::multiset<std::string> found;
  ObjectStore::Cursor cursor;
  for (bool more = true; more;) {
    more = store.read_some(cursor, 1000, [&](const StoredObject& object) {
      if (object.kind != Kind::pod) return;
      const auto* const octets = reinterpret_cast<const std::uint8_t*>(object.packed.data());
      const auto at = object.packed.size() == 4 ? base::IpAddress::v4(std::span<const std::uint8_t, 4>(octets, 4))
                                                : base::IpAddress::v6(std::span<const std::uint8_t, 16>(octets, 16));
      found.insert(std::string(object.namespace_name) + ' ' + at.to_string());
    });
  }
  return found;
}

void fill_clusterset(ObjectStore& store) {
  store.upsert(Namespace{"default"});
  store.upsert(cluster_ip_service("default/shared", {"10.111.0.1"}, {{"http", Protocol::tcp, 80}}));
  store.upsert(headless_service("default/spread"));
  EndpointSlice slice;
  slice.key = key("default/spread-east");
  slice.service_name = "spread";
  slice.source_cluster = "east";
  slice.endpoints = {endpoint({"10.1.0.1"})};
  store.upsert(slice);
}

// The faults that must leave nothing behind.
SnapshotFault refusal(std::string_view octets, const SnapshotWanted& by = wanted) {
  ObjectStore store(cluster_local());
  const auto read = parse_snapshot(octets, by, store);
  REQUIRE_FALSE(read.has_value());
  CHECK(store.sequence() == 0);
  CHECK_FALSE(read.error().text.empty());
  return read.error().fault;
}

template <typename T>
std::string little_endian(T value) {
  std::string out;
  for (std::size_t i = 0; i < sizeof(T); ++i) out += static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i));
  return out;
}

std::string record(unsigned kind, std::string_view space, std::string_view name, std::string_view service,
                   std::string_view packed) {
  std::string out;
  for (const std::size_t octet : {std::size_t{kind}, space.size(), name.size(), service.size()}) {
    out += static_cast<char>(octet);
  }
  out += little_endian(static_cast<std::uint32_t>(packed.size()));
  for (const auto text : {space, name, service, packed}) out += text;
  return out;
}

constexpr unsigned pods = 1, clusterset = 2;  // what the header says is there

// A file whose checksum is right, whatever its records are.
std::string sealed(const std::string& records, std::uint64_t count, std::uint32_t contents = 0) {
  const ObjectStore empty(cluster_local());
  std::string octets = snapshot_of(empty).substr(0, 40) + little_endian(contents) + records + std::string(8, '\0') +
                       little_endian(count);
  return octets + little_endian(base::checksum(octets));
}

}  // namespace

TEST_CASE("what is written is read again, and makes the same names") {
  ObjectStore store(cluster_local()), other(cluster_local());
  fill(store);
  const std::string octets = snapshot_of(store);
  const auto read = parse_snapshot(octets, wanted, other);
  REQUIRE(read.has_value());
  CHECK(read->header.serial == 77);
  CHECK(read->header.as_of == written_at);
  CHECK(read->namespaces == 2);
  CHECK(read->services == 4);
  CHECK(read->endpoint_slices == 2);
  CHECK(read->refused == 0);
  const std::string names = names_in(store);
  CHECK(names.contains("db-0.db.default.svc A 10.0.0.2"));
  CHECK(names_in(other) == names);
  CHECK_FALSE(other.is_listed());
  // What waits for its Namespace waits there too.
  other.upsert(Namespace{"unknown"});
  CHECK(names_in(other).contains("later.unknown.svc A 10.96.0.2"));
}

TEST_CASE("a snapshot of many objects is written piece by piece and loses none") {
  ObjectStore store(cluster_local()), other(cluster_local());
  store.upsert(Namespace{"default"});
  for (int i = 0; i < 3000; ++i) {
    const std::string name = "s" + std::to_string(i);
    store.upsert(headless_service("default/" + name));
    EndpointSlice slice;
    slice.key = key("default/" + name + "-x");
    slice.service_name = name;
    for (int j = 0; j < 20; ++j) {
      slice.endpoints.push_back(endpoint(
          {("10." + std::to_string(i / 256) + "." + std::to_string(i % 256) + "." + std::to_string(j)).c_str()}));
    }
    store.upsert(slice);
  }
  const TemporaryDirectory folder;
  int pauses = 0;
  const auto octets = write_snapshot(folder.file("cluster"), header, store, {.pause = [&] { ++pauses; }});
  REQUIRE(octets.has_value());
  CHECK(*octets == std::filesystem::file_size(folder.file("cluster")));
  CHECK(pauses > 2);
  const auto read = read_snapshot(folder.file("cluster"), wanted, other);
  REQUIRE(read.has_value());
  CHECK(read->services == 3000);
  CHECK(read->endpoint_slices == 3000);
  CHECK(names_in(other) == names_in(store));
}

TEST_CASE("objects that come and go while a snapshot is written do no harm") {
  ObjectStore store(cluster_local());
  store.upsert(Namespace{"default"});
  for (int i = 0; i < 5000; ++i) store.upsert(cluster_ip_service("default/s" + std::to_string(i), {"10.0.0.1"}));
  int step = 0;
  const TemporaryDirectory folder;
  const auto change = [&] {
    for (int i = 0; i < 500; ++i, ++step) {
      store.remove(Kind::service, key("default/s" + std::to_string(step)));
      store.upsert(headless_service("default/t" + std::to_string(step)));
    }
    RecordTable table;
    store.drain(table);
  };
  REQUIRE(write_snapshot(folder.file("cluster"), header, store, {.pause = change}).has_value());
  ObjectStore other(cluster_local());
  const auto read = read_snapshot(folder.file("cluster"), wanted, other);
  REQUIRE(read.has_value());
  CHECK(read->refused == 0);
  CHECK(read->services >= 4000);
}

TEST_CASE("a list removes what only the snapshot had, and what it brings stays") {
  ObjectStore store(cluster_local()), other(cluster_local());
  fill(store);
  REQUIRE(parse_snapshot(snapshot_of(store), wanted, other).has_value());
  RecordTable table;
  other.drain(table);
  table.looked_at.clear();
  for (const Kind kind : {Kind::kNamespace, Kind::service, Kind::endpoint_slice}) other.begin_list(kind);
  other.upsert(Namespace{"default"});
  other.upsert(cluster_ip_service("default/web", {"10.96.0.1", "fd00:10::1"}, {{"http", Protocol::tcp, 80}}));
  for (const Kind kind : {Kind::kNamespace, Kind::service, Kind::endpoint_slice}) other.end_list(kind);
  CHECK(other.drain(table).all_listed);
  CHECK(table.dump("web.default.svc") ==
        "\nweb.default.svc A 10.96.0.1\nweb.default.svc AAAA fd00:10::1\n"
        "web.default.svc SRV 0 50 80 web.default.svc glue 10.96.0.1 fd00:10::1\n");
  CHECK_FALSE(table.looked_at.contains("web.default.svc"));
  CHECK_FALSE(table.names.contains("db.default.svc"));
  CHECK_FALSE(table.names.contains("empty.svc"));
}

TEST_CASE("a snapshot cut short anywhere is refused") {
  ObjectStore store(cluster_local());
  fill(store);
  const std::string octets = snapshot_of(store);
  for (std::size_t size = 0; size < octets.size(); ++size) {
    CAPTURE(size);
    const SnapshotFault fault = refusal(std::string_view(octets).substr(0, size));
    CHECK((fault == SnapshotFault::damaged));
  }
}

TEST_CASE("a snapshot with one octet changed, anywhere and in any way, is refused") {
  ObjectStore store(cluster_local());
  fill(store);
  std::string octets = snapshot_of(store);
  for (std::size_t at = 0; at < octets.size(); ++at) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      CAPTURE(at);
      octets[at] = static_cast<char>(octets[at] ^ flip);
      refusal(octets);
      octets[at] = static_cast<char>(octets[at] ^ flip);
    }
  }
  CHECK(refusal(octets + "x") == SnapshotFault::damaged);
}

TEST_CASE("the reason says what is wrong with a snapshot that is whole") {
  ObjectStore store(cluster_local());
  fill(store);
  const std::string octets = snapshot_of(store);
  SnapshotWanted by = wanted;
  by.fingerprint ^= 1;
  CHECK(refusal(octets, by) == SnapshotFault::foreign);
  by = wanted;
  by.now = written_at + 3600;
  ObjectStore at_the_limit(cluster_local());
  CHECK(parse_snapshot(octets, by, at_the_limit).has_value());
  by.now = written_at + 3601;
  CHECK(refusal(octets, by) == SnapshotFault::out_of_date);
  by.now = written_at - 60;
  ObjectStore a_clock_apart(cluster_local());
  CHECK(parse_snapshot(octets, by, a_clock_apart).has_value());
  by.now = written_at - 61;
  CHECK(refusal(octets, by) == SnapshotFault::out_of_date);
  for (const std::int64_t extreme : {std::numeric_limits<std::int64_t>::min(), std::int64_t{-1}, std::int64_t{0},
                                     std::numeric_limits<std::int64_t>::max()}) {
    SnapshotHeader odd = header;
    odd.as_of = extreme;
    CHECK(refusal(snapshot_of(store, odd)) == SnapshotFault::out_of_date);
  }
}

TEST_CASE("lengths and counts that lie are refused though the checksum is right") {
  const std::string good = record(1, "", "default", "", "");
  ObjectStore store(cluster_local());
  REQUIRE(parse_snapshot(sealed(good, 1), wanted, store).has_value());
  CHECK(refusal(sealed(good, 2)) == SnapshotFault::damaged);
  CHECK(refusal(sealed("", 1)) == SnapshotFault::damaged);
  CHECK(refusal(sealed(good + std::string(8, '\0'), 1)) == SnapshotFault::damaged);
  CHECK(refusal(sealed(record(7, "", "default", "", ""), 1, pods | clusterset)) == SnapshotFault::damaged);
  CHECK(refusal(sealed(record(255, "", "default", "", ""), 1)) == SnapshotFault::damaged);
  for (const std::uint32_t packed : {1u, 8u, 0x7fffffffu, 0xffffffffu}) {
    std::string lying = good;
    lying.replace(4, 4, little_endian(packed));
    CHECK(refusal(sealed(lying, 1)) == SnapshotFault::damaged);
  }
  for (std::size_t at = 1; at <= 3; ++at) {
    std::string lying = good;
    lying[at] = static_cast<char>(0xff);
    CHECK(refusal(sealed(lying, 1)) == SnapshotFault::damaged);
  }
}

TEST_CASE("objects that no decoder makes are left out and counted, and the others are used") {
  const std::string ports("\0\0", 2);
  const std::string web = '\0' + ports + std::string("\0\x0a\0\0\1", 5);
  struct Row {
    const char* what;
    std::string octets;
  };
  const std::string_view long_name("a-name-that-is-longer-than-a-label-may-be-which-is-sixty-three-octets-long-in-all");
  const Row rows[] = {
      {"no name", record(1, "", "", "", "")},
      {"a dot", record(1, "", "a.b", "", "")},
      {"a slash", record(1, "", "a/b", "", "")},
      {"too long", record(1, "", long_name, "", "")},
      {"a Service without content", record(2, "default", "web", "", "")},
      {"a Service without a Namespace", record(2, "", "web", "", web)},
      {"a type that there is not", record(2, "default", "web", "", '\7' + web.substr(1))},
      {"more ports than there are", record(2, "default", "web", "", std::string("\0\xff\xff", 3))},
      {"a protocol that there is not", record(2, "default", "web", "", std::string("\0\0\1\1p\x63\0\x50", 8))},
      {"an odd address family", record(2, "default", "web", "", '\0' + ports + std::string("\4\x0a\0\0\1", 5))},
      {"a cut address", record(2, "default", "web", "", web.substr(0, web.size() - 1))},
      {"a target that is too long", record(2, "default", "web", "", '\2' + std::string(5000, 'a'))},
      {"a slice of nobody", record(3, "default", "s", "", ports)},
      {"a slice without content", record(3, "default", "s", "db", "")},
      {"a slice with a cut address", record(3, "default", "s", "db", ports + std::string("\0\x0a\0\0", 4))},
      {"a label with a dot", record(3, "default", "s", "db", ports + std::string("\2\x0a\0\0\1\3a.b", 9))},
      {"addresses out of order", record(3, "default", "s", "db", ports + std::string("\0\x0a\0\0\2\0\x0a\0\0\1", 10))},
  };
  for (const Row& row : rows) {
    CAPTURE(std::string(row.what));
    ObjectStore store(cluster_local());
    const auto read =
        parse_snapshot(sealed(record(1, "", "default", "", "") + row.octets + record(2, "default", "good", "", web), 3),
                       wanted, store);
    REQUIRE(read.has_value());
    CHECK(read->refused == 1);
    CHECK(read->services == 1);
    CHECK(names_in(store) ==
          "\n1.0.0.10.in-addr.arpa PTR good.default\ndefault.svc exists\n"
          "good.default.svc A 10.0.0.1\n");
  }
}

TEST_CASE("Pods are read again by Namespace and address, many of one address as one") {
  ObjectStore store(with_pods()), other(with_pods());
  store.upsert(Namespace{"default"});
  std::multiset<std::string> expected;
  for (int i = 0; i < 3000; ++i) {
    const std::string at = "10.1." + std::to_string(i / 256) + "." + std::to_string(i % 256);
    store.upsert(pod("space-" + std::to_string(i % 7) + "/p" + std::to_string(i), at.c_str()));
    expected.insert("space-" + std::to_string(i % 7) + ' ' + at);
  }
  store.upsert(pod("default/six", "fd00::6"));
  store.upsert(pod("default/host-1", "192.0.2.1"));
  store.upsert(pod("default/host-2", "192.0.2.1"));
  expected.insert({"default fd00::6", "default 192.0.2.1"});
  const auto read = parse_snapshot(snapshot_of(store), wanted, other);
  REQUIRE(read.has_value());
  CHECK(read->pods == 3003);
  CHECK_FALSE(read->service_imports.has_value());
  CHECK(read->refused == 0);
  CHECK(pods_in(other) == expected);
  // And again from what was read.
  ObjectStore third(with_pods());
  REQUIRE(parse_snapshot(snapshot_of(other), wanted, third).has_value());
  CHECK(pods_in(third) == expected);
}

TEST_CASE("Pods that stay are in the snapshot once, whatever comes and goes while it is written") {
  ObjectStore store(with_pods());
  constexpr int staying = 30'000;
  const auto named = [](int i) {
    const std::string at = "10.1." + std::to_string(i / 256) + "." + std::to_string(i % 256);
    return pod("default/p" + std::to_string(i), at.c_str());
  };
  for (int i = 0; i < staying; ++i) store.upsert(named(i));
  const TemporaryDirectory folder;
  int step = staying, pauses = 0;
  const auto change = [&] {
    // The table is made anew, larger at first and smaller then.
    ++pauses;
    for (int i = 0; i < 3000; ++i, ++step) {
      if (pauses < 4) store.upsert(named(step));
      if (pauses >= 4 && step - 9000 >= staying) store.remove(Kind::pod, named(step - 9000).key);
    }
  };
  REQUIRE(write_snapshot(folder.file("cluster"), header, store, {.pause = change}).has_value());
  CHECK(pauses > 1);
  ObjectStore other(with_pods());
  const auto read = read_snapshot(folder.file("cluster"), wanted, other);
  REQUIRE(read.has_value());
  const auto found = pods_in(other);
  CHECK(found.size() == *read->pods);
  for (int i = 0; i < staying; ++i) {
    CAPTURE(i);
    REQUIRE(found.count("default " + named(i).address->to_string()) == 1);
  }
}

TEST_CASE("a clusterset has its own objects in the file, and the Namespaces of the cluster") {
  ObjectStore own(cluster_local()), imports(of_clusterset());
  fill(own);
  fill_clusterset(imports);
  SnapshotHeader with = header;
  with.clusterset_serial = 88;
  with.external_serial = 99;
  const std::string octets = snapshot_of(own, with, &imports);
  ObjectStore other_own(cluster_local()), other_imports(of_clusterset());
  const auto read = parse_snapshot(octets, wanted, other_own, &other_imports);
  REQUIRE(read.has_value());
  CHECK(read->header.clusterset_serial == 88);
  CHECK(read->header.external_serial == 99);
  CHECK(read->services == 4);
  CHECK(read->service_imports == 2);
  CHECK(read->endpoint_slices == 3);
  CHECK(read->refused == 0);
  CHECK(names_in(other_own) == names_in(own));
  const std::string names = names_in(other_imports);
  CHECK(names.contains("10-1-0-1.east.spread.default.svc A 10.1.0.1"));
  CHECK(names.contains("empty.svc exists"));
  CHECK(names.contains("shared.default.svc A 10.111.0.1"));
}

TEST_CASE("what one server watches and the other does not is passed over, or left to the lists") {
  ObjectStore plain(cluster_local()), rich(with_pods()), imports(of_clusterset());
  fill(plain);
  fill(rich);
  rich.upsert(pod("default/p", "10.0.0.9"));
  fill_clusterset(imports);
  SUBCASE("Pods and a clusterset are in the file and not wanted") {
    ObjectStore other(cluster_local());
    const auto read = parse_snapshot(snapshot_of(rich, header, &imports), wanted, other);
    REQUIRE(read.has_value());
    CHECK_FALSE(read->pods.has_value());
    CHECK_FALSE(read->service_imports.has_value());
    CHECK(read->refused == 0);
    CHECK(names_in(other) == names_in(plain));
  }
  SUBCASE("they are wanted and not in the file") {
    ObjectStore other(with_pods()), other_imports(of_clusterset());
    const auto read = parse_snapshot(snapshot_of(plain), wanted, other, &other_imports);
    REQUIRE(read.has_value());
    CHECK_FALSE(read->pods.has_value());
    CHECK_FALSE(read->service_imports.has_value());
    CHECK(names_in(other) == names_in(plain));
    CHECK(other_imports.sequence() == 0);
  }
  SUBCASE("a cluster without Pods has none, and says so") {
    ObjectStore empty(with_pods()), other(with_pods());
    const auto read = parse_snapshot(snapshot_of(empty), wanted, other);
    REQUIRE(read.has_value());
    CHECK(read->pods == 0);
  }
}

TEST_CASE("records that the header does not announce, and contents that nobody knows, are damage") {
  const std::string four("\x0a\0\0\1", 4);
  const std::string web("\0\0\0", 3);
  ObjectStore store(with_pods()), imports(of_clusterset());
  REQUIRE(parse_snapshot(sealed(record(4, "default", "", "", four), 1, pods), wanted, store, &imports).has_value());
  CHECK(refusal(sealed(record(4, "default", "", "", four), 1, clusterset)) == SnapshotFault::damaged);
  CHECK(refusal(sealed(record(5, "default", "s", "", web), 1, pods)) == SnapshotFault::damaged);
  CHECK(refusal(sealed(record(6, "default", "s", "t", web), 1, pods)) == SnapshotFault::damaged);
  CHECK(refusal(sealed("", 0, 4)) == SnapshotFault::damaged);
  CHECK(refusal(sealed("", 0, 0x80000000)) == SnapshotFault::damaged);
}

TEST_CASE("Pods and imported objects that no decoder makes are left out and counted") {
  const std::string four("\x0a\0\0\1", 4);
  const std::string import('\0' + std::string("\0\0", 2) + std::string("\0\x0a\0\0\1", 5));
  const std::string east("\x80\0\4east", 7);
  const std::string rows[] = {
      record(4, "", "", "", four),
      record(4, "a.b", "", "", four),
      record(4, "default", "p", "", four),
      record(4, "default", "", "s", four),
      record(4, "default", "", "", ""),
      record(4, "default", "", "", four.substr(1)),
      record(4, "default", "", "", four + four),
      record(5, "default", "web", "", std::string("\2www.example.org", 16)),
      record(5, "default", "", "", import),
      record(6, "default", "s", "db", std::string("\0\0", 2)),  // of no cluster
      record(6, "default", "s", "db", std::string("\x80\0\3a.b", 6)),
      record(6, "default", "s", "db", std::string("\x80\0\x40", 3) + std::string(64, 'a')),
      record(3, "default", "s", "db", east),  // of a cluster, and not imported
  };
  for (const std::string& row : rows) {
    CAPTURE(&row - rows);
    ObjectStore store(with_pods()), imports(of_clusterset());
    const std::string good = record(4, "default", "", "", four) + record(5, "default", "good", "", import) +
                             record(6, "default", "s", "db", east);
    const auto read = parse_snapshot(sealed(row + good, 4, pods | clusterset), wanted, store, &imports);
    REQUIRE(read.has_value());
    CHECK(read->refused == 1);
    CHECK(read->pods == 1);
    CHECK(read->service_imports == 1);
    CHECK(read->endpoint_slices == 1);
  }
}

TEST_CASE("what is no file, or no readable one, is refused") {
  const TemporaryDirectory folder;
  ObjectStore store(cluster_local());
  const auto fault = [&](const std::string& path) {
    const auto read = read_snapshot(path, wanted, store);
    REQUIRE_FALSE(read.has_value());
    return read.error().fault;
  };
  CHECK(fault(folder.file("none")) == SnapshotFault::absent);
  CHECK(fault(folder.file("none/none")) == SnapshotFault::absent);
  CHECK(fault(folder.path()) == SnapshotFault::unreadable);
  CHECK(fault("/dev/zero") == SnapshotFault::unreadable);
  REQUIRE(mkfifo(folder.file("pipe").c_str(), 0600) == 0);
  CHECK(fault(folder.file("pipe")) == SnapshotFault::unreadable);
  folder.write("huge", "");
  std::filesystem::resize_file(folder.file("huge"), std::uintmax_t{snapshot_octets_max} + 1);
  CHECK(fault(folder.file("huge")) == SnapshotFault::unreadable);
  CHECK(fault(folder.write("text", "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n")) ==
        SnapshotFault::foreign);
}

TEST_CASE("a snapshot that cannot be written leaves the one that is there, and nothing beside it") {
  const TemporaryDirectory folder;
  const std::string path = folder.file("cluster");
  ObjectStore store(cluster_local());
  fill(store);
  REQUIRE(write_snapshot(path, header, store).has_value());
  const std::string before = octets_of(path);

  SUBCASE("the disk is full") {
    // As a disk that is full: the file may not become longer.
    const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
    rlimit old_limit{};
    REQUIRE(getrlimit(RLIMIT_FSIZE, &old_limit) == 0);
    rlimit limit = old_limit;
    limit.rlim_cur = 100;
    REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    const auto written = write_snapshot(path, header, store);
    setrlimit(RLIMIT_FSIZE, &old_limit);
    std::signal(SIGXFSZ, old_handler);
    REQUIRE_FALSE(written.has_value());
    CHECK(written.error().starts_with("writing "));
  }
  SUBCASE("the place became a folder") {
    std::filesystem::remove(path);
    std::filesystem::create_directory(path);
    CHECK_FALSE(write_snapshot(path, header, store).has_value());
    CHECK(std::filesystem::is_directory(path));
    return;
  }
  SUBCASE("there is no folder") { CHECK_FALSE(write_snapshot(folder.file("no/cluster"), header, store).has_value()); }
  SUBCASE("it is not committed") {
    REQUIRE(write_snapshot(path, {}, store, {.commit = [](const std::function<void()>&) {}}).has_value());
  }
  CHECK(octets_of(path) == before);
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
}

TEST_CASE("a half-written file of a process that was killed is taken over; one that is being written is not") {
  const TemporaryDirectory folder;
  const std::string path = folder.file("cluster");
  ObjectStore store(cluster_local());
  fill(store);
  folder.write("cluster.tmp", std::string(100'000, 'x'));
  {
    const int other = open((path + ".tmp").c_str(), O_RDWR | O_CLOEXEC);
    REQUIRE(flock(other, LOCK_EX) == 0);
    const auto written = write_snapshot(path, header, store);
    REQUIRE_FALSE(written.has_value());
    CHECK(written.error().contains("another process"));
    CHECK(std::filesystem::file_size(path + ".tmp") == 100'000);
    close(other);
  }
  REQUIRE(write_snapshot(path, header, store).has_value());
  ObjectStore other(cluster_local());
  CHECK(read_snapshot(path, wanted, other).has_value());
  struct stat status{};
  REQUIRE(stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0640);
}

TEST_CASE("a link or a pipe beside the place is not followed") {
  const TemporaryDirectory folder;
  const std::string path = folder.file("cluster");
  const ObjectStore store(cluster_local());
  const std::string precious = folder.write("precious", "keep");
  SUBCASE("link") { std::filesystem::create_symlink(precious, path + ".tmp"); }
  SUBCASE("pipe") { REQUIRE(mkfifo((path + ".tmp").c_str(), 0600) == 0); }
  SUBCASE("folder") { std::filesystem::create_directory(path + ".tmp"); }
  CHECK_FALSE(write_snapshot(path, header, store).has_value());
  CHECK(octets_of(precious) == "keep");
  CHECK_FALSE(std::filesystem::exists(path));
}
