// `forward`: asks upstreams. The only place of a chain where time passes.
//
// Threads: one worker's, as its Forwarder.
// Errors: REFUSED above max_concurrent; SERVFAIL with an Extended DNS Error that says what the upstreams did.
#pragma once

#include <atomic>
#include <expected>
#include <memory>
#include <string>

#include "resolver/forwarder.hpp"
#include "server/config/directive_options.hpp"
#include "server/query/query_context.hpp"

namespace fairlead::server {

/// Reads resolv.conf files; what is wrong with them is an error for the operator. `concurrent` is shared by the
/// forwarders of all workers.
std::expected<resolver::ForwarderConfig, std::string> make_forwarder_config(
    const ForwardOptions& options, std::shared_ptr<std::atomic<std::uint32_t>> concurrent);

class ForwardHandler final : public Handler {
 public:
  ForwardHandler(const ForwardOptions& options, std::shared_ptr<resolver::Forwarder> forwarder, bool rotates_answers);

  Step handle(QueryContext& context) override;
  std::span<const std::string_view> metadata_labels() const override;
  std::string metadata(const QueryContext& context, std::string_view label) const override;
  PluginLabel plugin() const override { return label_; }

 private:
  static void write_failure(QueryContext& context, const resolver::ForwardError& error, std::string upstream);
  std::string upstream_text(const resolver::ForwardError& error) const;

  const dns::DomainName from_;
  const std::vector<dns::DomainName> except_;
  const std::shared_ptr<resolver::Forwarder> forwarder_;
  const bool rotates_answers_;
  const PluginLabel label_ = plugin_label("forward");
};

}  // namespace fairlead::server
