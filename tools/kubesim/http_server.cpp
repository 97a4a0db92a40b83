#include "tools/kubesim/http_server.hpp"

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <type_traits>

namespace fairlead::kubesim {
namespace {

using boost::system::error_code;

std::string make_head(const Reply& reply, bool is_chunked, bool keeps_alive) {
  std::string head = "HTTP/1.1 " + std::to_string(reply.status) + " ";
  head.append(http::obsolete_reason(static_cast<http::status>(reply.status)).to_string());
  head.append("\r\nContent-Type: ").append(reply.content_type).append("\r\nCache-Control: no-cache, private\r\n");
  for (const auto& [name, value] : reply.headers) head.append(name).append(": ").append(value).append("\r\n");
  if (is_chunked) {
    head.append("Transfer-Encoding: chunked\r\n");
  } else if (reply.stream == nullptr) {
    head.append("Content-Length: ").append(std::to_string(reply.body.size())).append("\r\n");
  }
  if (!keeps_alive) head.append("Connection: close\r\n");
  return head.append("\r\n");
}

/// RFC 9112 §7.1: size in hexadecimal, the octets, CRLF.
std::string make_chunk(const std::string& octets) {
  char size[20];
  std::snprintf(size, sizeof size, "%zx\r\n", octets.size());
  std::string chunk;
  chunk.reserve(octets.size() + 24);
  return chunk.append(size).append(octets).append("\r\n");
}

struct ListenAddress {
  std::string host;
  std::uint16_t port = 0;
};

std::optional<ListenAddress> parse_listen_address(const std::string& text) {
  const auto colon = text.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  ListenAddress address{text.substr(0, colon), 0};
  const char* begin = text.data() + colon + 1;
  const char* end = text.data() + text.size();
  if (std::from_chars(begin, end, address.port) != std::from_chars_result{end, std::errc()}) return std::nullopt;
  if (address.host.starts_with('[') && address.host.ends_with(']')) {
    address.host = address.host.substr(1, address.host.size() - 2);
  }
  if (address.host.empty()) address.host = "::";  // dual stack: IPv4 arrives there too
  if (address.host == "localhost") address.host = "127.0.0.1";
  return address;
}

}  // namespace

struct HttpServer::Listener {
  Listener(asio::io_context& io, tcp::endpoint at, bool for_admin)
      : acceptor(io), retry(io), endpoint(std::move(at)), is_admin(for_admin) {}

  error_code open() {
    error_code error;
    acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
    if (!error && endpoint.address().is_v6() && endpoint.address().is_unspecified()) {
      acceptor.set_option(asio::ip::v6_only(false), error);
    }
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (!error) endpoint = acceptor.local_endpoint(error);  // a port of 0 is now a real one
    if (error) {
      error_code ignored;
      acceptor.close(ignored);
    }
    return error;
  }

  tcp::acceptor acceptor;
  asio::steady_timer retry;
  tcp::endpoint endpoint;
  bool is_admin;
};

/// One connection. Kept alive by its coroutine and by its pending operations.
template <class Stream>
class HttpServer::Session : public HttpServer::Connection, public std::enable_shared_from_this<Session<Stream>> {
 public:
  template <class... Arguments>
  Session(asio::io_context& io, Handler& handler, const HttpLimits& limits,
          std::shared_ptr<std::set<Connection*>> connections, bool is_admin, Arguments&&... arguments)
      : handler_(handler),
        limits_(limits),
        connections_(std::move(connections)),
        is_admin_listener_(is_admin),
        stream_(std::forward<Arguments>(arguments)...),
        deadline_(io),
        wait_(io) {
    connections_->insert(this);
  }
  ~Session() override { connections_->erase(this); }

  static asio::awaitable<void> run(std::shared_ptr<Session> self) {
    co_await self->serve();
    self->close();
  }

  void close() override {
    is_closed_ = true;
    error_code ignored;
    socket().close(ignored);
    deadline_.cancel();
    wait_.cancel();
  }
  bool is_admin() const override { return is_admin_request_; }

 private:
  static constexpr bool is_tls = !std::is_same_v<Stream, tcp::socket>;

  tcp::socket& socket() {
    if constexpr (is_tls) {
      return stream_.next_layer();
    } else {
      return stream_;
    }
  }

  /// Closes the connection if the operation that follows takes longer.
  void arm(std::chrono::milliseconds time) {
    deadline_.expires_after(time);
    deadline_.async_wait([self = this->shared_from_this()](error_code error) {
      if (error) return;
      self->is_timed_out_ = true;
      error_code ignored;
      self->socket().close(ignored);
      self->wait_.cancel();
    });
  }
  void disarm() { deadline_.cancel(); }

