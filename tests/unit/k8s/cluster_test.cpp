// The whole way from an API server to the table of names, against the simulator.
#include "k8s/cluster.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "unit/k8s/kubesim_process.hpp"
#include "unit/k8s/scripted_server.hpp"
#include "zones/base/published.hpp"

using namespace fairlead;
using namespace fairlead::k8s;
using namespace fairlead::k8s::testing;
using namespace std::chrono_literals;

namespace {

std::string key(std::initializer_list<std::string_view> labels) {
  std::string wire;
  for (const std::string_view label : labels) {
    wire.push_back(static_cast<char>(label.size()));
    wire += label;
  }
  return wire;
}

std::string service_key(std::string_view name) { return key({name, "default", "svc"}); }

bool eventually(const std::function<bool()>& wanted, std::chrono::milliseconds limit = 30s) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!wanted()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

struct Running {
  explicit Running(ClusterOptions options) {
    options.zone = dns::DomainName::parse("cluster.local").value();
    auto made = Cluster::create(std::move(options));
    REQUIRE_MESSAGE(made, made.error());
    cluster = std::move(*made);
    cluster->start();
  }
  static Running at(const std::string& url) {
    ClusterOptions options;
    options.endpoint = url;
    return Running(std::move(options));
  }

  bool has(std::string_view wanted) const {
    const base::ReadSection section;
    return cluster->table().forward.find(wanted) != nullptr;
  }
  std::size_t addresses(std::string_view wanted) const {
    const base::ReadSection section;
    const zones::NameEntry* const entry = cluster->table().forward.find(wanted);
    return entry == nullptr ? 0 : entry->a_count() + entry->aaaa_count();
  }
  bool is_synced() const { return cluster->table().synced; }

  std::unique_ptr<Cluster> cluster;
};

std::string service(const std::string& name, const std::string& address) {
  return "---\napiVersion: v1\nkind: Service\nmetadata: {name: " + name +
         ", namespace: default}\nspec: {clusterIP: " + address + ", ports: [{name: http, port: 80}]}\n";
}

std::string slice(const std::string& of, const std::string& addresses) {
  return "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: " + of +
         "-1, namespace: default, labels: {kubernetes.io/service-name: " + of +
         "}}\naddressType: IPv4\nports: [{name: http, port: 8080}]\nendpoints: [" + addresses + "]\n";
}

}  // namespace

TEST_CASE("names of a Service appear in the table, follow every change and vanish with it") {
  const base::ReaderThread reader;
  const TemporaryDirectory directory;
  const std::string manifest =
      directory.write("cluster.yaml", service("web", "10.96.0.10") + service("db", "None") +
                                          slice("db", "{addresses: [10.1.0.1]}, {addresses: [10.1.0.2]}"));
  const KubesimProcess kubesim({"--manifests", manifest, "--gzip"});
  ClusterOptions options;
  options.kubeconfig_file = kubesim.kubeconfig();
  const Running running(std::move(options));
  REQUIRE(eventually([&] { return running.is_synced(); }));
  CHECK(running.addresses(service_key("web")) == 1);
  CHECK(running.addresses(service_key("db")) == 2);
  CHECK(running.has(key({"10-1-0-1", "db", "default", "svc"})));
  CHECK(running.has(key({"_http", "_tcp", "web", "default", "svc"})));
  CHECK(running.has(key({"kube-system", "svc"})));
  {
    const base::ReadSection section;
    CHECK(running.cluster->table().reverse.find(key({"10", "0", "96", "10"}) + '\7') != nullptr);
  }
  directory.write("cluster.yaml", service("web", "10.96.0.10") + service("new", "10.96.0.11") + service("db", "None") +
                                      slice("db", "{addresses: [10.1.0.3]}"));
  CHECK(eventually([&] { return running.has(service_key("new")) && running.addresses(service_key("db")) == 1; }));
  directory.write("cluster.yaml", service("new", "10.96.0.11"));
  CHECK(eventually([&] { return !running.has(service_key("web")) && !running.has(service_key("db")); }));
  CHECK(running.has(service_key("new")));

  const ClusterCounters counters = running.cluster->counters();
  CHECK(counters.api_reachable);
  CHECK(counters.lists == 3);
  CHECK(counters.list_failures == 0);
  CHECK(counters.events > 0);
  CHECK(counters.names > 0);
  CHECK(counters.skipped_objects == 0);
}

