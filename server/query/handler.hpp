// A handler answers a query, passes it on, or takes it away to answer later. There is one for each directive that
// takes part in answering; a zone of the serving plan has a chain of them.
//
// Threads: a handler belongs to one worker and is only ever called on that worker's thread.
// Limits: handle() neither waits nor throws; what takes time is suspended.
#pragma once

#include <cstdint>

#include <span>
#include <string>
#include <string_view>

#include "server/control/metrics.hpp"

namespace fairlead::server {

struct QueryContext;

enum class Step : std::uint8_t {
  answered,   // the reply stands in the writer
  next,       // the next handler of the chain is asked
  suspended,  // a PendingQuery will answer; the caller forgets the query
  dropped,    // no reply is owed
};

class Handler {
 public:
  virtual ~Handler() = default;

  virtual Step handle(QueryContext& context) = 0;
  /// Sees the reply of a handler behind it, if handle() asked for that with QueryContext::observe().
  virtual void on_reply(QueryContext&) {}
  /// May change the whole reply, whoever wrote it, if handle() asked for that with QueryContext::edit().
  virtual void edit_reply(QueryContext&) {}
  /// What it can tell about a query, for `metadata`: "kubernetes/service".
  virtual std::span<const std::string_view> metadata_labels() const { return {}; }
  /// The value of one of these labels; empty where there is none.
  virtual std::string metadata(const QueryContext&, std::string_view) const { return {}; }
  /// The `plugin` label of replies that it makes.
  virtual PluginLabel plugin() const = 0;
};

}  // namespace fairlead::server
