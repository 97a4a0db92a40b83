#include "resolver/tls_upstream.hpp"

#include <vector>

#include "resolver/limits.hpp"
#include "resolver/tls_connection.hpp"
#include "zones/dns/limits.hpp"

namespace fairlead::resolver {
namespace {

using base::TimePoint;
using Octets = std::span<const std::uint8_t>;
using Error = boost::system::error_code;

constexpr std::chrono::milliseconds tick_period{50};
/// After a connection that did not come about. Queries that come meanwhile fail at once, with the same reason: a
/// handshake costs both sides a thousand times what a query does.
constexpr std::chrono::milliseconds reopen_after{100};

TimePoint now() { return std::chrono::steady_clock::now(); }

class TlsUpstream final : public Upstream, public TlsConnectionOwner {
 public:
  TlsUpstream(asio::io_context& io, const UpstreamConfig& config)
      : Upstream(config.address), io_(io), config_(config), ticker_(io) {}
  ~TlsUpstream() override;

  void send(Octets query, Transport transport, Callback callback) override;
  std::string_view trouble() const override { return trouble_.reason; }

 private:
  void on_open(bool is_resumed) override;
  void on_broken(const TlsFailure& failure, bool had_worked) override;
  void repeat(TlsQuery query) override { submit(std::move(query)); }
  void on_end() override { counters().outstanding.set(--outstanding_); }
  void on_reply() override { trouble_ = {}; }
  void on_ignored() override { counters().ignored_replies.add(); }
  TlsSession take_session() override { return std::move(session_); }
  void keep_session(TlsSession session) override { session_ = std::move(session); }

  void submit(TlsQuery query);
  void fail_later(Callback callback, UpstreamError error);
  void retire_aged(TimePoint at);
  void start_ticker();
  void tick();

  asio::io_context& io_;
  const UpstreamConfig config_;
  std::shared_ptr<TlsConnection> current_;
  std::vector<std::shared_ptr<TlsConnection>> retired_;
  TlsSession session_;
  TlsFailure trouble_;
  TimePoint reopen_at_{};
  std::size_t outstanding_ = 0;
  asio::steady_timer ticker_;
  bool is_ticking_ = false;
  bool is_closing_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

TlsUpstream::~TlsUpstream() {
  is_closing_ = true;
  alive_.reset();
  if (current_) retired_.push_back(std::move(current_));
  for (const auto& connection : retired_) connection->detach();
}

void TlsUpstream::send(Octets query, Transport, Callback callback) {
  if (is_closing_) return callback(std::unexpected(UpstreamError::cancelled));
  counters().outstanding.set(++outstanding_);
  if (outstanding_ > tls_outstanding_max || query.size() < dns::header_octets ||
      query.size() > dns::message_octets_max) {
    return fail_later(std::move(callback), UpstreamError::busy);
  }
  submit({.callback = std::move(callback),
          .octets = std::vector<std::uint8_t>(query.begin(), query.end()),
          .sent = now(),
          .is_repeated = false});
}

void TlsUpstream::fail_later(Callback callback, UpstreamError error) {
  // Held by the event loop until it runs: with the loop gone before, so is the caller.
  asio::post(io_, [this, error, alive = std::weak_ptr(alive_), late = std::move(callback)]() mutable {
    if (!alive.expired()) on_end();
    late(std::unexpected(alive.expired() ? UpstreamError::cancelled : error));
  });
}

void TlsUpstream::submit(TlsQuery query) {
  const auto slot = static_cast<std::size_t>(Transport::tcp);
  retire_aged(now());
  if (!current_ || current_->is_closed()) {
    if (now() < reopen_at_) return fail_later(std::move(query.callback), trouble_.error);
    counters().connection_cache_misses[slot].add();
    current_ = std::make_shared<TlsConnection>(io_, config_, *this);
    current_->open();
  } else if (current_->is_full()) {
    return fail_later(std::move(query.callback), UpstreamError::busy);
  } else {
    counters().connection_cache_hits[slot].add();
  }
  current_->submit(std::move(query));
  start_ticker();
}

void TlsUpstream::on_open(bool is_resumed) {
  (is_resumed ? counters().tls_resumptions : counters().tls_handshakes).add();
  reopen_at_ = {};
}

void TlsUpstream::on_broken(const TlsFailure& failure, bool had_worked) {
  if (had_worked) return;
  trouble_ = failure;
  reopen_at_ = now() + reopen_after;
}

void TlsUpstream::retire_aged(TimePoint at) {
  if (!current_ || config_.max_age <= base::Duration(0) || at - current_->created() < config_.max_age) return;
  if (retired_.size() >= retired_channels_max) return;
  retired_.push_back(std::move(current_));
  current_ = nullptr;
}

void TlsUpstream::start_ticker() {
  if (is_ticking_) return;
  is_ticking_ = true;
  ticker_.expires_after(tick_period);
  ticker_.async_wait([this, alive = std::weak_ptr(alive_)](const Error& error) {
    if (error || alive.expired()) return;
    is_ticking_ = false;
    tick();
  });
}

void TlsUpstream::tick() {
  const TimePoint at = now();
  // Callbacks may send and so replace `current_` and append to `retired_`.
  if (const auto connection = current_) connection->expire_queries(at);
  for (std::size_t i = 0; i < retired_.size(); ++i) {
    const auto connection = retired_[i];
    connection->expire_queries(at);
  }
  retire_aged(at);
  if (current_ &&
      (current_->is_closed() || (current_->outstanding() == 0 && at - current_->last_used() >= config_.expire))) {
    current_->close();
    current_ = nullptr;
  }
  std::erase_if(retired_, [](const auto& connection) {
    if (connection->outstanding() > 0) return false;
    connection->close();
    return true;
  });
  if (current_ || !retired_.empty()) start_ticker();
}

}  // namespace

std::unique_ptr<Upstream> make_tls_upstream(asio::io_context& io, const UpstreamConfig& config) {
  if (!config.tls) return nullptr;
  return std::make_unique<TlsUpstream>(io, config);
}

}  // namespace fairlead::resolver