  asio::awaitable<void> serve() {
    error_code error;
    socket().set_option(tcp::no_delay(true), error);
    if constexpr (is_tls) {
      arm(limits_.read_max);
      co_await stream_.async_handshake(asio::ssl::stream_base::server,
                                       asio::redirect_error(asio::use_awaitable, error));
      if (error) co_return;
    }
    bool keeps_alive = true;
    while (keeps_alive && !is_closed_) {
      if (buffer_.size() == 0) {
        arm(limits_.idle_max);
        read_some();
        co_await reading_ended();
        if (is_gone_) co_return;
      }
      keeps_alive = co_await serve_request();
      is_admin_request_ = false;
    }
    if constexpr (is_tls) {
      arm(std::chrono::seconds(1));
      co_await stream_.async_shutdown(asio::redirect_error(asio::use_awaitable, error));
    } else {
      socket().shutdown(tcp::socket::shutdown_send, error);
    }
  }

  /// Reads into the buffer in the background; is_gone_ tells of the end.
  void read_some() {
    // What a client sent ahead is served first; reading on would let it fill the buffer.
    if (is_reading_ || is_gone_ || buffer_.size() > 0) return;
    is_reading_ = true;
    stream_.async_read_some(buffer_.prepare(4096),
                            [self = this->shared_from_this()](error_code error, std::size_t size) {
                              self->is_reading_ = false;
                              if (error) {
                                self->is_gone_ = true;
                              } else {
                                self->buffer_.commit(size);
                              }
                              self->wait_.cancel();
                            });
  }

