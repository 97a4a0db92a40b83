// What keeps questions of other classes than IN from the handlers that know no class: it stands in chains that have a
// handler for other classes, behind it.
//
// Threads: one worker's.
// Standards: RFC 1034 §3.6: a name has records per class.
#pragma once

#include "server/query/query_context.hpp"

namespace fairlead::server {

class ClassGate final : public Handler {
 public:
  Step handle(QueryContext& context) override {
    if (context.query.qclass == dns::RRClass::in) return Step::next;
    context.writer.set_rcode(dns::Rcode::refused);
    context.writer.set_extended_error({dns::ExtendedError::not_supported, "nothing has this name in this class"});
    return Step::answered;
  }
  PluginLabel plugin() const override { return no_plugin; }
};

}  // namespace fairlead::server
