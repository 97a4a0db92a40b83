#include "k8s/snapshot_keeper.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <thread>

#include "k8s/publisher.hpp"
#include "record_table.hpp"
#include "temporary_directory.hpp"

using namespace fairlead;
using namespace fairlead::k8s;
using namespace fairlead::k8s::test;
using namespace std::chrono_literals;
using fairlead::k8s::testing::TemporaryDirectory;

namespace {

constexpr std::int64_t start_time = 1'800'000'000;

bool eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

// A cluster without an API server: the test says what was listed and whether it answers.
struct Site {
  explicit Site(const std::string& file, std::chrono::seconds age_max = 24h)
      : options{.file = file,
                .age_max = age_max,
                .fingerprint = [] { return std::uint64_t{1}; },
                .log = [this](base::LogLevel, std::string_view text) { log.with([&](auto& all) { all += text; }); },
                .write_interval = 5ms,
                .first_interval = 5ms,
                .unix_time = [this] { return now.load(); }} {}

  SnapshotKeeper& keeper() {
    if (!keeper_) {
      std::optional<SnapshotClusterset> clusterset;
      if (has_clusterset) clusterset.emplace(imports, imports_table, [this] { return is_denied.load(); });
      keeper_.emplace(options, store, table, health, std::move(clusterset));
    }
    return *keeper_;
  }
  void list_imports() {
    for (const Kind kind : {Kind::kNamespace, Kind::service, Kind::endpoint_slice}) imports.begin_list(kind);
    imports.upsert(Namespace{"default"});
    imports.upsert(cluster_ip_service("default/shared", {"10.111.0.1"}));
    for (const Kind kind : {Kind::kNamespace, Kind::service, Kind::endpoint_slice}) imports.end_list(kind);
  }
  void list() {
    for (const Kind kind : {Kind::kNamespace, Kind::service, Kind::endpoint_slice}) store.begin_list(kind);
    store.upsert(Namespace{"default"});
    store.upsert(cluster_ip_service("default/web", {"10.96.0.1"}));
    for (const Kind kind : {Kind::kNamespace, Kind::service, Kind::endpoint_slice}) store.end_list(kind);
    health.note_answer();
  }
  void lose_contact() { health.note_silence(clock.now() + 1s, "gone"); }
  std::string logged() {
    return log.with([](const auto& all) { return all; });
  }

  std::atomic<std::int64_t> now{start_time};
  base::Guarded<std::string> log;
  base::ManualClock clock;
  ApiHealth health{"http://test", clock, {}};
  ObjectStore store{cluster_local()};
  ClusterTable table;
  bool has_clusterset = false;
  std::atomic<bool> is_denied{false};
  ObjectStore imports{cluster_local({.clusterset = true, .zone = {}})};
  ClusterTable imports_table;
  SnapshotKeeperOptions options;

 private:
  std::optional<SnapshotKeeper> keeper_;
};

void leave_snapshot(const std::string& file) {
  Site site(file);
  site.list();
  site.keeper().start();
  site.keeper().stop();
  REQUIRE(std::filesystem::exists(file));
}

}  // namespace

TEST_CASE("nothing is written before everything was listed, then at once, and again when something changed") {
  const TemporaryDirectory folder;
  Site site(folder.file("cluster"));
  site.options.refresh_interval = 1h;
  site.health.note_answer();
  site.keeper().start();
  std::this_thread::sleep_for(50ms);
  CHECK_FALSE(std::filesystem::exists(site.options.file));
  CHECK_FALSE(site.keeper().counters().age.has_value());
  site.list();
  CHECK(eventually([&] { return site.keeper().counters().writes == 1; }));
  std::this_thread::sleep_for(50ms);
  CHECK(site.keeper().counters().writes == 1);
  site.now += 5;
  CHECK(site.keeper().counters().age == 5);
  site.store.upsert(cluster_ip_service("default/new", {"10.96.0.2"}));
  CHECK(eventually([&] { return site.keeper().counters().writes == 2; }));
  CHECK(site.keeper().counters().age == 0);
}

TEST_CASE("a quiet cluster's snapshot stays young while the API server answers, and ages while it does not") {
  const TemporaryDirectory folder;
  Site site(folder.file("cluster"));
  site.options.refresh_interval = 60s;
  site.list();
  site.keeper().start();
  CHECK(eventually([&] { return site.keeper().counters().writes == 1; }));
  site.now += 60;
  CHECK(eventually([&] { return site.keeper().counters().writes == 2; }));
  CHECK(site.keeper().counters().age == 0);
  site.lose_contact();
  std::this_thread::sleep_for(30ms);
  site.now += 600;
  site.store.upsert(cluster_ip_service("default/late", {"10.96.0.2"}));
  CHECK(eventually([&] { return site.keeper().counters().writes == 3; }));
  site.keeper().stop();
  CHECK(site.keeper().counters().age == 600);
}

