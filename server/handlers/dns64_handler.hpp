// `dns64`: IPv6 addresses made of IPv4 ones, for clients that reach IPv4 through a NAT64 alone.
//
// A question for AAAA goes on as it is. When nothing comes back that a client could use, the same name is asked for A,
// and each address is put behind the prefix. PTR questions for such addresses are asked of the IPv4 address.
//
// Threads: one worker's.
// Limits: two questions behind one; the second begins when the first has its reply.
// Standards: RFC 6147, RFC 6052 §2.2 (where the octets go).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "server/config/dns64_options.hpp"
#include "server/control/metrics.hpp"
#include "server/query/query_context.hpp"

namespace fairlead::server {

class Dns64Handler final : public Handler {
 public:
  /// `servers`: the `server` label of each listening address, by its index.
  Dns64Handler(const Dns64Options& options, std::vector<std::string> servers, MetricsRegistry& metrics)
      : options_(options), servers_(std::move(servers)), metrics_(metrics) {}

  Step handle(QueryContext& context) override;
  PluginLabel plugin() const override { return label_; }

 private:
  Step ask_for_name(QueryContext& context);
  Step go_on(QueryContext& context, std::span<const std::uint8_t> message);
  bool wants_synthesis(const QueryContext& context, std::span<const std::uint8_t> message) const;
  void count(const QueryContext& context);

  const Dns64Options options_;
  const std::vector<std::string> servers_;
  MetricsRegistry& metrics_;
  std::map<std::size_t, SharedCounter*> counters_;  // by listening address
  const PluginLabel acl_label_ = plugin_label("acl");
  const PluginLabel label_ = plugin_label("dns64");
};

/// RFC 6052 §2.2: the IPv4 address in an IPv6 one of this prefix, and back.
base::IpAddress embed(const base::IpNetwork& prefix, std::span<const std::uint8_t, 4> address);
std::optional<base::IpAddress> extract(const base::IpNetwork& prefix, const base::IpAddress& address);

}  // namespace fairlead::server
