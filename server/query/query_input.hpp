// A query as expressions see it, with CoreDNS's names for things: those of `view`, and of `template`.
//
// Threads: the query's worker; it lives as long as the query's context.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "server/config/expression.hpp"
#include "server/query/query_context.hpp"

namespace fairlead::server {

class QueryInput : public ExpressionInput {
 public:
  /// `port`: of the listening address.
  QueryInput(const QueryContext& context, std::uint16_t port) : context_(context), port_(port) {}

  bool flag(QueryField field) const override;
  std::int64_t number(QueryField field) const override;
  std::string text(QueryField field) const override;
  std::string metadata(std::string_view label) const override;

 private:
  const QueryContext& context_;
  const std::uint16_t port_;
};

}  // namespace fairlead::server
