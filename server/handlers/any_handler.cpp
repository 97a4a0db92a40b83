#include "server/handlers/any_handler.hpp"

#include <string_view>

#include "server/handlers/cluster_reply.hpp"

namespace fairlead::server {
namespace {

using namespace std::string_view_literals;

constexpr std::uint32_t any_ttl = 8482;                                  // CoreDNS's
constexpr std::string_view rdata = "\15ANY obsoleted\14See RFC 8482"sv;  // two character-strings

}  // namespace

Step AnyHandler::handle(QueryContext& context) {
  if (context.query.qtype != dns::RRType::any || context.query.qclass != dns::RRClass::in) return Step::next;
  context.writer.append(dns::Section::answer, pointer_octets(dns::question_pointer), dns::RRType::hinfo, any_ttl,
                        std::span(reinterpret_cast<const std::uint8_t*>(rdata.data()), rdata.size()));
  return Step::answered;
}

}  // namespace fairlead::server
