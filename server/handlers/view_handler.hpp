// `view`: which block a query goes to is decided before there is a chain (ZoneRouter); this tells its name to
// `metadata`.
//
// Threads: one worker's.
#pragma once

#include <array>

#include "server/config/view_options.hpp"
#include "server/query/query_context.hpp"

namespace fairlead::server {

class ViewHandler final : public Handler {
 public:
  explicit ViewHandler(const ViewOptions& options) : name_(options.name) {}

  Step handle(QueryContext&) override { return Step::next; }
  std::span<const std::string_view> metadata_labels() const override {
    static constexpr std::array<std::string_view, 1> labels{"view/name"};
    return labels;
  }
  std::string metadata(const QueryContext&, std::string_view) const override { return name_; }
  PluginLabel plugin() const override { return no_plugin; }

 private:
  const std::string name_;
};

}  // namespace fairlead::server
