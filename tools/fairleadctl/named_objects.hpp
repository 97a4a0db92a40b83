// The objects that a name is made of, picked out of what an API server lists.
//
// Threads: put in by reflectors' threads, one at a time under a lock; read when they have ended.
// Limits: the objects of one Service, or those that hold one address.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "k8s/object_sink.hpp"
#include "zones/dns/domain_name.hpp"

namespace fairlead::ctl {

/// What a name asks for, by its form alone.
struct NameForm {
  enum class Kind {
    outside,         // of the zone
    apex,            // the zone itself
    fixed,           // dns-version, svc, pod: names that every cluster has
    namespace_name,  // <ns>.svc
    service,         // <service>.<ns>.svc
    port,            // _<port>._<protocol>.<service>.<ns>.svc
    endpoint,        // <endpoint>.<service>.<ns>.svc
    pod,             // <address with dashes>.<ns>.pod
    too_long,        // more labels than any of these
    address,         // a reverse name
  };
  Kind kind = Kind::outside;
  std::string namespace_name, service;  // in lower case
  std::string port, protocol;           // without underscores
  std::string endpoint;                 // of Kind::pod too
  std::optional<base::IpAddress> address;

  static NameForm of(dns::NameView name, const dns::DomainName& zone);
};

class NamedObjects final : public k8s::ObjectSink {
 public:
  explicit NamedObjects(NameForm form) : form_(std::move(form)) {}

  void begin_list(k8s::Kind kind) override;
  void end_list(k8s::Kind) override {}
  void abort_list(k8s::Kind) override {}
  void upsert(k8s::Namespace object) override;
  void upsert(k8s::Service object) override;
  void upsert(k8s::EndpointSlice object) override;
  void upsert(k8s::Pod) override {}
  void upsert(k8s::ServiceImport) override {}
  void remove(k8s::Kind kind, const k8s::ObjectKey& key) override;

  // Once nobody puts in any more.
  const NameForm& form() const { return form_; }
  bool has_namespace() const { return has_namespace_; }
  /// Other Services of the Namespace, for those who looked for one that is not there.
  const std::set<std::string>& siblings() const { return siblings_; }
  const std::map<k8s::ObjectKey, k8s::Service>& services() const { return services_; }
  const std::map<k8s::ObjectKey, k8s::EndpointSlice>& slices() const { return slices_; }

 private:
  const NameForm form_;
  std::mutex mutex_;
  bool has_namespace_ = false;
  std::set<std::string> siblings_;
  std::map<k8s::ObjectKey, k8s::Service> services_;
  std::map<k8s::ObjectKey, k8s::EndpointSlice> slices_;
};

}  // namespace fairlead::ctl