  asio::awaitable<void> reading_ended() {
    error_code ignored;
    while (is_reading_) {
      wait_.expires_at(Clock::time_point::max());
      co_await wait_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
  }

  asio::awaitable<bool> write(const std::string& octets) {
    arm(limits_.write_max);
    error_code error;
    co_await asio::async_write(stream_, asio::buffer(octets), asio::redirect_error(asio::use_awaitable, error));
    disarm();
    co_return !error;
  }

  /// Reads a request and answers it. False if the connection must end.
  asio::awaitable<bool> serve_request() {
    http::request_parser<http::string_body> parser;
    parser.header_limit(static_cast<std::uint32_t>(limits_.header_octets));
    parser.body_limit(limits_.body_octets);
    error_code error;
    arm(limits_.read_max);
    co_await http::async_read_header(stream_, buffer_, parser, asio::redirect_error(asio::use_awaitable, error));
    if (!error && !parser.is_done()) {
      if (boost::beast::iequals(parser.get()[http::field::expect], "100-continue")) {
        if (!co_await write("HTTP/1.1 100 Continue\r\n\r\n")) co_return false;
      }
      arm(limits_.read_max);
      co_await http::async_read(stream_, buffer_, parser, asio::redirect_error(asio::use_awaitable, error));
    }
    disarm();
    if (error) {
      Reply reply;
      if (error == http::error::body_limit) {
        reply =
            handler_.refuse(413, "the request body is larger than " + std::to_string(limits_.body_octets) + " octets");
      } else if (error == http::error::header_limit || error == http::error::buffer_overflow) {
        reply = handler_.refuse(
            431, "the request header is larger than " + std::to_string(limits_.header_octets) + " octets");
      } else if (error.category() == make_error_code(http::error::bad_method).category() &&
                 error != http::error::end_of_stream && error != http::error::partial_message) {
        reply = handler_.refuse(400, "not an HTTP/1.1 request: " + error.message());
      } else {
        co_return false;
      }
      co_await write(make_head(reply, false, false) + reply.body);
      co_return false;
    }

    const auto& message = parser.get();
    Request request;
    request.method = message.method_string().to_string();
    request.accept = message[http::field::accept].to_string();
    request.accept_encoding = message[http::field::accept_encoding].to_string();
    request.content_type = message[http::field::content_type].to_string();
    request.authorization = message[http::field::authorization].to_string();
    request.is_admin_listener = is_admin_listener_;
    if constexpr (is_tls) {
      if (X509* certificate = SSL_get_peer_certificate(stream_.native_handle())) {
        request.has_client_certificate = SSL_get_verify_result(stream_.native_handle()) == X509_V_OK;
        X509_free(certificate);
      }
    }
    const bool is_http_1_0 = message.version() < 11;
    bool keeps_alive = message.keep_alive() && !is_http_1_0;
    const boost::beast::string_view target = message.target();
    Reply reply;
    if (!parse_target({target.data(), target.size()}, request)) {
      reply = handler_.refuse(400, "the request target cannot be read");
    } else {
      is_admin_request_ = request.path.starts_with("/kubesim/");
      request.body = std::move(parser.get().body());
      if (const auto delay = handler_.delay(request); delay.count() > 0) {
        read_some();
        co_await pause(delay);
        if (is_gone_ || is_closed_) co_return false;
      }
      reply = handler_.handle(request);
    }
    if (reply.stream == nullptr) {
      const bool is_written = co_await write(make_head(reply, false, keeps_alive) + reply.body);
      if (is_reading_) {  // begun during a delay: what arrives belongs to the next request
        if (!keeps_alive) co_return false;
        arm(limits_.idle_max);
        co_await reading_ended();
        disarm();
      }
      co_return is_written&& keeps_alive && !is_gone_;
    }
    co_return co_await send_stream(reply, !is_http_1_0, keeps_alive) && keeps_alive;
  }

  asio::awaitable<void> pause(std::chrono::milliseconds time) {
    const auto until = Clock::now() + time;
    error_code ignored;
    while (!is_gone_ && !is_closed_ && Clock::now() < until) {
      wait_.expires_at(until);
      co_await wait_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
  }

  asio::awaitable<bool> send_stream(Reply& reply, bool is_chunked, bool keeps_alive) {
    BodyStream& body = *reply.stream;
    // Reset by the destructor of the stream at the latest; the session outlives it.
    body.set_waker([this] { wait_.cancel(); });
    read_some();
    if (!co_await write(make_head(reply, is_chunked, keeps_alive && is_chunked))) co_return false;
    std::string octets;
    while (true) {
      if (is_gone_ || is_closed_) co_return false;
      octets.clear();
      const BodyStream::Step step = body.next(octets, Clock::now());
      if (!octets.empty()) {
        const std::string framed = is_chunked ? make_chunk(octets) : octets;
        if (!co_await write(framed)) {
          if (is_timed_out_) body.stalled();
          co_return false;
        }
      }
      if (step == BodyStream::Step::abort) co_return abort();
      if (step == BodyStream::Step::end) break;
      if (step == BodyStream::Step::wait && !is_gone_) {
        error_code ignored;
        wait_.expires_at(body.wake_at());
        co_await wait_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
      }
    }
    if (is_chunked && !co_await write("0\r\n\r\n")) co_return false;
    reply.stream.reset();
    if (!keeps_alive || !is_chunked) co_return false;
    // The background read goes on: what it brings is the next request.
    arm(limits_.idle_max);
    co_await reading_ended();
    disarm();
    co_return !is_gone_;
  }

  /// Ends the connection without the last chunk. Not by a reset: what was sent before the cut must arrive.
  bool abort() {
    close();
    return false;
  }

  Handler& handler_;
  HttpLimits limits_;
  std::shared_ptr<std::set<Connection*>> connections_;
  const bool is_admin_listener_;
  Stream stream_;
  asio::steady_timer deadline_;
  asio::steady_timer wait_;
  boost::beast::flat_buffer buffer_{64 * 1024};
  bool is_reading_ = false;
  bool is_gone_ = false;
  bool is_closed_ = false;
  bool is_timed_out_ = false;
  bool is_admin_request_ = false;
};

HttpServer::HttpServer(asio::io_context& io, Handler& handler, HttpLimits limits)
    : io_(io),
      handler_(handler),
      limits_(limits),
      connections_(std::make_shared<std::set<Connection*>>()),
      refusal_end_(io) {}

HttpServer::~HttpServer() { stop(); }

std::expected<std::shared_ptr<asio::ssl::context>, std::string> HttpServer::load_tls(const TlsFiles& files) {
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  error_code error;
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  context->use_certificate_chain_file(files.certificate, error);
  if (error) return std::unexpected(files.certificate + ": " + error.message());
  context->use_private_key_file(files.key, asio::ssl::context::pem, error);
  if (error) return std::unexpected(files.key + ": " + error.message());
  if (!files.client_ca.empty()) {
    context->load_verify_file(files.client_ca, error);
    if (error) return std::unexpected(files.client_ca + ": " + error.message());
    context->set_verify_mode(asio::ssl::verify_peer, error);
  }
  // Sessions of an earlier certificate must not be resumed after a rotation.
  SSL_CTX_set_session_cache_mode(context->native_handle(), SSL_SESS_CACHE_OFF);
  static constexpr unsigned char id[] = "kubesim";
  SSL_CTX_set_session_id_context(context->native_handle(), id, sizeof id - 1);
  return context;
}

std::expected<void, std::string> HttpServer::use_tls(TlsFiles files) {
  auto context = load_tls(files);
  if (!context) return std::unexpected(context.error());
  tls_ = *context;
  tls_files_ = std::move(files);
  return {};
}

std::shared_ptr<asio::ssl::context> HttpServer::tls_context() {
  std::string stamp;
  for (const std::string& file : {tls_files_->certificate, tls_files_->key, tls_files_->client_ca}) {
    std::error_code error;
    stamp += std::to_string(std::filesystem::last_write_time(file, error).time_since_epoch().count()) + " ";
  }
  if (stamp != tls_stamp_) {
    // Half of a rotation (a new certificate beside the old key) does not load: the old pair then serves on.
    if (auto context = load_tls(*tls_files_)) {
      tls_ = *context;
      tls_stamp_ = stamp;
    }
  }
  return tls_;
}

std::expected<tcp::endpoint, std::string> HttpServer::listen(const std::string& address, bool is_admin) {
  const auto parsed = parse_listen_address(address);
  if (!parsed) return std::unexpected("'" + address + "' is not an ADDRESS:PORT such as 127.0.0.1:8001 or [::1]:0");
  error_code error;
  const auto host = asio::ip::make_address(parsed->host, error);
  if (error) return std::unexpected("'" + parsed->host + "' is not an IP address");
  auto listener = std::make_shared<Listener>(io_, tcp::endpoint(host, parsed->port), is_admin);
  error = listener->open();
  if (error) return std::unexpected("cannot listen on " + address + ": " + error.message());
  listeners_.push_back(listener);
  return listener->endpoint;
}

void HttpServer::start() {
  for (const auto& listener : listeners_) accept_next(listener);
}

void HttpServer::accept_next(const std::shared_ptr<Listener>& listener) {
  listener->acceptor.async_accept([this, listener](error_code error, tcp::socket socket) {
    if (is_stopped_ || !listener->acceptor.is_open()) return;
    if (error == asio::error::operation_aborted) return;
    if (error) {
      // Out of descriptors: the connection stays in the backlog; trying again at once would spin.
      listener->retry.expires_after(std::chrono::milliseconds(50));
      listener->retry.async_wait([this, listener](error_code stopped) {
        if (!stopped && !is_stopped_ && listener->acceptor.is_open()) accept_next(listener);
      });
      return;
    }
    ++accepted_;
    if (connections_->size() < limits_.connections || listener->is_admin) {
      open_session(std::move(socket), listener->is_admin);
    }
    accept_next(listener);
  });
}

void HttpServer::open_session(tcp::socket socket, bool is_admin) {
  if (tls_files_ && !is_admin) {
    using Tls = asio::ssl::stream<tcp::socket>;
    // The stream's SSL object holds a reference to the context's native handle, so the context may be replaced.
    const auto context = tls_context();
    auto session =
        std::make_shared<Session<Tls>>(io_, handler_, limits_, connections_, is_admin, std::move(socket), *context);
    asio::co_spawn(io_, Session<Tls>::run(std::move(session)), asio::detached);
  } else {
    using Plain = tcp::socket;
    auto session = std::make_shared<Session<Plain>>(io_, handler_, limits_, connections_, is_admin, std::move(socket));
    asio::co_spawn(io_, Session<Plain>::run(std::move(session)), asio::detached);
  }
}

void HttpServer::stop() {
  is_stopped_ = true;
  refusal_end_.cancel();
  for (const auto& listener : listeners_) {
    error_code ignored;
    listener->acceptor.close(ignored);
    listener->retry.cancel();
  }
  for (Connection* connection : *connections_) connection->close();
}

void HttpServer::refuse_connections(std::optional<std::chrono::milliseconds> time) {
  for (const auto& listener : listeners_) {
    if (listener->is_admin) continue;
    error_code ignored;
    listener->acceptor.close(ignored);
  }
  refusal_end_.cancel();
  if (!time) return;
  refusal_end_.expires_after(*time);
  refusal_end_.async_wait([this](error_code error) {
    if (!error && !is_stopped_) accept_connections();
  });
}

void HttpServer::accept_connections() {
  refusal_end_.cancel();
  bool is_late = false;
  for (const auto& listener : listeners_) {
    if (listener->acceptor.is_open()) continue;
    if (listener->open()) {
      is_late = true;  // someone else took the port meanwhile
    } else {
      accept_next(listener);
    }
  }
  if (!is_late) return;
  refusal_end_.expires_after(std::chrono::milliseconds(100));
  refusal_end_.async_wait([this](error_code error) {
    if (!error && !is_stopped_) accept_connections();
  });
}

void HttpServer::close_connections() {
  for (Connection* connection : *connections_) {
    if (!connection->is_admin()) connection->close();
  }
}

std::size_t HttpServer::open_connections() const { return connections_->size(); }

}  // namespace fairlead::kubesim
