#include "server/handlers/header_handler.hpp"

#include "server/query/nested_question.hpp"
#include "server/query/reply_copy.hpp"

namespace fairlead::server {

Step HeaderHandler::handle(QueryContext& context) {
  if (!options_.response.empty()) context.edit(*this);
  std::uint16_t flags = context.query.header.flags;
  for (const auto& rule : options_.query) {
    flags = static_cast<std::uint16_t>(rule.on ? flags | rule.flag : flags & ~rule.flag);
  }
  if (flags == context.query.header.flags) return Step::next;
  // Who forwards, or asks on, must see the other flag.
  return ask_behind(context, *this, make_packet(context.query, {.flags = flags}),
                    [](QueryContext& own, std::span<const std::uint8_t> message) {
                      RecordEditor nothing;
                      copy_edited_reply(message, own.query.qname, nothing, own.writer, own.reason());
                    });
}

}  // namespace fairlead::server
