// `acl`: which clients may ask for which types in which zones.
//
// It stands behind `rewrite` and `autopath` and in front of everything that answers or remembers, so a rule sees the
// question that is really asked: a name that was rewritten or searched for, and the target of an alias, are questions
// of the same client and go through it again. What it refuses never reaches the cache, and what is cached is given to
// nobody in its place.
//
// Threads: one worker's.
#pragma once

#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "server/config/acl_options.hpp"
#include "server/control/metrics.hpp"
#include "server/query/query_context.hpp"

namespace fairlead::server {

class AclHandler final : public Handler {
 public:
  /// `servers`: the `server` label of each listening address, by its index.
  AclHandler(const std::vector<AclOptions>& directives, std::vector<std::string> servers, std::string view,
             MetricsRegistry& metrics)
      : directives_(directives), servers_(std::move(servers)), view_(std::move(view)), metrics_(metrics) {}

  Step handle(QueryContext& context) override;
  PluginLabel plugin() const override { return label_; }

 private:
  using Action = AclOptions::Action;
  Step apply(Action action, const dns::DomainName& zone, QueryContext& context);
  void count(Action action, const dns::DomainName& zone, const QueryContext& context);

  const std::vector<AclOptions> directives_;
  const std::vector<std::string> servers_;
  const std::string view_;
  MetricsRegistry& metrics_;
  std::map<std::tuple<Action, const dns::DomainName*, std::size_t>, SharedCounter*> counters_;
  const PluginLabel label_ = plugin_label("acl");
};

}  // namespace fairlead::server
