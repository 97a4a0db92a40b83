// `hosts`: addresses and PTR records from lines of the Corefile and of a file in the form of /etc/hosts.
//
// Threads: one worker's, inside of a ReadSection; the table is read by all.
// Limits: what fits into the reply; TC says that it did not.
#pragma once

#include <memory>

#include "server/control/hosts_source.hpp"
#include "server/query/query_context.hpp"

namespace fairlead::server {

class HostsHandler final : public Handler {
 public:
  HostsHandler(const HostsOptions& options, std::shared_ptr<const HostsSource> source, bool rotates_answers)
      : options_(options), source_(std::move(source)), rotates_answers_(rotates_answers) {}

  Step handle(QueryContext& context) override;
  PluginLabel plugin() const override { return label_; }

 private:
  Step answer_address(QueryContext& context);
  Step answer_name(QueryContext& context) const;

  const HostsOptions options_;
  const std::shared_ptr<const HostsSource> source_;
  const bool rotates_answers_;
  const PluginLabel label_ = plugin_label("hosts");
};

}  // namespace fairlead::server
