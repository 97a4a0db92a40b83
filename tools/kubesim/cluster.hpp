// The simulated cluster: what the API server does to an object between a client's write and the registry.
//
// Defaults (a Service's type, protocols, target ports, cluster IPs; a Namespace's phase and name label), the checks
// that DNS-relevant objects must pass, finalizers, and a namespace's contents going away with it. Anything else in an
// object is kept as it was given.
//
// Threads: one, as the registry.
// Errors: ApiError, as the real server words them.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "tools/kubesim/api_error.hpp"
#include "tools/kubesim/object_registry.hpp"
#include "tools/kubesim/service_addresses.hpp"

namespace fairlead::kubesim {

enum class Persist { yes, dry_run };

class Cluster {
 public:
  Cluster(ObjectRegistry& registry, ServiceAddresses addresses)
      : registry_(registry), addresses_(std::move(addresses)) {}
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  ObjectRegistry& registry() { return registry_; }
  const ObjectRegistry& registry() const { return registry_; }

  /// Namespaces default, kube-system, kube-public, kube-node-lease and the Service default/kubernetes, which the real
  /// server makes for itself.
  void add_builtin_objects();

  /// `object` is complete but for the defaults; its metadata.name may be missing if it has a generateName.
  std::expected<ObjectPtr, ApiError> create(const Kind& kind, Json object, Persist persist);
  /// Replaces the object of that name, which must exist. If the new one carries a resourceVersion or uid, it must be
  /// the current one.
  std::expected<ObjectPtr, ApiError> update(const Kind& kind, Json object, Persist persist);
  /// Creates or replaces, trusting whoever wrote a manifest: no conflicts, missing namespaces are made.
  std::expected<ObjectPtr, ApiError> apply_manifest(const Kind& kind, Json object);

  struct Removed {
    ObjectPtr object;
    bool is_gone = true;  // false: finalizers hold it
  };
  std::expected<Removed, ApiError> remove(const Kind& kind, const std::string& ns, const std::string& name,
                                          Persist persist);

 private:
  std::vector<FieldFault> check(const Kind& kind, const Json& object) const;
  void set_defaults(const Kind& kind, Json& object) const;
  /// Fills clusterIP, clusterIPs and ipFamilies; takes the addresses unless it is a dry run.
  std::expected<void, ApiError> assign_addresses(Json& service, const Object* old, bool is_trusted, Persist persist);
  void release_addresses(const Object& service);
  void remove_contents(const std::string& ns);
  std::expected<ObjectPtr, ApiError> store(const Kind& kind, Json object, const Object* old, bool is_trusted,
                                           Persist persist);

  ObjectRegistry& registry_;
  ServiceAddresses addresses_;
};

/// RFC 1123 subdomain: what the names of most objects must be.
bool is_dns_subdomain(std::string_view name);
/// RFC 1123 label: what the names of namespaces must be.
bool is_dns_label(std::string_view name);

}  // namespace fairlead::kubesim
