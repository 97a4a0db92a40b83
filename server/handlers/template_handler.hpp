// `template`: replies that are made from the question, by rules of the Corefile.
//
// Threads: one worker's.
// Limits: those of TextTemplate and of a message; the target of an alias is looked up at most alias_chain_max deep.
// Errors: SERVFAIL for a template that fails on a query, or that makes no record; both are counted and logged.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "server/config/template_options.hpp"
#include "server/control/metrics.hpp"
#include "server/query/query_context.hpp"

namespace fairlead::server {

bool knows_other_classes(const std::vector<TemplateOptions>& templates);

class TemplateHandler final : public Handler {
 public:
  /// `server_labels` by the index of the listening address.
  TemplateHandler(const std::vector<TemplateOptions>& templates, std::vector<std::string> server_labels,
                  std::string view, MetricsRegistry& metrics)
      : templates_(templates), server_labels_(std::move(server_labels)), view_(std::move(view)), metrics_(metrics) {}

  Step handle(QueryContext& context) override;
  PluginLabel plugin() const override { return label_; }

 private:
  class Data;
  struct Reply {
    const TemplateOptions* made_by = nullptr;
    std::array<std::vector<dns::ResourceRecord>, 3> sections;  // by dns::Section
  };

  Step answer(QueryContext& context, const TemplateOptions& options, const Data& data);
  std::optional<Reply> make_reply(QueryContext& context, const TemplateOptions& options, const Data& data);
  Step look_up(QueryContext& context, Reply reply, dns::NameView target);
  static void write(QueryContext& context, const Reply& reply, std::span<const std::uint8_t> found);
  SharedCounter& match_counter(const QueryContext& context, const Data& data);
  SharedCounter* counter(std::string_view name, std::string_view help, const QueryContext& context, const Data& data,
                         std::string_view section = {}, std::string_view text = {});

  const std::vector<TemplateOptions> templates_;
  const std::vector<std::string> server_labels_;
  const std::string view_;
  MetricsRegistry& metrics_;
  /// The registry is asked once for what is counted with every query.
  using MatchKey = std::tuple<const dns::DomainName*, std::size_t, dns::RRClass, dns::RRType>;
  std::map<MatchKey, SharedCounter*> match_counters_;
  const PluginLabel label_ = plugin_label("template");
};

}  // namespace fairlead::server
