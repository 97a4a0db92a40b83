// One TLS connection to an upstream: queries go out as they come, replies come back in any order.
//
// Only tls_upstream.cpp and tls_connection.cpp include this file, and with it OpenSSL.
//
// Threads: as Upstream. The context is shared by the workers, sessions are not.
// Limits: the owner bounds the queries; tls_output_octets_max waits to be written; what arrives is bounded by one
// message and one record. A peer that takes or sends nothing for the read timeout is given up.
// Errors: TlsFailure. A connection that had worked hands its queries back to the owner once, the others end.
// Security: TLS 1.2 or newer. The chain must end at a trusted CA and the certificate name the server: its name as a
// subjectAltName, or its address where no name is configured (RFC 8310 §8.1; the common name counts for nothing).
// Standards: RFC 7858, RFC 7766 §6.2.1.1 (pipelining) and §7 (out of order replies), RFC 8446 §4.6.1 (tickets).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "zones/base/asio.hpp"

#include <boost/asio/ssl.hpp>

#include "resolver/random.hpp"
#include "resolver/upstream.hpp"

namespace fairlead::resolver {

struct TlsClientContext {
  asio::ssl::context context{asio::ssl::context::tls_client};
};

struct SessionDeleter {
  void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};
using TlsSession = std::unique_ptr<SSL_SESSION, SessionDeleter>;

/// A query and who asked it.
struct TlsQuery {
  Upstream::Callback callback;
  std::vector<std::uint8_t> octets;
  base::TimePoint sent{};
  bool is_repeated = false;
};

struct TlsFailure {
  UpstreamError error{};
  std::string reason;  // for the operator
};

/// What a connection needs of the upstream that it belongs to.
class TlsConnectionOwner {
 public:
  virtual void on_open(bool is_resumed) = 0;
  /// The connection did not come about, or broke; its queries follow.
  virtual void on_broken(const TlsFailure& failure, bool had_worked) = 0;
  /// A query that a broken connection still owed.
  virtual void repeat(TlsQuery query) = 0;
  /// A query has ended; its callback comes next.
  virtual void on_end() = 0;
  virtual void on_reply() = 0;
  virtual void on_ignored() = 0;
  /// The session to resume, which is used once; null for a full handshake.
  virtual TlsSession take_session() = 0;
  virtual void keep_session(TlsSession session) = 0;

 protected:
  ~TlsConnectionOwner() = default;
};

class TlsConnection : public std::enable_shared_from_this<TlsConnection> {
 public:
  TlsConnection(asio::io_context& io, const UpstreamConfig& config, TlsConnectionOwner& owner);

  void open();
  void submit(TlsQuery query);
  /// Ends the queries that waited too long.
  void expire_queries(base::TimePoint at);
  void fail(const TlsFailure& failure);
  /// Without queries and no more wanted.
  void close() { fail({UpstreamError::cancelled, {}}); }
  /// The owner goes away: what is left ends as cancelled.
  void detach();

  bool is_closed() const { return is_closed_; }
  bool is_full() const;
  std::size_t outstanding() const { return queries_.size(); }
  base::TimePoint created() const { return created_; }
  base::TimePoint last_used() const { return last_used_; }

  /// OpenSSL's callback for a new session.
  void keep_session(TlsSession session);

 private:
  bool set_up_verification();
  void shake_hands();
  void on_handshake(const boost::system::error_code& refused);
  void write();
  void read();
  bool take_replies();
  void take_reply(std::span<std::uint8_t> message);

  const UpstreamConfig config_;
  TlsConnectionOwner* owner_;
  asio::ssl::stream<asio::ip::tcp::socket> stream_;
  std::unordered_map<std::uint16_t, TlsQuery> queries_;
  std::vector<std::uint8_t> output_;  // waits for the write under way to end
  std::vector<std::uint8_t> writing_;
  std::vector<std::uint8_t> input_;
  std::size_t input_size_ = 0;
  RandomIds ids_;
  const base::TimePoint created_;
  base::TimePoint last_used_;
  base::TimePoint last_reply_{};
  base::TimePoint write_started_{};
  bool is_open_ = false;
  bool is_writing_ = false;
  bool is_closed_ = false;
};

}  // namespace fairlead::resolver
