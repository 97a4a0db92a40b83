// The context of new connections to an encrypted listener, which is replaced when its certificate is.
//
// Threads: replace() on the control thread; current() on any, under a lock: once a connection.
#pragma once

#include <memory>
#include <utility>

#include "server/net/tls_context.hpp"
#include "zones/base/guarded.hpp"

namespace fairlead::server {

class TlsIdentity {
 public:
  explicit TlsIdentity(std::shared_ptr<const TlsContext> first) : context_(std::move(first)) {}

  std::shared_ptr<const TlsContext> current() const {
    return context_.with([](const auto& context) { return context; });
  }
  void replace(std::shared_ptr<const TlsContext> fresh) {
    // The old one ends outside of the lock.
    context_.with([&](auto& context) { context.swap(fresh); });
  }

 private:
  base::Guarded<std::shared_ptr<const TlsContext>> context_;
};

}  // namespace fairlead::server
