#include "server/net/tcp_connection.hpp"

#include <algorithm>
#include <cstring>

#include "server/net/client_text.hpp"
#include "server/net/limits.hpp"
#include "server/query/answer.hpp"
#include "zones/base/published.hpp"

namespace fairlead::server {
namespace {

constexpr std::size_t length_octets = 2;
// Room for some pipelined queries; a longer query makes it grow to its own length.
constexpr std::size_t receive_octets_first = 2048;

// A client whose query waits. It does not keep the connection open: a client that left is owed nothing.
class TcpTarget final : public ReplyTarget {
 public:
  TcpTarget(std::weak_ptr<TcpConnection> connection, const sockaddr_storage& client)
      : connection_(std::move(connection)), client_(client) {}
  void deliver(std::span<const std::uint8_t> message) override {
    if (const auto connection = connection_.lock()) connection->deliver(message);
  }
  std::string client_text() const override { return server::client_text(client_); }
  std::optional<base::IpAddress> local_address() const override {
    const auto connection = connection_.lock();
    return connection ? connection->local_address() : std::nullopt;
  }

 private:
  const std::weak_ptr<TcpConnection> connection_;
  const sockaddr_storage client_;
};

class TcpOrigin final : public Origin {
 public:
  explicit TcpOrigin(TcpConnection& connection) : connection_(connection) {}

  Transport transport() const override { return Transport::tcp; }
  bool is_ipv4() const override { return server::is_ipv4(connection_.client()); }
  base::IpAddress client_address() const override { return server::client_address(connection_.client()); }
  std::string client_text() const override { return server::client_text(connection_.client()); }
  std::uint16_t client_port() const override { return server::client_port(connection_.client()); }
  std::optional<base::IpAddress> local_address() const override { return connection_.local_address(); }
  bool stream(std::unique_ptr<ReplyStream> stream) override { return connection_.add_stream(std::move(stream)); }
  std::unique_ptr<ReplyTarget> keep() override {
    if (!connection_.add_pending()) return nullptr;
    return std::make_unique<TcpTarget>(connection_.weak_from_this(), connection_.client());
  }

 private:
  TcpConnection& connection_;
};

std::span<std::uint8_t> reply_buffer() {
  thread_local const auto buffer = std::make_unique_for_overwrite<std::uint8_t[]>(dns::message_octets_max);
  return {buffer.get(), dns::message_octets_max};
}

}  // namespace

TcpConnection::TcpConnection(asio::ip::tcp::socket socket, const sockaddr_storage& client,
                             std::shared_ptr<TcpListener> listener)
    : socket_(std::move(socket)), listener_(std::move(listener)), received_(receive_octets_first), client_(client) {
  set_deadline(times().idle);
}

void TcpConnection::start() {
  if (listener_->plan()->routers[listener_->router()].proxy == nullptr) return begin();
  preface_.emplace();
  look_at_preface();
}

void TcpConnection::look_at_preface() {
  const auto& policy = listener_->plan()->routers[listener_->router()].proxy;
  // Without a policy since a reload.
  const ProxyPreface::Step step =
      policy == nullptr ? ProxyPreface::Step::passed : preface_->look(socket_.native_handle(), *policy, client_);
  if (step == ProxyPreface::Step::refused) return close();
  if (step == ProxyPreface::Step::passed) {
    preface_.reset();
    return begin();
  }
  socket_.async_wait(asio::ip::tcp::socket::wait_read, [self = shared_from_this()](const Error& error) {
    if (self->closed_ || !self->preface_) return;
    if (error) return self->close();
    self->look_at_preface();
  });
}

void TcpConnection::open() {
  open_ = true;
  read();
}

void TcpConnection::close() {
  if (std::exchange(closed_, true)) return;
  leave();
  boost::system::error_code ignored;
  socket_.close(ignored);
  streams_.clear();
}

void TcpConnection::drain() {
  if (closed_) return;
  // What has arrived behind a PROXY header is read like all that has arrived.
  if (preface_) look_at_preface();
  if (!open_) return close();
  // Closing with queries in the socket would throw them away with a reset: they are read, and behind them the end.
  drain_reads_ = tcp_drain_reads_max;
  boost::system::error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_receive, ignored);
  read();
}

void TcpConnection::finish() {
  finishing_ = true;
  if (!owes_reply()) close();
}

std::optional<base::IpAddress> TcpConnection::local_address() {
  if (closed_) return std::nullopt;
  return server::local_address(socket_.native_handle());
}

bool TcpConnection::add_pending() {
  if (pending_ >= tcp_pending_max) return false;
  ++pending_;
  return true;
}

void TcpConnection::deliver(std::span<const std::uint8_t> message) {
  --pending_;
  if (closed_) return;
  append(message);
  advance();
}

void TcpConnection::advance() {
  // A reply may come before its query has left the buffer; answer_queries() is under way then, and its caller goes on.
  if (answering_) return;
  // A read under way has its place in the buffer, and what it brings leads here again. Where replies are sent at once
  // there may be room for those to the queries that are left.
  do {
    if (!reading_) answer_queries();
  } while (write());
  advance_stream_soon();
  if (finishing_ && !owes_reply()) return close();
  read();
}

bool TcpConnection::add_stream(std::unique_ptr<ReplyStream> stream) {
  if (streams_.size() >= tcp_streams_max) return false;
  streams_.push_back(std::move(stream));
  return true;
}

void TcpConnection::advance_stream_soon() {
  if (closed_ || streams_.empty() || stream_waits_ || unsent_.size() >= tcp_stream_ahead_octets) return;
  if (std::exchange(stream_scheduled_, true)) return;
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    self->stream_scheduled_ = false;
    self->advance_stream();
  });
}

