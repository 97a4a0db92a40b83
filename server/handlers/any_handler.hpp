// `any`: questions of type ANY have one small answer instead of all that there is.
//
// Threads: one worker's.
// Standards: RFC 8482 §4.2 (HINFO).
#pragma once

#include "server/query/query_context.hpp"

namespace fairlead::server {

class AnyHandler final : public Handler {
 public:
  Step handle(QueryContext& context) override;
  PluginLabel plugin() const override { return label_; }

 private:
  const PluginLabel label_ = plugin_label("any");
};

}  // namespace fairlead::server
