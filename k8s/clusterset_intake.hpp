// ServiceImports and imported EndpointSlices, as the Services and slices of an object store of their own.
//
// The names of a clusterset zone are built like those of a cluster, from other objects: a ServiceImport stands where a
// Service would, and of the slices those count that carry the label multicluster.kubernetes.io/service-name. So the
// store behind this sink is an ordinary one, with RecordOptions::clusterset.
//
// Threads: any.
// Errors: a slice without a source cluster has no endpoint names to give; it is left out and counted.
// Standards: KEP-1645 (Multi-Cluster Services API), multicluster.x-k8s.io/v1alpha1.
#pragma once

#include <atomic>
#include <cstdint>

#include "k8s/object_sink.hpp"

namespace fairlead::k8s {

class ClustersetIntake final : public ObjectSink {
 public:
  /// `store` outlives the intake.
  explicit ClustersetIntake(ObjectSink& store) : store_(store) {}

  void begin_burst() override { store_.begin_burst(); }
  void end_burst() override { store_.end_burst(); }
  void begin_list(Kind kind) override { store_.begin_list(kind_in_store(kind)); }
  void end_list(Kind kind) override { store_.end_list(kind_in_store(kind)); }
  void abort_list(Kind kind) override { store_.abort_list(kind_in_store(kind)); }
  void upsert(Namespace object) override;
  void upsert(ServiceImport object) override;
  void upsert(EndpointSlice object) override;
  void upsert(Service) override {}  // of this cluster alone
  void upsert(Pod) override {}
  void remove(Kind kind, const ObjectKey& key) override { store_.remove(kind_in_store(kind), key); }

  std::uint64_t skipped_objects() const { return skipped_.load(std::memory_order_relaxed); }

 private:
  static Kind kind_in_store(Kind kind) { return kind == Kind::service_import ? Kind::service : kind; }

  ObjectSink& store_;
  std::atomic<std::uint64_t> skipped_{0};
};

}  // namespace fairlead::k8s
