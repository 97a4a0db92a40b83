// `forward`: asks upstreams. The only place of a chain where time passes.
//
// Threads: one worker's, as its Forwarder.
// Errors: REFUSED above max_concurrent; SERVFAIL with an Extended DNS Error that says what the upstreams did.
#pragma once

#include <atomic>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "resolver/forwarder.hpp"
#include "server/config/directive_options.hpp"
#include "server/query/query_context.hpp"

namespace fairlead::server {

class PendingQuery;

/// Reads certificates; what is wrong with them is an error for the operator. `concurrent` is shared by the forwarders
/// of all workers.
std::expected<resolver::ForwarderConfig, std::string> make_forwarder_config(
    const ForwardOptions& options, std::vector<resolver::UpstreamAddress> upstreams,
    std::shared_ptr<std::atomic<std::uint32_t>> concurrent);

class ForwardHandler final : public Handler {
 public:
  /// `why_no_upstreams`: for clients, when there are none.
  ForwardHandler(const ForwardOptions& options, std::shared_ptr<resolver::Forwarder> forwarder,
                 std::string why_no_upstreams, bool rotates_answers);
  /// The next `forward` of the block, for `next` and `next_on_nodata`; lives as long as this one.
  void set_next(const ForwardHandler& next) { next_ = &next; }

  Step handle(QueryContext& context) override;
  std::span<const std::string_view> metadata_labels() const override;
  std::string metadata(const QueryContext& context, std::string_view label) const override;
  PluginLabel plugin() const override { return label_; }

 private:
  bool takes(const QueryContext& context) const;
  void ask(const QueryContext& context, std::shared_ptr<PendingQuery> pending) const;
  const ForwardHandler* next_for(const QueryContext& context, const resolver::Reply& reply) const;
  void write_failure(QueryContext& context, const resolver::ForwardError& error) const;
  std::string upstream_text(const resolver::ForwardError& error) const;

  const dns::DomainName from_;
  const std::vector<dns::DomainName> except_;
  const std::vector<std::uint16_t> next_rcodes_;
  const bool next_on_nodata_;
  const std::shared_ptr<resolver::Forwarder> forwarder_;
  const std::string why_no_upstreams_;
  const bool rotates_answers_;
  const ForwardHandler* next_ = nullptr;
  const PluginLabel label_ = plugin_label("forward");
};

}  // namespace fairlead::server
