#include "server/handlers/alias_target.hpp"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "server/query/answer.hpp"
#include "server/query/pending_query.hpp"
#include "server/query/reply_copy.hpp"

namespace fairlead::server {

using dns::Header;
using dns::Section;

Step ask_for_alias_target(QueryContext& context, dns::NameView target, PluginLabel label, std::string_view stale,
                          TargetRcode rcode) {
  const dns::RRType qtype = context.query.qtype;
  std::shared_ptr<PendingQuery> pending = PendingQuery::suspend(context);
  if (pending == nullptr) {
    context.writer.clear_records();
    context.writer.set_rcode(dns::Rcode::servfail);
    context.writer.set_extended_error({dns::ExtendedError::other, "too many queries are waiting for upstreams"});
    return Step::answered;
  }
  // The records so far are the CNAMEs; they are written again into the reply that is sent later.
  const std::size_t begin = dns::header_octets + context.query.question.size();
  std::vector<std::uint8_t> aliases(context.writer.data() + begin, context.writer.data() + context.writer.size());
  const std::size_t alias_count = context.writer.count(Section::answer);
  ask_internally(
      context, target, qtype,
      [pending, label, aliases = std::move(aliases), alias_count, stale, rcode](std::span<const std::uint8_t> reply) {
        dns::MessageWriter& writer = pending->context().writer;
        writer.set_flag(Header::aa);
        if (!stale.empty()) writer.set_extended_error({dns::ExtendedError::stale_answer, stale});
        std::ranges::copy(aliases, writer.cursor());
        writer.advance(aliases.size(), alias_count, Section::answer);
        // Target NXDOMAIN, NODATA or SERVFAIL: the CNAME alone. What does not fit, or did not fit upstream,
        // is asked again over TCP.
        if (!append_answers(reply, writer) || dns::read_header(reply).has(Header::tc)) {
          writer.set_flag(Header::tc);
        }
        const dns::Rcode found = dns::read_header(reply).rcode();
        // A target that is not ours to look up (REFUSED) is the client's to look up.
        if (rcode == TargetRcode::passed_on && (found == dns::Rcode::nxdomain || found == dns::Rcode::servfail)) {
          writer.set_rcode(found);
        }
        pending->reply(label);
      });
  return Step::suspended;
}

}  // namespace fairlead::server
