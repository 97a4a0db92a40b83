// `dnstap`: tells what was asked and answered, and what upstreams were asked for it.
//
// The handler tells of a query when it comes by; its reply is told when it is finished (answer.cpp), as it is sent. In
// front of `forward` a second handler tells of the upstream's reply.
//
// Threads: one worker's.
// Limits: a message is written into a ring of the worker, or lost and counted there (dnstap_outlet.hpp); no query
// waits.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "server/config/log_format.hpp"
#include "server/control/dnstap_outlet.hpp"
#include "server/handlers/dnstap_message.hpp"
#include "server/handlers/query_log.hpp"
#include "server/query/query_context.hpp"
#include "server/query/reply_stream.hpp"

namespace fairlead::server {

/// The lines of a block, as one worker writes for them.
class DnstapTaps {
 public:
  /// `outlets` as `lines`.
  DnstapTaps(const std::vector<DnstapOptions>& lines, const std::vector<std::shared_ptr<DnstapOutlet>>& outlets,
             unsigned worker);

  void tap_query(const QueryContext& context);
  /// `message`: as it is sent.
  void tap_response(const QueryContext& context, std::span<const std::uint8_t> message);
  /// What an upstream was asked, and what it said if it did.
  void tap_upstream(const QueryContext& context);
  /// `stream`, each message of which is told as a response to this query.
  static std::unique_ptr<ReplyStream> tap_stream(std::shared_ptr<DnstapTaps> taps, const QueryContext& context,
                                                 std::unique_ptr<ReplyStream> stream);

 private:
  class TappedStream;
  struct Tap {
    bool full = false;
    std::string identity;
    std::string version;
    std::optional<LogFormat> extra;
    std::shared_ptr<DnstapOutlet> outlet;
    std::shared_ptr<OctetRing> ring;
  };
  using Steady = std::chrono::steady_clock;
  DnstapEvent client_event(const QueryContext& context, DnstapType type);
  DnstapEvent::Time as_time(Steady::time_point when);
  void write(const QueryContext& context, const DnstapEvent& event);
  void write(const Tap& tap, std::string_view extra, DnstapEvent event);
  /// In `buffer`, or empty.
  static std::string_view extra_of(const Tap& tap, const QueryContext& context,
                                   std::span<char, query_line_octets_max> buffer);

  std::vector<Tap> taps_;
  /// From the steady clock to the one on the wall. Kept for a while, so that a query's time is the same in its reply.
  std::chrono::nanoseconds offset_{0};
  Steady::time_point offset_until_;
  std::string frame_;  // kept for its memory
};

class DnstapHandler final : public Handler {
 public:
  explicit DnstapHandler(std::shared_ptr<DnstapTaps> taps) : taps_(std::move(taps)) {}
  Step handle(QueryContext& context) override;
  PluginLabel plugin() const override { return no_plugin; }  // it answers nothing

 private:
  const std::shared_ptr<DnstapTaps> taps_;
};

/// Stands in front of the first `forward`.
class UpstreamTapHandler final : public Handler {
 public:
  explicit UpstreamTapHandler(std::shared_ptr<DnstapTaps> taps) : taps_(std::move(taps)) {}
  Step handle(QueryContext& context) override;
  void on_reply(QueryContext& context) override { taps_->tap_upstream(context); }
  PluginLabel plugin() const override { return no_plugin; }

 private:
  const std::shared_ptr<DnstapTaps> taps_;
};

}  // namespace fairlead::server
