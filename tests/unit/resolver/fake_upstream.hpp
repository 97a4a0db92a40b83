// A DNS server on loopback whose answers a test writes: one port, UDP and TCP, on the test's own io_context.
#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <vector>

#include "resolver/upstream.hpp"
#include "unit/resolver/test_messages.hpp"
#include "zones/base/asio.hpp"

namespace fairlead::resolver::test {

/// Runs `io` until `done()` or five seconds have passed; gives `done()`.
template <typename Done>
bool run_until(asio::io_context& io, Done&& done, std::chrono::milliseconds limit = std::chrono::seconds(5)) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!done() && std::chrono::steady_clock::now() < end) {
    io.restart();
    io.run_one_for(std::chrono::milliseconds(10));
  }
  return done();
}
inline void run_for(asio::io_context& io, std::chrono::milliseconds time) {
  run_until(io, [] { return false; }, time);
}

/// The question of `query` as a ReplyBuilder would begin, id and question as sent.
inline Octets reply_to(const Octets& query, const std::function<void(dns::MessageWriter&)>& write = {},
                       std::size_t limit = dns::message_octets_max) {
  const auto parsed = dns::read_query(query);
  if (!parsed) return {};
  Octets buffer(dns::message_octets_max);
  dns::MessageWriter writer(buffer, limit);
  writer.begin(parsed->header, parsed->question, parsed->edns.has_value());
  writer.set_flag(dns::Header::ra);
  if (write) write(writer);
  const auto message = writer.finish();
  return Octets(message.begin(), message.end());
}
/// `records` A records.
inline Octets answer_to(const Octets& query, int records = 1, std::uint32_t ttl = 300) {
  return reply_to(query, [&](dns::MessageWriter& writer) {
    const std::array<std::uint8_t, 2> pointer{0xc0, 0x0c};
    for (int i = 0; i < records; ++i) {
      const std::array<std::uint8_t, 4> address{192, 0, 2, static_cast<std::uint8_t>(i)};
      writer.append(dns::Section::answer, pointer, dns::RRType::a, ttl, address);
    }
  });
}
inline Octets rcode_to(const Octets& query, dns::Rcode rcode) {
  return reply_to(query, [&](dns::MessageWriter& writer) { writer.set_rcode(rcode); });
}

class FakeUpstream {
 public:
  struct Received {
    Octets query;
    Transport transport = Transport::udp;
    /// May be called any number of times, and later.
    std::function<void(const Octets&)> reply;
    /// Closes a TCP connection.
    std::function<void()> close;
    std::uint16_t client_port = 0;
  };
  using Script = std::function<void(const Received&)>;

  explicit FakeUpstream(asio::io_context& io, Script first_script = {}, bool with_tcp = true)
      : script(std::move(first_script)), udp_(io), acceptor_(io) {
    const asio::ip::address_v4 loopback = asio::ip::address_v4::loopback();
    for (int attempt = 0;; ++attempt) {
      udp_ = asio::ip::udp::socket(io, asio::ip::udp::endpoint(loopback, 0));
      if (!with_tcp) break;
      boost::system::error_code error;
      const asio::ip::tcp::endpoint endpoint(loopback, udp_.local_endpoint().port());
      acceptor_ = asio::ip::tcp::acceptor(io);
      acceptor_.open(endpoint.protocol());
      acceptor_.set_option(asio::socket_base::reuse_address(true));
      acceptor_.bind(endpoint, error);
      if (!error) acceptor_.listen();
      if (!error || attempt == 20) break;
    }
    udp_.set_option(asio::socket_base::receive_buffer_size(1 << 20));
    receive();
    if (with_tcp) accept();
  }
  ~FakeUpstream() {
    *alive_ = false;
    for (const auto& weak : connections_) {
      if (const auto connection = weak.lock()) connection->socket.close();
    }
  }

  std::uint16_t port() const { return udp_.local_endpoint().port(); }
  UpstreamAddress address() const {
    return {.address = base::IpAddress::parse("127.0.0.1").value(),
            .port = port(),
            .protocol = UpstreamProtocol::dns,
            .tls_server_name = {}};
  }

  /// A datagram to any port of this machine.
  void send_to(std::uint16_t port, const Octets& message) {
    boost::system::error_code ignored;
    udp_.send_to(asio::buffer(message), {asio::ip::address_v4::loopback(), port}, 0, ignored);
  }

  Script script;  // without one the server is silent
  std::vector<Received> received;
  int count(Transport transport) const {
    int counted = 0;
    for (const Received& query : received) counted += query.transport == transport;
    return counted;
  }
  int connections = 0;

 private:
  struct Connection : std::enable_shared_from_this<Connection> {
    explicit Connection(asio::ip::tcp::socket from) : socket(std::move(from)) {}
    asio::ip::tcp::socket socket;
    std::array<std::uint8_t, 2> length{};
    Octets message;
  };

  void receive() {
    udp_.async_receive_from(asio::buffer(datagram_), from_,
                            [this, alive = alive_](const boost::system::error_code& error, std::size_t size) {
                              if (!*alive) return;
                              if (!error) {
                                Received query;
                                query.query.assign(datagram_.begin(),
                                                   datagram_.begin() + static_cast<std::ptrdiff_t>(size));
                                query.client_port = from_.port();
                                query.reply = [this, alive, to = from_](const Octets& message) {
                                  boost::system::error_code ignored;
                                  if (*alive) udp_.send_to(asio::buffer(message), to, 0, ignored);
                                };
                                query.close = [] {};
                                handle(std::move(query));
                              }
                              receive();
                            });
  }

  void accept() {
    acceptor_.async_accept(
        [this, alive = alive_](const boost::system::error_code& error, asio::ip::tcp::socket socket) {
          if (!*alive || error) return;
          ++connections;
          auto connection = std::make_shared<Connection>(std::move(socket));
          connections_.push_back(connection);
          read(connection);
          accept();
        });
  }

  void read(const std::shared_ptr<Connection>& connection) {
    asio::async_read(connection->socket, asio::buffer(connection->length),
                     [this, alive = alive_, connection](const boost::system::error_code& error, std::size_t) {
                       if (error || !*alive) return;
                       connection->message.resize(dns::read_u16(connection->length.data()));
                       asio::async_read(
                           connection->socket, asio::buffer(connection->message),
                           [this, alive, connection](const boost::system::error_code& failed, std::size_t) {
                             if (failed || !*alive) return;
                             Received query;
                             query.query = connection->message;
                             query.transport = Transport::tcp;
                             query.reply = [connection](const Octets& message) {
                               Octets framed(2);
                               dns::write_u16(framed.data(), static_cast<std::uint16_t>(message.size()));
                               framed.insert(framed.end(), message.begin(), message.end());
                               boost::system::error_code ignored;
                               asio::write(connection->socket, asio::buffer(framed), ignored);
                             };
                             query.close = [connection] {
                               boost::system::error_code ignored;
                               connection->socket.close(ignored);
                             };
                             handle(std::move(query));
                             if (connection->socket.is_open()) read(connection);
                           });
                     });
  }

  void handle(Received query) {
    received.push_back(query);
    if (script) script(query);
  }

  asio::ip::udp::socket udp_;
  asio::ip::tcp::acceptor acceptor_;
  asio::ip::udp::endpoint from_;
  std::array<std::uint8_t, 65535> datagram_{};
  std::list<std::weak_ptr<Connection>> connections_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace fairlead::resolver::test