void TcpConnection::advance_stream() {
  if (closed_ || streams_.empty() || stream_waits_ || unsent_.size() >= tcp_stream_ahead_octets) return;
  ReplyStream& stream = *streams_.front();
  if (!std::exchange(stream_begun_, true)) {
    set_deadline(times().write);
    stream.start([connection = weak_from_this(), executor = socket_.get_executor()] {
      asio::post(executor, [connection] {
        const auto self = connection.lock();
        if (self == nullptr) return;
        self->stream_waits_ = false;
        self->advance_stream_soon();
      });
    });
  }
  std::span<const std::uint8_t> message;
  switch (stream.advance(message)) {
    case ReplyStream::Step::message: append(message); break;
    case ReplyStream::Step::working: break;
    case ReplyStream::Step::waiting: stream_waits_ = true; return;
    case ReplyStream::Step::broken: return close();
    case ReplyStream::Step::end:
      streams_.pop_front();
      stream_begun_ = false;
      break;
  }
  // It is not the client that is waited for.
  set_deadline(times().write);
  advance();
}

bool TcpConnection::may_read() const {
  return open_ && !closed_ && !finishing_ && !reading_ && pending_ < tcp_pending_max &&
         unsent_.size() + in_writing_.size() < tcp_unsent_octets_max;
}

void TcpConnection::read() {
  if (!may_read()) return;
  if (received_octets_ == received_.size()) received_.resize(received_.size() * 2);
  reading_ = true;
  receive();
}

void TcpConnection::receive() {
  const auto to = room();
  socket_.async_read_some(
      asio::buffer(to.data(), to.size()),
      [self = shared_from_this()](const Error& error, std::size_t octets) { self->on_received(error, octets); });
}

void TcpConnection::on_received(const Error& error, std::size_t octets) {
  reading_ = false;
  if (closed_) return;
  // A client may close its side and still wait for replies (RFC 7766 §6.2.4).
  if (error) return finish();
  received_octets_ += octets;
  if (drain_reads_ > 0 && --drain_reads_ == 0) finishing_ = true;
  advance();
}

void TcpConnection::answer_queries() {
  if (closed_) return;
  std::size_t at = 0;
  answering_ = true;
  {
    const base::ReadSection section;
    const std::uint32_t queries_max = times().queries_max;
    const auto is_spent = [&] { return queries_max > 0 && query_count_ >= queries_max; };
    while (!is_spent() && received_octets_ - at >= length_octets && pending_ < tcp_pending_max &&
           unsent_.size() + in_writing_.size() < tcp_unsent_octets_max) {
      const std::size_t size = dns::read_u16(received_.data() + at);
      if (received_octets_ - at < length_octets + size) break;
      TcpOrigin origin(*this);
      const Answer reply = answer({received_.data() + at + length_octets, size}, origin, listener_->plan(),
                                  listener_->router(), reply_buffer());
      if (reply.outcome == Outcome::reply) append(reply.message);
      at += length_octets + size;
      ++query_count_;
    }
    if (is_spent()) finishing_ = true;
  }
  answering_ = false;
  received_octets_ -= at;
  std::memmove(received_.data(), received_.data() + at, received_octets_);
  if (at > 0) {
    query_begun_ = false;
    last_active_ = std::chrono::steady_clock::now();
    set_deadline(times().idle);
  }
  if (received_octets_ >= length_octets) {
    const std::size_t whole = length_octets + dns::read_u16(received_.data());
    if (whole > received_.size()) received_.resize(whole);
  }
  // The time for a query runs from its first octet; more octets do not extend it.
  if (received_octets_ > 0 && !std::exchange(query_begun_, true)) set_deadline(times().read);
}

void TcpConnection::append(std::span<const std::uint8_t> message) {
  const std::uint8_t length[length_octets] = {static_cast<std::uint8_t>(message.size() >> 8),
                                              static_cast<std::uint8_t>(message.size())};
  unsent_.insert(unsent_.end(), std::begin(length), std::end(length));
  unsent_.insert(unsent_.end(), message.begin(), message.end());
}

bool TcpConnection::write() {
  if (writing_ || unsent_.empty() || closed_) return false;
  writing_ = true;
  in_writing_.swap(unsent_);
  set_deadline(times().write);
  if (!transmit(in_writing_)) return false;
  end_write();
  return true;
}

bool TcpConnection::transmit(std::span<const std::uint8_t> octets) {
  // Nearly always the socket takes all, and no turn of the worker's loop is needed to hear of it.
  const ssize_t sent = ::send(socket_.native_handle(), octets.data(), octets.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  const auto rest = octets.subspan(sent > 0 ? static_cast<std::size_t>(sent) : 0);
  if (rest.empty()) return true;
  asio::async_write(socket_, asio::buffer(rest.data(), rest.size()),
                    [self = shared_from_this()](const Error& error, std::size_t) { self->on_sent(error); });
  return false;
}

void TcpConnection::on_sent(const Error& error) {
  end_write();
  if (error || closed_) return close();
  advance();
}

void TcpConnection::end_write() {
  writing_ = false;
  in_writing_.clear();
  set_deadline(query_begun_ ? times().read : times().idle);
}

const TcpTimes& TcpConnection::times() const { return listener_->plan()->routers[listener_->router()].tcp; }

void TcpConnection::set_deadline(std::chrono::nanoseconds from_now) {
  last_active_ = std::chrono::steady_clock::now();
  deadline_ = last_active_ + from_now;
}

}  // namespace fairlead::server
