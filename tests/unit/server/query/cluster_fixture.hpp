// A cluster without an API server: objects go through the real store and publisher into the table, questions through
// the real chain of a worker, and replies come back as text.
#pragma once

#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "k8s/object_store.hpp"
#include "k8s/publisher.hpp"
#include "server/handlers/k8s_external_handler.hpp"
#include "server/handlers/kubernetes_handler.hpp"
#include "server/query/answer.hpp"
#include "support/message_text.hpp"
#include "support/query_packet.hpp"
#include "zones/base/published.hpp"

namespace fairlead::test {

using Lines = std::vector<std::string>;

class TableCluster final : public k8s::Cluster {
 public:
  explicit TableCluster(const k8s::ObjectStoreOptions& options)
      : store_(options), publisher_(store_, table_, {.ttl = 5, .on_published = {}, .unix_time = [] { return 1000u; }}) {
    if (options.pods) table_.pods = std::make_unique<k8s::PodTable>(options.pod_object_names);
    if (options.external) {
      table_.external = std::make_unique<k8s::ExternalTable>();
      table_.external->ptr_zone = options.external->zone;
    }
  }

  void start() override {}
  void stop() override {}
  const k8s::ClusterTable& table() const override { return table_; }
  k8s::ClusterCounters counters() const override { return {}; }
  void take_version(k8s::ClusterPart part, k8s::VersionUser use) override {
    publisher_.take_version(part, std::move(use));
  }

  k8s::ObjectStore& store() { return store_; }
  void publish() { publisher_.publish_pending(); }
  k8s::ClusterTable table_;

 private:
  k8s::ObjectStore store_;
  k8s::Publisher publisher_;
};

/// Keeps what is delivered after the query was suspended.
class TestOrigin final : public server::Origin {
 public:
  explicit TestOrigin(server::Transport transport) : transport_(transport) {}
  server::Transport transport() const override { return transport_; }
  bool is_ipv4() const override { return true; }
  base::IpAddress client_address() const override { return address; }
  std::string client_text() const override { return "192.0.2.1:5353"; }
  std::uint16_t client_port() const override { return 5353; }
  std::unique_ptr<server::ReplyTarget> keep() override {
    struct Target final : server::ReplyTarget {
      explicit Target(std::shared_ptr<std::vector<std::uint8_t>> to) : reply(std::move(to)) {}
      void deliver(std::span<const std::uint8_t> message) override { reply->assign(message.begin(), message.end()); }
      std::string client_text() const override { return "192.0.2.1:5353"; }
      std::shared_ptr<std::vector<std::uint8_t>> reply;
    };
    return std::make_unique<Target>(later);
  }
  base::IpAddress address = *base::IpAddress::parse("192.0.2.1");
  const std::shared_ptr<std::vector<std::uint8_t>> later = std::make_shared<std::vector<std::uint8_t>>();

 private:
  server::Transport transport_;
};

/// Answers from a map, for what lies outside of the cluster.
class OutsideHandler final : public server::Handler {
 public:
  server::Step handle(server::QueryContext& context) override {
    const auto found = addresses.find(context.qname.view().to_string());
    if (found == addresses.end()) {
      context.writer.set_rcode(rcode);
      return server::Step::answered;
    }
    if (context.query.qtype == dns::RRType::a) {
      const std::uint8_t owner[2] = {0xc0, 0x0c};
      context.writer.append(dns::Section::answer, owner, dns::RRType::a, 60,
                            base::IpAddress::parse(found->second)->octets());
    }
    return server::Step::answered;
  }
  server::PluginLabel plugin() const override { return server::no_plugin; }
  std::map<std::string, std::string> addresses;
  dns::Rcode rcode = dns::Rcode::nxdomain;
};

class ClusterFixture {
 public:
  explicit ClusterFixture(server::KubernetesOptions options = default_options(), bool rotates = false,
                          const std::optional<server::K8sExternalOptions>& external = {})
      : cluster(std::make_shared<TableCluster>(store_options(options, external))) {
    auto chain = std::make_unique<server::Chain>();
    const std::vector<base::IpAddress> local{*base::IpAddress::parse("10.96.0.10")};
    if (external) {
      chain->handlers.push_back(std::make_unique<server::K8sExternalHandler>(*external, cluster, local, rotates));
    }
    chain->handlers.push_back(std::make_unique<server::KubernetesHandler>(options, cluster, local, rotates));
    auto outside_handler = std::make_unique<OutsideHandler>();
    outside = outside_handler.get();
    chain->handlers.push_back(std::move(outside_handler));
    plan->routers.resize(1);
    plan->routers[0].add({.zone = dns::DomainName(), .chain = chain.get(), .slots = nullptr});
    plan->chains.push_back(std::move(chain));
  }

