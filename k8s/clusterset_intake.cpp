#include "k8s/clusterset_intake.hpp"

#include <utility>

namespace fairlead::k8s {

void ClustersetIntake::upsert(Namespace object) { store_.upsert(std::move(object)); }

void ClustersetIntake::upsert(ServiceImport object) {
  Service service;
  service.key = std::move(object.key);
  service.headless = object.headless;
  service.cluster_ips = std::move(object.ips);
  service.ports = std::move(object.ports);
  store_.upsert(std::move(service));
}

void ClustersetIntake::upsert(EndpointSlice object) {
  object.service_name = std::move(object.multicluster_service_name);
  if (!object.service_name.empty() && object.source_cluster.empty()) {
    skipped_.fetch_add(1, std::memory_order_relaxed);
    object.service_name.clear();
  }
  store_.upsert(std::move(object));  // one without a Service takes its older version away
}

}  // namespace fairlead::k8s
