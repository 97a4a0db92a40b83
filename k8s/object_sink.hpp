// Where reflectors put what they read: the arrow from the API to the object store.
//
// A full list is a difference against what is held: begin_list(), every object once, end_list(). Objects not seen in
// between are removed at the end, never before, so names that still exist do not blink. A list that breaks off is
// given up with abort_list() and changes nothing but the objects it brought.
//
// What arrives together is put in between begin_burst() and end_burst(): changes are published once, at its end,
// instead of from the first of them on. Bursts of several threads may overlap.
//
// Threads: any; implementations lock.
#pragma once

#include "k8s/objects.hpp"

namespace fairlead::k8s {

class ObjectSink {
 public:
  virtual ~ObjectSink() = default;

  virtual void begin_burst() {}
  virtual void end_burst() {}

  virtual void begin_list(Kind kind) = 0;
  virtual void end_list(Kind kind) = 0;
  virtual void abort_list(Kind kind) = 0;

  virtual void upsert(Namespace object) = 0;
  virtual void upsert(Service object) = 0;
  virtual void upsert(EndpointSlice object) = 0;
  virtual void upsert(Pod object) = 0;
  virtual void upsert(ServiceImport object) = 0;
  virtual void remove(Kind kind, const ObjectKey& key) = 0;
};

/// A burst for as long as it lives.
class Burst {
 public:
  explicit Burst(ObjectSink& sink) : sink_(sink) { sink_.begin_burst(); }
  ~Burst() { sink_.end_burst(); }
  Burst(const Burst&) = delete;
  Burst& operator=(const Burst&) = delete;

 private:
  ObjectSink& sink_;
};

}  // namespace fairlead::k8s
