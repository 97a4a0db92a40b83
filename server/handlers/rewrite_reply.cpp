#include "server/handlers/rewrite_reply.hpp"

#include <algorithm>
#include <ranges>
#include <string>
#include <utility>

#include "server/query/reply_copy.hpp"
#include "zones/dns/message_reader.hpp"

namespace fairlead::server {
namespace {

using dns::RRType;
using dns::Section;

void put(dns::NameBuffer& name, dns::NameView value) {
  std::ranges::copy(value.wire(), name.octets.begin());
  name.size = static_cast<std::uint8_t>(value.size());
}

void map_name(dns::NameBuffer& name, const RewriteReply::Map& rule) {
  const dns::NameView from = rule.from;
  const dns::NameView to = rule.to;
  if (!name.view().is_at_or_below(from)) return;
  const std::size_t in_front = name.size - from.size();
  if (in_front + to.size() > dns::name_octets_max) return;
  std::ranges::copy(to.wire(), name.octets.begin() + static_cast<std::ptrdiff_t>(in_front));
  name.size = static_cast<std::uint8_t>(in_front + to.size());
}

std::string lower_text(dns::NameView name) { return dns::DomainName(name).to_lower().to_string(); }

// A pattern may be written for names as they are, or in the lower case that questions are rewritten in.
void replace_name(dns::NameBuffer& name, const NameReplacement& replacement) {
  auto replaced = replacement.replace(name.view().to_string());
  if (!replaced) replaced = replacement.replace(lower_text(name.view()));
  if (!replaced) return;
  // What is no name any more stays as it was.
  if (const auto parsed = dns::DomainName::parse(*replaced)) put(name, *parsed);
}

}  // namespace

class RewriteEditor final : public RecordEditor {
 public:
  RewriteEditor(const RewriteReply& reply, const RewriteReply::Alias* alias) : reply_(reply), alias_(alias) {}

  bool takes(const dns::RecordView& record) override {
    const std::size_t at = record_++;
    is_alias_ = alias_ != nullptr && at == alias_->record;
    return alias_ == nullptr ||
           (at <= alias_->record && record.type == RRType::cname && record.section == Section::answer);
  }
  void edit_owner(dns::NameBuffer& name) override { edit_name(name, true); }
  void edit_value(dns::NameBuffer& name, RRType) override {
    if (is_alias_) return put(name, alias_->target);
    edit_name(name, false);
  }
  std::uint32_t edit_ttl(std::uint32_t ttl) override {
    for (const auto& rule : std::views::reverse(reply_.rules_)) {
      if (const auto* const of_ttl = std::get_if<const RewriteRule::Ttl*>(&rule)) {
        ttl = std::clamp(ttl, (*of_ttl)->min, (*of_ttl)->max);
      }
    }
    return ttl;
  }

 private:
  void edit_name(dns::NameBuffer& name, bool is_owner) {
    for (const auto& rule : std::views::reverse(reply_.rules_)) {
      if (const auto* const map = std::get_if<RewriteReply::Map>(&rule)) map_name(name, *map);
      const auto* const replace = std::get_if<RewriteReply::Replace>(&rule);
      if (replace != nullptr && (is_owner ? replace->in_owner : replace->in_value)) {
        replace_name(name, *replace->replacement);
      }
    }
  }

  const RewriteReply& reply_;
  const RewriteReply::Alias* const alias_;
  std::size_t record_ = 0;
  bool is_alias_ = false;
};

std::optional<RewriteReply::Alias> RewriteReply::find_alias(std::span<const std::uint8_t> message) const {
  if (cnames_.empty()) return std::nullopt;
  auto reader = dns::RecordReader::open(message);
  std::size_t next = 0;
  while (reader) {
    const auto record = reader->next();
    if (!record || !*record || (*record)->section != Section::answer) break;
    if ((*record)->type == RRType::opt) continue;  // who copies records leaves it out too
    const std::size_t at = next++;
    dns::NameBuffer name;
    if ((*record)->type != RRType::cname || !dns::read_name(message, (*record)->rdata_offset, name)) continue;
    const std::string text = lower_text(name.view());
    for (const RewriteRule::Cname* const rule : std::views::reverse(cnames_)) {
      const auto replaced = rule->target.replace(text);
      if (!replaced) continue;
      const auto target = dns::DomainName::parse(*replaced);
      // An alias to itself would be looked up for nothing.
      if (target && !(target->view() == name.view())) return Alias{.record = at, .target = *target};
    }
  }
  return std::nullopt;
}

void RewriteReply::write(QueryContext& context, std::span<const std::uint8_t> message, const Alias* alias) const {
  RewriteEditor editor(*this, alias);
  dns::MessageWriter& writer = context.writer;
  copy_edited_reply(message, context.query.qname, editor, writer, context.reason());
  // Nobody signed the names that the client sees.
  if (renames || alias != nullptr) writer.set_flag(dns::Header::ad, false);
  for (const auto& rule : std::views::reverse(rules_)) {
    const auto* const rcode = std::get_if<const RewriteRule::Rcode*>(&rule);
    if (rcode != nullptr && writer.rcode() == (*rcode)->from) writer.set_rcode((*rcode)->to);
  }
  if (edns_options.empty()) return;
  context.reply_options() = edns_options;
  writer.set_edns_options(context.reply_options());
}

}  // namespace fairlead::server
