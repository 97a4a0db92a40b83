// `rewrite`: the directives behind it see another question, and the client sees its own.
//
// Rules are tried in the order of the file; one that applies changes the question for the next. When one has applied,
// the handlers behind are asked the new question and their reply is written for the client. Handlers in front of it,
// such as `acl`, `metadata`, `log` and the metrics, know the client's question alone.
//
// Threads: one worker's.
// Limits: rewrite_rules_max; a rewritten question is asked of the handlers behind and never of this one again, and the
// lookups of `cname` are counted with aliases (alias_chain_max). So no rules make a loop.
// Errors: SERVFAIL for a name that is none any more.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "server/config/rewrite_options.hpp"
#include "server/handlers/rewrite_question.hpp"
#include "server/handlers/rewrite_reply.hpp"
#include "server/query/query_context.hpp"
#include "zones/base/asio.hpp"

namespace fairlead::server {

class PendingQuery;

/// Questions of other classes than IN can be meant for the block.
bool knows_other_classes(const RewriteOptions& options);

class RewriteHandler final : public Handler {
 public:
  RewriteHandler(const RewriteOptions& options, asio::io_context& io);

  Step handle(QueryContext& context) override;
  PluginLabel plugin() const override { return label_; }

 private:
  struct Rule {
    RewriteRule rule;
    /// Of `name suffix ... answer auto`: from TO to FROM.
    NameReplacement back;
  };
  enum class Outcome { ignored, applied, bad_name };
  Outcome apply(const Rule& rule, RewriteQuestion& question, RewriteReply& reply, QueryContext& context) const;
  Outcome apply_name(const Rule& rule, const RewriteRule::Name& name, RewriteQuestion& question, RewriteReply& reply,
                     QueryContext& context) const;
  Step take(QueryContext& context, std::unique_ptr<PendingQuery>& pending, std::span<const std::uint8_t> message,
            const RewriteReply& reply);
  Step look_up(QueryContext& context, std::unique_ptr<PendingQuery>& pending, std::span<const std::uint8_t> message,
               const RewriteReply& reply, const RewriteReply::Alias& alias);

  std::vector<Rule> rules_;
  /// Of the rules of `edns0`: what upstreams are told.
  std::vector<std::uint16_t> sent_codes_;
  /// Of the rules of `edns0 local`: a client is shown such options of its query, as in CoreDNS.
  std::vector<std::uint16_t> shown_codes_;
  asio::io_context& io_;
  const PluginLabel label_ = plugin_label("rewrite");
};

}  // namespace fairlead::server
