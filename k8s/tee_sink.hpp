// Two object stores that are fed by the same reflector: Namespaces, for the names of the cluster and of the clusterset.
//
// Threads: any.
#pragma once

#include <utility>

#include "k8s/object_sink.hpp"

namespace fairlead::k8s {

class TeeSink final : public ObjectSink {
 public:
  /// Both outlive the tee.
  TeeSink(ObjectSink& first, ObjectSink& second) : first_(first), second_(second) {}

  void begin_burst() override {
    first_.begin_burst();
    second_.begin_burst();
  }
  void end_burst() override {
    first_.end_burst();
    second_.end_burst();
  }
  void begin_list(Kind kind) override {
    first_.begin_list(kind);
    second_.begin_list(kind);
  }
  void end_list(Kind kind) override {
    first_.end_list(kind);
    second_.end_list(kind);
  }
  void abort_list(Kind kind) override {
    first_.abort_list(kind);
    second_.abort_list(kind);
  }
  void upsert(Namespace object) override { put(std::move(object)); }
  void upsert(Service object) override { put(std::move(object)); }
  void upsert(EndpointSlice object) override { put(std::move(object)); }
  void upsert(Pod object) override { put(std::move(object)); }
  void upsert(ServiceImport object) override { put(std::move(object)); }
  void remove(Kind kind, const ObjectKey& key) override {
    first_.remove(kind, key);
    second_.remove(kind, key);
  }

 private:
  template <typename Object>
  void put(Object object) {
    first_.upsert(object);
    second_.upsert(std::move(object));
  }

  ObjectSink& first_;
  ObjectSink& second_;
};

}  // namespace fairlead::k8s