TEST_CASE("what is read fills the store, and the table says which snapshot it is") {
  const TemporaryDirectory folder;
  leave_snapshot(folder.file("cluster"));
  Site site(folder.file("cluster"));
  site.now += 100;
  REQUIRE(site.keeper().read());
  CHECK(site.table.names_from == NamesFrom::snapshot);
  CHECK_FALSE(site.table.synced);
  CHECK(site.table.snapshot_note == "from the snapshot of 2027-01-15T08:00:00Z, not yet in step with the API server");
  CHECK(site.keeper().counters().is_in_use);
  CHECK(site.keeper().counters().age == 100);
  const base::ReaderThread reader;
  Publisher publisher(site.store, site.table, {});
  publisher.publish_pending();
  CHECK(publisher.names() > 0);
  CHECK_FALSE(site.table.synced);
  site.list();
  publisher.publish_pending();
  CHECK(site.table.synced);
  CHECK(site.table.names_from == NamesFrom::api_server);
  CHECK_FALSE(site.keeper().counters().is_in_use);
}

TEST_CASE("names from a snapshot come of age, unless the API server was listed before") {
  const TemporaryDirectory folder;
  leave_snapshot(folder.file("cluster"));
  Site site(folder.file("cluster"), 100s);
  site.now += 99;
  REQUIRE(site.keeper().read());
  site.keeper().start();
  {
    CHECK(eventually([&] { return site.table.names_from == NamesFrom::expired_snapshot; }));
    CHECK(site.logged().contains("its names are SERVFAIL"));
  }
  site.keeper().stop();
  CHECK(site.keeper().counters().writes == 0);
}

TEST_CASE("a snapshot that is refused is counted, one that is not there is not") {
  const TemporaryDirectory folder;
  Site absent(folder.file("none"));
  CHECK_FALSE(absent.keeper().read());
  CHECK(absent.keeper().counters().refusals == 0);
  CHECK(absent.logged().contains("there is none"));
  Site garbage(folder.write("garbage", "garbage"));
  CHECK_FALSE(garbage.keeper().read());
  CHECK(garbage.keeper().counters().refusals == 1);
  CHECK(garbage.table.names_from == NamesFrom::api_server);
}

TEST_CASE("of two keepers of one path the one that started last writes, until it ends") {
  const TemporaryDirectory folder;
  Site old(folder.file("cluster")), fresh(folder.file("cluster"));
  old.options.refresh_interval = fresh.options.refresh_interval = 1h;
  old.list();
  old.keeper().start();
  CHECK(eventually([&] { return old.keeper().counters().writes == 1; }));
  fresh.keeper().start();
  old.store.upsert(cluster_ip_service("default/new", {"10.96.0.2"}));
  std::this_thread::sleep_for(50ms);
  CHECK(old.keeper().counters().writes == 1);
  SUBCASE("a reload that failed") {
    fresh.keeper().stop();
    CHECK(fresh.keeper().counters().writes == 0);
    CHECK(eventually([&] { return old.keeper().counters().writes == 2; }));
  }
  SUBCASE("a reload that went well") {
    fresh.list();
    CHECK(eventually([&] { return fresh.keeper().counters().writes == 1; }));
    old.keeper().stop();
    CHECK(old.keeper().counters().writes == 1);
  }
}

TEST_CASE("a failure is said once, and its end as well") {
  const TemporaryDirectory folder;
  Site site(folder.file("missing/cluster"));
  site.list();
  site.keeper().start();
  CHECK(eventually([&] { return site.keeper().counters().write_failures > 3; }));
  std::filesystem::create_directory(folder.file("missing"));
  CHECK(eventually([&] { return site.keeper().counters().writes > 0; }));
  site.keeper().stop();
  const std::string log = site.logged();
  CHECK(log.find("cannot be written") == log.rfind("cannot be written"));
  CHECK(log.contains("it is written again"));
}

