// One TCP connection: frames of two length octets and a message, both ways.
//
// Threads: its worker's.
// Limits: tcp_* in limits.hpp. A PROXY header has the time of an idle connection.
// Standards: RFC 1035 §4.2.2, RFC 7766 §6.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "server/net/proxy_preface.hpp"
#include "server/net/tcp_listener.hpp"
#include "server/query/query_context.hpp"
#include "server/query/worker_plan.hpp"
#include "zones/base/asio.hpp"

namespace fairlead::server {

/// What stands between it and the socket is up to those who derive from it: TlsConnection.
class TcpConnection : public std::enable_shared_from_this<TcpConnection> {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  TcpConnection(asio::ip::tcp::socket socket, const sockaddr_storage& client, std::shared_ptr<TcpListener> listener);
  virtual ~TcpConnection() = default;

  void start();
  void close();
  /// Answers what has arrived, takes no more and ends.
  void drain();

  bool is_closed() const { return closed_; }
  /// Queries are taken: what comes before them is done.
  bool is_open() const { return open_; }
  bool owes_reply() const { return pending_ > 0 || !unsent_.empty() || writing_ || !streams_.empty(); }
  bool is_overdue(TimePoint now) const { return now >= deadline_ && pending_ == 0; }
  TimePoint last_active() const { return last_active_; }
  const sockaddr_storage& client() const { return client_; }
  std::optional<base::IpAddress> local_address();

  /// A query of this connection waits; tcp_pending_max.
  bool add_pending();
  void deliver(std::span<const std::uint8_t> message);
  /// Sends the stream's messages once those of the streams before it are sent; replies to other queries go in between.
  /// False when tcp_streams_max wait already.
  bool add_stream(std::unique_ptr<ReplyStream> stream);

 protected:
  using Error = boost::system::error_code;

  /// What comes behind a PROXY header, if there is one.
  virtual void begin() { open(); }
  /// From here on queries are taken.
  void open();
  /// One read; ends in on_received(), on this thread but not from within.
  virtual void receive();
  /// Sends `octets`, which stay where they are. True: all of them are sent. Else it ends in on_sent(), not from within.
  virtual bool transmit(std::span<const std::uint8_t> octets);
  /// The last words to a client whose connection is being closed.
  virtual void leave() {}

  void on_received(const Error& error, std::size_t octets);
  void on_sent(const Error& error);
  /// Where the next octets go.
  std::span<std::uint8_t> room() { return std::span(received_).subspan(received_octets_); }
  asio::ip::tcp::socket& socket() { return socket_; }
  TcpListener& listener() { return *listener_; }
  /// Of the plan that is served now.
  const TcpTimes& times() const;
  void set_deadline(std::chrono::nanoseconds from_now);

 private:
  /// Answers what has arrived and may be answered, sends what there is, reads on.
  void advance();
  /// Ends now if no reply is owed, else after the last one.
  void finish();
  void read();
  void answer_queries();
  void append(std::span<const std::uint8_t> message);
  /// True when all that there was is sent.
  bool write();
  void end_write();
  /// One slice of the stream at hand, if there is room for what it brings; the next one comes after other work of the
  /// worker.
  void advance_stream();
  void advance_stream_soon();
  bool may_read() const;
  void look_at_preface();

  asio::ip::tcp::socket socket_;
  const std::shared_ptr<TcpListener> listener_;
  std::vector<std::uint8_t> received_;  // what has arrived and is not taken yet
  std::size_t received_octets_ = 0;
  std::vector<std::uint8_t> unsent_;
  std::vector<std::uint8_t> in_writing_;
  std::deque<std::unique_ptr<ReplyStream>> streams_;
  bool stream_begun_ = false;
  bool stream_waits_ = false;      // for its wake()
  bool stream_scheduled_ = false;  // advance_stream() is posted
  int drain_reads_ = 0;            // that are left, after drain()
  std::size_t pending_ = 0;
  std::uint32_t query_count_ = 0;
  bool reading_ = false;
  bool answering_ = false;
  bool writing_ = false;
  bool finishing_ = false;
  bool open_ = false;
  bool closed_ = false;
  bool query_begun_ = false;
  sockaddr_storage client_;              // as the PROXY header says, if there is one
  std::optional<ProxyPreface> preface_;  // until it is read
  TimePoint deadline_;
  TimePoint last_active_;
};

}  // namespace fairlead::server
