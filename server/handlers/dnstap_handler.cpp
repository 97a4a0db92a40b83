#include "server/handlers/dnstap_handler.hpp"

#include <unistd.h>

#include <array>
#include <chrono>
#include <utility>

namespace fairlead::server {
namespace {

std::string host_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? std::string(name.data()) : std::string();
}

constexpr std::chrono::seconds offset_age_max{1};

// Probes of our own, and questions in a client's place, are not the client's.
bool is_told(const QueryContext& context) { return context.is_of_client() && context.origin.client_port() != 0; }

}  // namespace

DnstapEvent::Time DnstapTaps::as_time(Steady::time_point when) {
  if (when >= offset_until_) {
    const Steady::time_point now = Steady::now();
    offset_ = std::chrono::system_clock::now().time_since_epoch() - now.time_since_epoch();
    offset_until_ = now + offset_age_max;
  }
  return DnstapEvent::Time(when.time_since_epoch() + offset_);
}

DnstapEvent DnstapTaps::client_event(const QueryContext& context, DnstapType type) {
  return {.type = type,
          .is_ipv4 = context.origin.is_ipv4(),
          .is_tcp = context.origin.transport() == Transport::tcp,
          .query_address = context.origin.client_address(),
          .query_port = context.origin.client_port(),
          .query_time = as_time(context.received)};
}

DnstapTaps::DnstapTaps(const std::vector<DnstapOptions>& lines,
                       const std::vector<std::shared_ptr<DnstapOutlet>>& outlets, unsigned worker) {
  for (std::size_t i = 0; i < lines.size(); ++i) {
    taps_.push_back({.full = lines[i].full,
                     .identity = lines[i].identity ? *lines[i].identity : host_name(),
                     .version = lines[i].version.value_or(std::string("Fairlead-") + FAIRLEAD_VERSION),
                     .extra = lines[i].extra,
                     .outlet = outlets[i],
                     .ring = outlets[i]->ring_of(worker)});
  }
}

void DnstapTaps::tap_query(const QueryContext& context) {
  if (!is_told(context)) return;
  DnstapEvent event = client_event(context, DnstapType::client_query);
  event.query_message = context.packet;
  write(context, event);
}

void DnstapTaps::tap_response(const QueryContext& context, std::span<const std::uint8_t> message) {
  if (!is_told(context)) return;
  DnstapEvent event = client_event(context, DnstapType::client_response);
  event.response_time = as_time(Steady::now());
  event.response_message = message;
  write(context, event);
}

void DnstapTaps::tap_upstream(const QueryContext& context) {
  if (context.upstream == nullptr) return;
  const resolver::ForwardReply* const reply = context.upstream_reply;
  const DnstapEvent::Time time = as_time(Steady::now());
  DnstapEvent event{.type = DnstapType::forwarder_query,
                    .is_ipv4 = context.upstream->address.is_v4(),
                    .is_tcp = (reply != nullptr ? reply->transport : context.origin.transport()) == Transport::tcp,
                    .response_address = context.upstream->address,
                    .response_port = context.upstream->port,
                    .query_time = reply != nullptr ? time - reply->elapsed : as_time(context.received),
                    .query_message = context.packet};
  write(context, event);
  if (reply == nullptr) return;
  event.type = DnstapType::forwarder_response;
  event.query_message = {};
  event.response_time = time;
  event.response_message = reply->reply.message();
  write(context, event);
}

/// Lives as long as the connection takes messages; the plan that made it may be gone by then.
class DnstapTaps::TappedStream final : public ReplyStream {
 public:
  TappedStream(std::shared_ptr<DnstapTaps> taps, const QueryContext& context, std::unique_ptr<ReplyStream> stream)
      : taps_(std::move(taps)),
        event_(taps_->client_event(context, DnstapType::client_response)),
        stream_(std::move(stream)) {
    std::array<char, query_line_octets_max> buffer;
    for (const Tap& tap : taps_->taps_) extras_.emplace_back(extra_of(tap, context, buffer));
  }

  void start(std::function<void()> wake) override { stream_->start(std::move(wake)); }
  ReplyStream::Step advance(std::span<const std::uint8_t>& message) override {
    const ReplyStream::Step step = stream_->advance(message);
    if (step != ReplyStream::Step::message) return step;
    event_.response_time = taps_->as_time(Steady::now());
    event_.response_message = message;
    for (std::size_t i = 0; i < extras_.size(); ++i) taps_->write(taps_->taps_[i], extras_[i], event_);
    return step;
  }

 private:
  const std::shared_ptr<DnstapTaps> taps_;
  DnstapEvent event_;
  std::vector<std::string> extras_;
  const std::unique_ptr<ReplyStream> stream_;
};

std::unique_ptr<ReplyStream> DnstapTaps::tap_stream(std::shared_ptr<DnstapTaps> taps, const QueryContext& context,
                                                    std::unique_ptr<ReplyStream> stream) {
  return std::make_unique<TappedStream>(std::move(taps), context, std::move(stream));
}

std::string_view DnstapTaps::extra_of(const Tap& tap, const QueryContext& context,
                                      std::span<char, query_line_octets_max> buffer) {
  if (!tap.extra) return {};
  const LoggedQuery query{.query = context.query,
                          .octets = context.packet.size(),
                          .transport = context.origin.transport(),
                          .client = context.origin.client_address(),
                          .client_port = context.origin.client_port(),
                          .origin = &context.origin,
                          .context = &context};
  return format_text(*tap.extra, query, {}, buffer);
}

void DnstapTaps::write(const QueryContext& context, const DnstapEvent& event) {
  std::array<char, query_line_octets_max> buffer;
  for (const Tap& tap : taps_) {
    if (tap.outlet->is_wanted()) write(tap, extra_of(tap, context, buffer), event);
  }
}

void DnstapTaps::write(const Tap& tap, std::string_view extra, DnstapEvent event) {
  if (!tap.outlet->is_wanted()) return;
  if (!tap.full) event.query_message = event.response_message = {};
  write_dnstap_frame(frame_, tap.identity, tap.version, extra, event);
  tap.outlet->push(*tap.ring, frame_);
}

Step DnstapHandler::handle(QueryContext& context) {
  taps_->tap_query(context);
  return Step::next;
}

Step UpstreamTapHandler::handle(QueryContext& context) {
  context.observe(*this);
  return Step::next;
}

}  // namespace fairlead::server