TEST_CASE("a clusterset is waited for before the first file, and not for ever, nor where there is none") {
  const TemporaryDirectory folder;
  Site site(folder.file("cluster"));
  site.has_clusterset = true;
  site.options.refresh_interval = 1h;
  site.options.write_interval = 200ms;
  site.list();
  const auto has_imports = [&] {
    ObjectStore own(cluster_local()), imports(cluster_local({.clusterset = true, .zone = {}}));
    const auto read =
        read_snapshot(site.options.file, {.fingerprint = 1, .now = start_time, .age_seconds_max = 100}, own, &imports);
    REQUIRE(read.has_value());
    return read->service_imports.has_value();
  };
  SUBCASE("it comes into step") {
    site.keeper().start();
    std::this_thread::sleep_for(30ms);
    CHECK(site.keeper().counters().writes == 0);
    site.list_imports();
    CHECK(eventually([&] { return site.keeper().counters().writes == 1; }));
    CHECK(has_imports());
    site.imports.upsert(cluster_ip_service("default/more", {"10.111.0.2"}));
    CHECK(eventually([&] { return site.keeper().counters().writes == 2; }));
  }
  SUBCASE("it does not") {
    site.keeper().start();
    CHECK(eventually([&] { return site.keeper().counters().writes == 1; }));
    CHECK_FALSE(has_imports());
    site.list_imports();
    CHECK(eventually([&] { return site.keeper().counters().writes == 2; }));
    CHECK(has_imports());
  }
  SUBCASE("there is none") {
    site.options.write_interval = 1h;
    site.is_denied = true;
    site.keeper().start();
    CHECK(eventually([&] { return site.keeper().counters().writes == 1; }));
    CHECK_FALSE(has_imports());
  }
}

TEST_CASE("imports of a snapshot are not given up while ServiceImports are denied for a moment") {
  const TemporaryDirectory folder;
  const std::string file = folder.file("cluster");
  {
    Site site(file);
    site.has_clusterset = true;
    site.list();
    site.list_imports();
    site.keeper().start();
    site.keeper().stop();
  }
  const auto has_imports = [&] {
    ObjectStore own(cluster_local()), imports(cluster_local({.clusterset = true, .zone = {}}));
    const auto read = read_snapshot(file, {.fingerprint = 1, .now = start_time, .age_seconds_max = 100}, own, &imports);
    REQUIRE(read.has_value());
    return read->service_imports.has_value();
  };
  Site site(file);
  site.has_clusterset = true;
  site.is_denied = true;
  SUBCASE("until it ends") {
    site.options.write_interval = 1h;
    REQUIRE(site.keeper().read());
    site.list();
    site.keeper().start();
    std::this_thread::sleep_for(30ms);
    site.keeper().stop();
    CHECK(site.keeper().counters().writes == 0);
    CHECK(has_imports());
  }
  SUBCASE("but for long") {
    REQUIRE(site.keeper().read());
    site.list();
    site.keeper().start();
    CHECK(eventually([&] { return site.keeper().counters().writes > 0; }));
    CHECK_FALSE(has_imports());
  }
}

TEST_CASE(
    "the tables of the cluster, of a clusterset and of an external zone take their snapshot over, and come of age") {
  const TemporaryDirectory folder;
  {
    Site site(folder.file("cluster"));
    site.has_clusterset = true;
    site.table.serial = 4'000'000'000;
    site.imports_table.serial = 4'000'000'010;
    site.table.external = std::make_unique<ExternalTable>();
    site.table.external->serial = 4'000'000'020;
    site.list();
    site.list_imports();
    site.keeper().start();
    site.keeper().stop();
  }
  Site site(folder.file("cluster"), 100s);
  site.has_clusterset = true;
  site.table.external = std::make_unique<ExternalTable>();
  site.now += 99;
  REQUIRE(site.keeper().read());
  CHECK(site.imports_table.names_from == NamesFrom::snapshot);
  CHECK(site.imports_table.snapshot_note == site.table.snapshot_note);
  CHECK(site.table.serial == 4'000'000'001);
  CHECK(site.imports_table.serial == 4'000'000'011);
  CHECK(site.table.external->serial == 4'000'000'021);
  CHECK_FALSE(site.table.snapshot_has_pods);
  // The cluster's own names come into step, and the clusterset does not.
  site.list();
  const base::ReaderThread reader;
  Publisher publisher(site.store, site.table, {});
  publisher.publish_pending();
  CHECK(site.keeper().counters().is_in_use);
  site.keeper().start();
  CHECK(eventually([&] { return site.imports_table.names_from == NamesFrom::expired_snapshot; }));
  CHECK(site.table.names_from == NamesFrom::api_server);
  CHECK_FALSE(site.keeper().counters().is_in_use);
}

TEST_CASE("a file without a clusterset leaves its table alone") {
  const TemporaryDirectory folder;
  leave_snapshot(folder.file("cluster"));
  Site site(folder.file("cluster"));
  site.has_clusterset = true;
  REQUIRE(site.keeper().read());
  CHECK(site.table.names_from == NamesFrom::snapshot);
  CHECK(site.imports_table.names_from == NamesFrom::api_server);
}

TEST_CASE("Pods of a snapshot are known until it is too old") {
  ClusterTable table;
  CHECK(table.known_pods() == nullptr);
  table.pods = std::make_unique<PodTable>(false);
  table.names_from = NamesFrom::snapshot;
  CHECK(table.known_pods() == table.pods.get());
  table.names_from = NamesFrom::expired_snapshot;
  CHECK(table.known_pods() == nullptr);
}
