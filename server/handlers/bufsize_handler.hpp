// `bufsize`: a bound for replies over UDP that is lower than ours.
//
// Threads: one worker's.
// Standards: RFC 6891 §6.2.3.
#pragma once

#include "server/config/query_options.hpp"
#include "server/query/query_context.hpp"

namespace fairlead::server {

class BufsizeHandler final : public Handler {
 public:
  explicit BufsizeHandler(const BufsizeOptions& options) : octets_(options.octets) {}

  Step handle(QueryContext& context) override {
    // A question of our own, or in the place of the client's, is answered whole; only what is sent is bounded.
    const bool is_sent = context.is_of_client() && context.origin.transport() == Transport::udp;
    if (is_sent && context.query.edns) context.writer.reduce_limit(octets_);
    return Step::next;
  }
  PluginLabel plugin() const override { return label_; }

 private:
  const std::size_t octets_;
  const PluginLabel label_ = plugin_label("bufsize");
};

}  // namespace fairlead::server