TEST_CASE("through an outage, 410, garbage, cut lists and refusals a name that stays never blinks") {
  const base::ReaderThread reader;
  const TemporaryDirectory directory;
  const auto write = [&](const std::string& more) {
    return directory.write("cluster.yaml", service("stays", "10.96.0.10") + more);
  };
  const std::string manifest = write(service("leaves", "10.96.0.11"));
  auto kubesim = std::make_unique<KubesimProcess>(std::vector<std::string>{"--manifests", manifest});
  const int port = kubesim->port();
  const Running running = Running::at(kubesim->url());
  REQUIRE(eventually([&] { return running.is_synced(); }));

  std::atomic<bool> ended = false;
  std::atomic<int> blinks = 0;
  std::thread watcher([&] {
    const base::ReaderThread watching;
    while (!ended) {
      if (running.addresses(service_key("stays")) != 1) ++blinks;
      std::this_thread::sleep_for(50us);
    }
  });

  kubesim->inject(R"({"expire_history": true, "close_watches": true, "cut_lists": {"count": 2, "after_bytes": 300}})");
  write(service("leaves", "10.96.0.11") + service("second", "10.96.0.12"));
  CHECK(eventually([&] { return running.has(service_key("second")); }));

  kubesim->inject(R"({"bad_events": {"count": 2, "form": "garbage"}})");
  write(service("leaves", "10.96.0.11") + service("third", "10.96.0.13"));
  CHECK(eventually([&] { return running.has(service_key("third")) && !running.has(service_key("second")); }));

  kubesim->inject(
      R"({"close_connections": true, "fail_requests": {"count": 4, "status": 429, "retry_after": 1, "verb": "watch"}})");
  write(service("leaves", "10.96.0.11") + service("fourth", "10.96.0.14"));
  CHECK(eventually([&] { return running.has(service_key("fourth")); }));

  // The server is gone, and comes back with other objects and another history.
  kubesim.reset();
  CHECK(eventually([&] { return !running.cluster->counters().api_reachable; }));
  CHECK(running.has(service_key("leaves")));
  CHECK(running.is_synced());
  write(service("fifth", "10.96.0.15"));
  kubesim = std::make_unique<KubesimProcess>(std::vector<std::string>{"--manifests", manifest}, port);
  CHECK(eventually([&] { return running.has(service_key("fifth")) && !running.has(service_key("leaves")); }));
  CHECK(eventually([&] { return running.cluster->counters().api_reachable; }));

  ended = true;
  watcher.join();
  CHECK(blinks == 0);
}

TEST_CASE("a thousand Services in pages are in the table once it says that it is in step") {
  const base::ReaderThread reader;
  const KubesimProcess kubesim(
      {"--bare", "--gzip", "--synthetic", "services=1200,headless=100,endpoints=3000,namespaces=7"});
  const Running running = Running::at(kubesim.url());
  REQUIRE(eventually([&] { return running.is_synced(); }));
  const ClusterCounters counters = running.cluster->counters();
  CHECK(counters.lists == 3);
  CHECK(counters.skipped_objects == 0);
  // Every Service, every endpoint forwards and backwards, and what lies between.
  CHECK(counters.names > 1200 + 2 * 3000);
}

TEST_CASE("with noendpoints no slice is asked for, and the cluster is in step all the same") {
  const base::ReaderThread reader;
  std::atomic<bool> asked = false;
  ScriptedServer server([&](const auto& request, auto& reply) {
    if (request.has("endpointslices")) asked = true;
    if (request.has("watch=1")) {
      reply.begin();
      reply.hold();
    } else {
      reply.respond(200, R"({"metadata":{"resourceVersion":"1"},"items":[]})");
    }
  });
  ClusterOptions options;
  options.endpoint = server.url();
  options.no_endpoints = true;
  const Running running(std::move(options));
  CHECK(eventually([&] { return running.is_synced(); }));
  CHECK_FALSE(asked);
}

TEST_CASE("a cluster stops at once and can be destroyed, whatever its API server does") {
  const auto stop_in_time = [](const ScriptedServer& server) {
    Running running = Running::at(server.url());
    std::this_thread::sleep_for(50ms);
    const auto start = std::chrono::steady_clock::now();
    running.cluster->stop();
    running.cluster.reset();
    CHECK(std::chrono::steady_clock::now() - start < 3s);
  };
  stop_in_time(ScriptedServer([](const auto&, auto& reply) { reply.hold(); }));
  stop_in_time(ScriptedServer([](const auto&, auto& reply) { reply.reset(); }));
  stop_in_time(ScriptedServer([](const auto&, auto& reply) {
    reply.begin();
    while (reply.is_open()) reply.chunk(std::string(10'000, '['));
  }));
}

TEST_CASE("what is wrong with the way to the API server is said when the cluster is made") {
  ClusterOptions options;
  options.endpoint = "gopher://x";
  CHECK(Cluster::create(options).error().find("neither https nor http") != std::string::npos);
  options = {};
  options.kubeconfig_file = "/does/not/exist";
  CHECK(Cluster::create(options).error().find("/does/not/exist") != std::string::npos);
}
