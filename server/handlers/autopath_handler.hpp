// `autopath`: walks the client's search list for it, so that "www.example.org" costs a pod one query instead of five.
//
// A name below the first element of the search list is asked for with each further element in its place, then bare; the
// first reply that is not NXDOMAIN wins, behind a CNAME from the question to the name that answered. When there is none
// the reply to the name itself stands, and the client goes on searching.
//
// The name itself is asked for in the client's own reply, by the handlers behind this one: for names that exist nothing
// is copied. Only then are the others asked as questions of our own, from the top; as long as each is answered at once
// the client's query is not suspended.
//
// Threads: one worker's.
// Limits: search_names_max names a query; each waits as any other question does.
// Errors: a query that cannot wait (too many do) gets the reply to the name itself.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "k8s/cluster.hpp"
#include "server/query/query_context.hpp"
#include "zones/base/asio.hpp"

namespace fairlead::server {

/// Where search lists come from.
struct AutopathSearch {
  std::vector<dns::DomainName> zones;  // of the directive; names elsewhere are left alone
  std::vector<dns::DomainName> list;   // of the resolv.conf
  /// `@kubernetes`: <ns>.svc.<zone>, svc.<zone> and <zone> stand in front of the list, with the Namespace of the Pod
  /// that asks. Null without.
  std::shared_ptr<k8s::Cluster> cluster;
  std::vector<dns::DomainName> cluster_zones;
};

class AutopathHandler final : public Handler {
 public:
  AutopathHandler(AutopathSearch search, asio::io_context& io);

  Step handle(QueryContext& context) override;
  PluginLabel plugin() const override { return label_; }

 private:
  class FirstOrigin;
  class Search;

  /// How a question name splits at the first element of the client's search list.
  struct Split {
    std::size_t base_octets = 0;  // in front of it
    std::size_t svc_offset = 0;   // of "svc.<zone>" in the name; with `@kubernetes`
    std::size_t zone_offset = 0;  // of <zone>; likewise
  };
  /// Nothing when the name is none of those that a search makes.
  std::optional<Split> split(const QueryContext& context) const;
  /// The other names of the search, in order.
  std::vector<dns::DomainName> other_names(const QueryContext& context, const Split& split) const;

  /// Of the Pods; empty when they are not from one.
  std::string_view snapshot_note() const;

  AutopathSearch search_;
  asio::io_context& io_;
  const PluginLabel label_ = plugin_label("autopath");
  /// The Extended DNS Error of the reply that is being written.
  std::string reason_text_;
};

}  // namespace fairlead::server
