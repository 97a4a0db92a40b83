// The client of a query as the handlers behind one handler see it, which takes their reply itself: all is as it was,
// and keep() is the handler's.
//
// Threads: one worker's. It lives as long as the query's context.
#pragma once

#include "server/query/query_context.hpp"

namespace fairlead::server {

class SameClient : public Origin {
 public:
  explicit SameClient(QueryContext& context) : context_(context) {}

  Transport transport() const override { return context_.origin.transport(); }
  bool is_ipv4() const override { return context_.origin.is_ipv4(); }
  base::IpAddress client_address() const override { return context_.origin.client_address(); }
  std::string client_text() const override { return context_.origin.client_text(); }
  std::uint16_t client_port() const override { return context_.origin.client_port(); }
  std::optional<base::IpAddress> local_address() const override { return context_.origin.local_address(); }

 protected:
  QueryContext& context_;
};

}  // namespace fairlead::server
