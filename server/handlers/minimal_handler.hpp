// `minimal`: answers without what stands beside them.
//
// Threads: one worker's.
#pragma once

#include "server/query/query_context.hpp"

namespace fairlead::server {

class MinimalHandler final : public Handler {
 public:
  Step handle(QueryContext& context) override {
    context.edit(*this);
    return Step::next;
  }
  /// Negative answers keep their SOA, and delegations what they consist of.
  void edit_reply(QueryContext& context) override {
    const bool is_answer =
        context.writer.rcode() == dns::Rcode::noerror && context.writer.count(dns::Section::answer) > 0;
    if (is_answer) context.writer.keep_answers_only();
  }
  PluginLabel plugin() const override { return label_; }

 private:
  const PluginLabel label_ = plugin_label("minimal");
};

}  // namespace fairlead::server