  static server::KubernetesOptions default_options() {
    server::KubernetesOptions options;
    for (const char* zone : {"cluster.local.", "in-addr.arpa.", "ip6.arpa."}) {
      options.zones.push_back(*dns::DomainName::parse(zone));
    }
    options.pods = server::KubernetesOptions::Pods::insecure;
    return options;
  }
  static k8s::ObjectStoreOptions store_options(const server::KubernetesOptions& options,
                                               const std::optional<server::K8sExternalOptions>& external = {}) {
    k8s::ObjectStoreOptions store;
    if (external) store.external = {.zone = external->zones[external->primary_zone], .headless = external->headless};
    store.records.pod_names = options.pods != server::KubernetesOptions::Pods::disabled;
    store.pods = options.pods == server::KubernetesOptions::Pods::verified;
    store.records.endpoint_pod_names = options.endpoint_pod_names;
    store.records.no_endpoints = !options.endpoints;
    store.records.ignore_empty_services = options.ignore_empty_service;
    store.records.zonal = options.zonal;
    store.records.zone = options.zones[options.primary_zone];
    return store;
  }

  /// The lists are complete with what was put in so far.
  void sync() {
    cluster->publish();
    cluster->table_.synced = true;
  }

  std::vector<std::uint8_t> reply(std::span<const std::uint8_t> packet,
                                  server::Transport transport = server::Transport::udp) {
    TestOrigin origin(transport);
    std::vector<std::uint8_t> buffer(dns::message_octets_max);
    const base::ReadSection section;
    const auto answered = server::answer(packet, origin, plan, 0, buffer);
    if (answered.outcome == server::Outcome::suspended) return *origin.later;
    return {answered.message.begin(), answered.message.end()};
  }
  std::vector<std::string> ask(std::string_view qname, dns::RRType qtype,
                               server::Transport transport = server::Transport::udp, QueryPacketOptions options = {}) {
    return message_lines(reply(query_packet(qname, qtype, options), transport));
  }

  const base::ReaderThread reader;
  std::shared_ptr<TableCluster> cluster;
  std::shared_ptr<server::WorkerPlan> plan = std::make_shared<server::WorkerPlan>();
  OutsideHandler* outside = nullptr;
};

inline k8s::Service service(std::string ns, std::string name, std::vector<std::string> ips,
                            std::vector<k8s::ServicePort> ports = {}) {
  k8s::Service result;
  result.key = {std::move(ns), std::move(name)};
  for (const auto& ip : ips) result.cluster_ips.push_back(*base::IpAddress::parse(ip));
  result.headless = ips.empty();
  result.ports = std::move(ports);
  return result;
}

inline k8s::Service external_name(std::string ns, std::string name, std::string target) {
  k8s::Service result;
  result.key = {std::move(ns), std::move(name)};
  result.type = k8s::Service::Type::external_name;
  result.external_name = std::move(target);
  return result;
}

inline k8s::EndpointSlice slice(std::string ns, std::string service_name, std::vector<k8s::Endpoint> endpoints,
                                std::vector<k8s::EndpointPort> ports = {}) {
  k8s::EndpointSlice result;
  result.key = {std::move(ns), service_name + "-1"};
  result.service_name = std::move(service_name);
  result.endpoints = std::move(endpoints);
  result.ports = std::move(ports);
  return result;
}

inline k8s::Endpoint endpoint(std::string address, std::string hostname = {}, bool ready = true) {
  k8s::Endpoint result;
  result.addresses.push_back(*base::IpAddress::parse(address));
  result.hostname = std::move(hostname);
  result.ready = ready;
  return result;
}

}  // namespace fairlead::test
