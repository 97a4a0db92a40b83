#include "server/handlers/rewrite_handler.hpp"

#include <algorithm>
#include <utility>

#include "server/query/answer.hpp"
#include "server/query/nested_question.hpp"
#include "server/query/pending_query.hpp"
#include "server/query/reply_copy.hpp"
#include "server/query/worker_plan.hpp"
#include "zones/base/published.hpp"

namespace fairlead::server {
namespace {

using Kind = NamePattern::Kind;

Step fail(QueryContext& context, std::string_view why) {
  context.writer.clear_records();
  context.writer.set_rcode(dns::Rcode::servfail);
  context.writer.set_extended_error({dns::ExtendedError::other, why});
  return Step::answered;
}

}  // namespace

bool knows_other_classes(const RewriteOptions& options) {
  return std::ranges::any_of(
      options.rules, [](const RewriteRule& rule) { return std::holds_alternative<RewriteRule::Class>(rule.field); });
}

RewriteHandler::RewriteHandler(const RewriteOptions& options, asio::io_context& io) : io_(io) {
  for (const RewriteRule& rule : options.rules) {
    Rule& added = rules_.emplace_back(Rule{.rule = rule, .back = {}});
    const auto* const name = std::get_if<RewriteRule::Name>(&rule.field);
    if (name != nullptr && name->replacement.from().kind() == Kind::suffix) {
      added.back =
          *NameReplacement::make(NamePattern(Kind::suffix, name->replacement.to()), name->replacement.from().text());
    }
    const auto* const edns = std::get_if<RewriteRule::Edns>(&rule.field);
    if (edns == nullptr || std::ranges::find(sent_codes_, edns->code) != sent_codes_.end()) continue;
    sent_codes_.push_back(edns->code);
    if (edns->kind == RewriteRule::Edns::Kind::local) shown_codes_.push_back(edns->code);
  }
}

Step RewriteHandler::handle(QueryContext& context) {
  // A transfer is of a zone as it is, and more than one message.
  if (context.query.qtype == dns::RRType::axfr || context.query.qtype == dns::RRType::ixfr) return Step::next;
  RewriteQuestion question(context);
  RewriteReply reply;
  bool has_applied = false;
  for (const Rule& rule : rules_) {
    const Outcome outcome = apply(rule, question, reply, context);
    if (outcome == Outcome::ignored) continue;
    if (outcome == Outcome::bad_name) return fail(context, context.error);
    has_applied = true;
    if (rule.rule.stops) break;
  }
  if (!has_applied || (!question.is_changed() && reply.is_empty())) return Step::next;
  reply.renames = question.is_renamed();
  reply.edns_options = question.reply_options(shown_codes_);
  context.sends_options = !sent_codes_.empty();
  return ask_behind_and_take(
      context, *this, question.packet(sent_codes_),
      [this, reply = std::make_shared<const RewriteReply>(std::move(reply))](
          QueryContext& own, std::unique_ptr<PendingQuery>& pending, std::span<const std::uint8_t> message) {
        return take(own, pending, message, *reply);
      });
}

RewriteHandler::Outcome RewriteHandler::apply(const Rule& rule, RewriteQuestion& question, RewriteReply& reply,
                                              QueryContext& context) const {
  const auto outcome = [](bool applied) { return applied ? Outcome::applied : Outcome::ignored; };
  const auto& field = rule.rule.field;
  if (const auto* const name = std::get_if<RewriteRule::Name>(&field)) {
    return apply_name(rule, *name, question, reply, context);
  }
  if (const auto* const type = std::get_if<RewriteRule::Type>(&field)) {
    const bool applies = question.qtype() == type->from;
    if (applies) question.set_type(type->to);
    return outcome(applies);
  }
  if (const auto* const rrclass = std::get_if<RewriteRule::Class>(&field)) {
    const bool applies = question.qclass() == rrclass->from;
    if (applies) question.set_class(rrclass->to);
    return outcome(applies);
  }
  if (const auto* const edns = std::get_if<RewriteRule::Edns>(&field)) return outcome(question.apply(*edns));
  if (const auto* const ttl = std::get_if<RewriteRule::Ttl>(&field)) {
    const bool applies = ttl->name.matches(question.text());
    if (applies) reply.add(*ttl);
    return outcome(applies);
  }
  if (const auto* const rcode = std::get_if<RewriteRule::Rcode>(&field)) {
    const bool applies = rcode->name.matches(question.text());
    if (applies) reply.add(*rcode);
    return outcome(applies);
  }
  reply.add(std::get<RewriteRule::Cname>(field));
  return Outcome::applied;
}

RewriteHandler::Outcome RewriteHandler::apply_name(const Rule& rule, const RewriteRule::Name& name,
                                                   RewriteQuestion& question, RewriteReply& reply,
                                                   QueryContext& context) const {
  const Kind kind = name.replacement.from().kind();
  dns::DomainName renamed;
  if (kind == Kind::exact) {
    if (!(question.qname() == name.from.view())) return Outcome::ignored;
    renamed = name.to;
  } else {
    const auto text = name.replacement.replace(question.text());
    if (!text) return Outcome::ignored;
    auto parsed = dns::DomainName::parse(*text);
    if (!parsed || text->empty()) {
      context.error = "rewrite: no valid name is left of " + question.text() + ": " +
                      std::string(text->empty() ? "it is empty" : dns::to_string(parsed.error()));
      return Outcome::bad_name;
    }
    renamed = std::move(*parsed);
  }
  if (name.answer_auto && kind == Kind::suffix) {
    reply.add(RewriteReply::Replace{.replacement = &rule.back, .in_owner = true, .in_value = true});
  } else if (name.answer_auto) {
    // Back to the client's own spelling, where the name is the client's.
    const dns::NameView before = question.is_renamed() ? question.qname() : context.query.qname;
    reply.add(RewriteReply::Map{.from = renamed, .to = dns::DomainName(before)});
  }
  for (const auto& answer : name.answers) {
    reply.add(RewriteReply::Replace{
        .replacement = &answer.replacement, .in_owner = !answer.of_value, .in_value = answer.of_value});
  }
  question.set_name(renamed);
  return Outcome::applied;
}

Step RewriteHandler::take(QueryContext& context, std::unique_ptr<PendingQuery>& pending,
                          std::span<const std::uint8_t> message, const RewriteReply& reply) {
  if (const auto alias = reply.find_alias(message)) return look_up(context, pending, message, reply, *alias);
  reply.write(context, message);
  return Step::answered;
}

// The aliases of the reply up to the one that has a new target, then what that leads to.
Step RewriteHandler::look_up(QueryContext& context, std::unique_ptr<PendingQuery>& pending,
                             std::span<const std::uint8_t> message, const RewriteReply& reply,
                             const RewriteReply::Alias& alias) {
  const PluginLabel answered_by = context.answered_by;
  const resolver::UpstreamAddress* const upstream = context.upstream;
  const bool waits_already = pending != nullptr;
  if (!waits_already) pending = PendingQuery::suspend(context);
  if (pending == nullptr) return fail(context, "too many queries are waiting for upstreams");
  const std::shared_ptr<PendingQuery> client = std::move(pending);
  QueryContext& own = client->context();
  own.upstream = upstream;
  reply.write(own, message, &alias);
  auto ask = [client, answered_by, target = alias.target] {
    ask_internally(client->context(), target, client->context().query.qtype,
                   [client, answered_by](std::span<const std::uint8_t> found) {
                     dns::MessageWriter& writer = client->context().writer;
                     const dns::Header header = dns::read_header(found);
                     // Whether the old target exists does not matter any more.
                     if (header.rcode() == dns::Rcode::noerror && writer.rcode() == dns::Rcode::nxdomain) {
                       writer.set_rcode(dns::Rcode::noerror);
                     }
                     if (!append_answers(found, writer) || header.has(dns::Header::tc)) {
                       writer.set_flag(dns::Header::tc);
                     }
                     client->context().rotate = client->context().server->chain->rotates_answers;
                     client->reply(answered_by);
                   });
  };
  if (!waits_already) {
    ask();
    return Step::suspended;
  }
  // A reply may come while another query is being answered, inside of its ReadSection; those do not nest.
  asio::post(io_, [ask = std::move(ask)] {
    const base::ReadSection section;
    ask();
  });
  return Step::suspended;
}

}  // namespace fairlead::server
