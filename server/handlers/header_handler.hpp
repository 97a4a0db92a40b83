// `header`: flags of queries and replies, set or cleared.
//
// Threads: one worker's.
#pragma once

#include "server/config/query_options.hpp"
#include "server/query/query_context.hpp"

namespace fairlead::server {

class HeaderHandler final : public Handler {
 public:
  explicit HeaderHandler(const HeaderOptions& options) : options_(options) {}

  Step handle(QueryContext& context) override;
  void edit_reply(QueryContext& context) override {
    for (const auto& rule : options_.response) context.writer.set_flag(rule.flag, rule.on);
  }
  PluginLabel plugin() const override { return label_; }

 private:
  const HeaderOptions options_;
  const PluginLabel label_ = plugin_label("header");
};

}  // namespace fairlead::server
