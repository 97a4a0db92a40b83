// `nsid`: tells who asks for it which server answered.
//
// Threads: one worker's.
// Standards: RFC 5001.
#pragma once

#include <cstdint>
#include <vector>

#include "server/config/query_options.hpp"
#include "server/query/query_context.hpp"

namespace fairlead::server {

class NsidHandler final : public Handler {
 public:
  explicit NsidHandler(const NsidOptions& options);

  Step handle(QueryContext& context) override;
  void edit_reply(QueryContext& context) override { context.writer.set_edns_options(option_); }
  PluginLabel plugin() const override { return label_; }

 private:
  std::vector<std::uint8_t> option_;
  const PluginLabel label_ = plugin_label("nsid");
};

/// The host's name; "localhost" when it has none.
std::string host_name();

}  // namespace fairlead::server
