// `whoami`: who asks, from where. For every name that nothing before it answers.
//
// Threads: one worker's.
#pragma once

#include "server/query/query_context.hpp"

namespace fairlead::server {

class WhoamiHandler final : public Handler {
 public:
  Step handle(QueryContext& context) override;
  PluginLabel plugin() const override { return label_; }

 private:
  const PluginLabel label_ = plugin_label("whoami");
};

}  // namespace fairlead::server
