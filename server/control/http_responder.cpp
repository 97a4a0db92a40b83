#include "server/control/http_responder.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <ctime>
#include <exception>
#include <future>
#include <list>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>

#include "server/net/tls_identity.hpp"
#include "zones/base/asio.hpp"
#include "zones/base/ip_address.hpp"

#include <boost/asio/ssl.hpp>

namespace fairlead::server {
namespace {

namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto accept_pause = std::chrono::milliseconds(100);  // without descriptors or memory, accept() would spin
constexpr auto linger_max = std::chrono::seconds(1);
constexpr std::size_t linger_octets_max = 64 * 1024;
constexpr auto stop_wait_max = std::chrono::seconds(1);
// The parser bounds the header; the buffer holds it and the beginning of the next request.
constexpr std::size_t buffer_size_max = 2 * http_header_size_max;
constexpr std::size_t first_read_octets = 1024;

struct Route {
  HttpRoute answer;
  bool is_local = false;
};
using Routes = std::map<std::string, Route, std::less<>>;

struct Service {
  Routes routes;
  std::shared_ptr<const TlsIdentity> tls;  // null: no encryption
};

struct Address {
  std::string host;
  std::uint16_t port = 0;
  friend auto operator<=>(const Address&, const Address&) = default;

  std::string to_string() const {
    const bool bare_v6 = host.find(':') != std::string::npos && !host.starts_with('[');
    return (bare_v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
  }
};

struct Listener {
  explicit Listener(asio::io_context& io) : acceptor(io), pause(io) {}
  tcp::acceptor acceptor;
  asio::steady_timer pause;
};

struct Endpoint {
  std::vector<std::unique_ptr<Listener>> listeners;
  std::uint16_t bound_port = 0;
  Service service;  // of the responder's thread
};

struct Connection {
  Connection(tcp::socket s, std::shared_ptr<Endpoint> e)
      : socket(std::move(s)), deadline(socket.get_executor()), endpoint(std::move(e)) {}

  // Whatever waits on the socket returns with an error.
  void close() {
    error_code ignored;
    socket.close(ignored);
    deadline.cancel();
  }

  tcp::socket socket;
  asio::steady_timer deadline;
  const std::shared_ptr<Endpoint> endpoint;
  bool is_waiting = true;  // for a request, rather than writing a response
  bool close_after_response = false;
};

std::string_view reason_of(unsigned status) {
  const auto reason = http::obsolete_reason(http::int_to_status(status));
  return {reason.data(), reason.size()};
}

std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  std::array<char, 64> text;
  const auto length = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &utc);
  return {text.data(), length};
}

std::string make_response(const HttpResponse& response, bool keep_alive, bool with_body) {
  std::string text = "HTTP/1.1 " + std::to_string(response.status) + " ";
  text += reason_of(response.status);
  text += "\r\nDate: " + http_date();
  text += "\r\nContent-Type: " + response.content_type;
  text += "\r\nContent-Length: " + std::to_string(response.body.size());
  text += "\r\nX-Content-Type-Options: nosniff";
  if (response.status == 405) text += "\r\nAllow: GET, HEAD";
  text += keep_alive ? "\r\nConnection: keep-alive\r\n\r\n" : "\r\nConnection: close\r\n\r\n";
  if (with_body) text += response.body;
  return text;
}

HttpResponse plain(unsigned status, std::string body = {}) {
  HttpResponse response;
  response.status = status;
  response.body = body.empty() ? std::string(reason_of(status)) + "\n" : std::move(body);
  return response;
}

bool is_loopback(const tcp::socket& socket) {
  error_code error;
  const auto address = socket.remote_endpoint(error).address();
  if (error) return false;
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).is_loopback();
  }
  return address.is_loopback();
}

// Whether a Host field names this machine by address or as "localhost", or not at all. A page of the Internet whose
// name leads to 127.0.0.1 has a browser send that name.
bool is_own_host(std::string_view host) {
  if (const auto colon = host.rfind(':'); colon != host.npos && host.find(']', colon) == host.npos) {
    host = host.substr(0, colon);
  }
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  return host.empty() || host == "localhost" || base::IpAddress::parse(host).has_value();
}

// "/metrics" of "/metrics?x=1" and of "http://host/metrics" (RFC 9112 §3.2.2: servers take both forms).
std::string_view path_of(std::string_view target) {
  if (target.starts_with("http://") || target.starts_with("https://")) {
    const auto slash = target.find('/', target.find("//") + 2);
    target = slash == std::string_view::npos ? "/" : target.substr(slash);
  }
  return target.substr(0, target.find('?'));
}

}  // namespace

class HttpResponder::Server {
 public:
  explicit Server(HttpTimeouts timeouts) : timeouts_(timeouts) {}
  ~Server() { stop(); }

  std::expected<void, std::string> set_endpoints(std::vector<HttpEndpoint> wanted_list) {
    const std::scoped_lock lock(mutex_);
    if (stopped_) return std::unexpected("the HTTP responder is stopped");

    std::map<Address, Service> wanted;
    for (HttpEndpoint& endpoint : wanted_list) {
      auto& service = wanted[Address{endpoint.host, endpoint.port}];
      auto& routes = service.routes;
      for (auto& [path, route] : endpoint.routes) routes.insert_or_assign(path, Route{std::move(route), false});
      for (auto& [path, route] : endpoint.local_routes) routes.insert_or_assign(path, Route{std::move(route), true});
      if (endpoint.tls != nullptr) service.tls = std::move(endpoint.tls);
    }

    std::map<Address, std::shared_ptr<Endpoint>> next;
    std::vector<std::shared_ptr<Endpoint>> added, removed;
    for (const auto& [address, service] : wanted) {
      if (const auto held = endpoints_.find(address); held != endpoints_.end()) {
        next.insert(*held);
        continue;
      }
      auto opened = open(address);
      if (!opened) return std::unexpected(opened.error());
      added.push_back(*opened);
      next.emplace(address, std::move(*opened));
    }
    for (const auto& [address, endpoint] : endpoints_) {
      if (!next.contains(address)) removed.push_back(endpoint);
    }

    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
    call([&] {
      for (auto& [address, service] : wanted) next.at(address)->service = std::move(service);
      for (const auto& endpoint : added) {
        for (const auto& listener : endpoint->listeners) accept(endpoint, *listener);
      }
      for (const auto& endpoint : removed) close(*endpoint);
    });
    endpoints_ = std::move(next);
    return {};
  }

  std::uint16_t bound_port(const std::string& host, std::uint16_t port) const {
    const std::scoped_lock lock(mutex_);
    const auto found = endpoints_.find(Address{host, port});
    return found == endpoints_.end() ? 0 : found->second->bound_port;
  }

  std::size_t connection_count() const { return connection_count_; }

  void stop() {
    const std::scoped_lock lock(mutex_);
    if (std::exchange(stopped_, true) || !thread_.joinable()) return;
    call([&] {
      for (const auto& [address, endpoint] : endpoints_) close(*endpoint);
      stop_timer_.emplace(io_, stop_wait_max);
      stop_timer_->async_wait([this](error_code error) {
        if (error) return;
        for (const auto& connection : connections_) connection->close();
      });
      stopping_ = true;
      stop_if_idle();
    });
    work_.reset();
    thread_.join();
    endpoints_.clear();
  }

 private:
  // Opening, on the caller's thread.

  std::expected<std::shared_ptr<Endpoint>, std::string> open(const Address& address) {
    const auto fail = [&](const error_code& error) {
      std::string text = "cannot listen on " + address.to_string() + ": " + error.message();
      if (error == asio::error::address_in_use) text += " (another program or directive uses this port)";
      return std::unexpected(text);
    };
    std::vector<tcp::endpoint> targets;
    error_code error;
    if (address.host.empty()) {
      targets.emplace_back(tcp::v6(), address.port);
    } else {
      std::string_view host = address.host;
      if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
      if (host == "localhost") {
        // RFC 6761 §6.3: loopback without asking anyone. An image from scratch has no /etc/hosts that would say so.
        targets.emplace_back(asio::ip::address_v4::loopback(), address.port);
        targets.emplace_back(asio::ip::address_v6::loopback(), address.port);
      } else {
        const auto found = tcp::resolver(io_).resolve(host, std::to_string(address.port),
                                                      tcp::resolver::passive | tcp::resolver::numeric_service, error);
        if (error) return fail(error);
        for (const auto& entry : found) targets.push_back(entry.endpoint());
      }
    }

    auto endpoint = std::make_shared<Endpoint>();
    error_code unavailable;
    for (tcp::endpoint target : targets) {
      if (target.port() == 0) target.port(endpoint->bound_port);
      error = open(*endpoint, target, address.host.empty());
      if (error == asio::error::address_in_use && share_port(target.port())) {
        error = open(*endpoint, target, address.host.empty(), true);
      }
      if (error == asio::error::address_family_not_supported && address.host.empty()) {
        error = open(*endpoint, tcp::endpoint(tcp::v4(), target.port()), false);
      }
      // "localhost" is two addresses, and a machine without IPv6 has but one of them.
      const bool absent = error == asio::error::address_family_not_supported ||
                          error == error_code(EADDRNOTAVAIL, boost::system::system_category());
      if (absent) {
        unavailable = error;
      } else if (error) {
        return fail(error);
      }
    }
    if (endpoint->listeners.empty()) return fail(unavailable);
    return endpoint;
  }

  error_code open(Endpoint& endpoint, const tcp::endpoint& target, bool dual_stack, bool shared = false) {
    auto listener = std::make_unique<Listener>(io_);
    auto& acceptor = listener->acceptor;
    error_code error;
    acceptor.open(target.protocol(), error);
    if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error && target.protocol() == tcp::v6()) acceptor.set_option(asio::ip::v6_only(!dual_stack), error);
    if (!error && shared) set_reuse_port(acceptor);
    if (!error) acceptor.bind(target, error);
    if (!error) acceptor.listen(static_cast<int>(http_connections_max), error);
    if (!error) endpoint.bound_port = acceptor.local_endpoint(error).port();
    if (!error) endpoint.listeners.push_back(std::move(listener));
    return error;
  }

  static void set_reuse_port(tcp::acceptor& acceptor) {
    const int on = 1;
    setsockopt(acceptor.native_handle(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  }

  // A reload from ":8080" to "127.0.0.1:8080", or back, opens the new address while the old one is still served. The
  // kernel allows that among sockets with SO_REUSEPORT, which ours get only now: with it from the start, two servers
  // on one port would go unnoticed. False if the port is not ours.
  bool share_port(std::uint16_t port) {
    bool ours = false;
    for (const auto& [address, endpoint] : endpoints_) {
      if (endpoint->bound_port != port) continue;
      ours = true;
      for (const auto& listener : endpoint->listeners) set_reuse_port(listener->acceptor);
    }
    return ours;
  }

  // Runs `action` on the responder's thread and waits for it.
  template <typename F>
  void call(F&& action) {
    std::promise<void> done;
    asio::post(io_, [&] {
      action();
      done.set_value();
    });
    done.get_future().wait();
  }

  // From here on, the responder's thread.

  void run() {
    while (true) {
      try {
        io_.run();
        return;
      } catch (...) {
        // Out of memory in a handler of ours: that connection is lost, the others go on.
      }
    }
  }

  void accept(const std::shared_ptr<Endpoint>& endpoint, Listener& listener) {
    listener.acceptor.async_accept([this, endpoint, &listener](error_code error, tcp::socket socket) {
      if (!listener.acceptor.is_open()) return;
      if (!error) {
        try {
          admit(std::move(socket), endpoint);
        } catch (...) {
          // Out of memory: that client is lost, the next one is not.
        }
        accept(endpoint, listener);
        return;
      }
      listener.pause.expires_after(accept_pause);
      listener.pause.async_wait([this, endpoint, &listener](error_code) {
        if (listener.acceptor.is_open()) accept(endpoint, listener);
      });
    });
  }

  void admit(tcp::socket socket, const std::shared_ptr<Endpoint>& endpoint) {
    if (connections_.size() >= http_connections_max) evict();
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    const auto connection = std::make_shared<Connection>(std::move(socket), endpoint);
    connections_.push_back(connection);
    connection_count_ = connections_.size();
    asio::co_spawn(io_, serve(connection), [this, connection](const std::exception_ptr&) { remove(connection); });
  }

  // The oldest that waits for a request; if all are being answered, the oldest of these, so that slow readers cannot
  // shut probes out.
  void evict() {
    auto victim = connections_.begin();
    for (auto at = connections_.begin(); at != connections_.end(); ++at) {
      if (!(*at)->is_waiting) continue;
      victim = at;
      break;
    }
    (*victim)->close();
    connections_.erase(victim);
  }

  void remove(const std::shared_ptr<Connection>& connection) {
    connection->close();
    connections_.remove(connection);
    connection_count_ = connections_.size();
    stop_if_idle();
  }

  void stop_if_idle() {
    if (stopping_ && connections_.empty()) stop_timer_->cancel();
  }

  void close(Endpoint& endpoint) {
    error_code ignored;
    for (const auto& listener : endpoint.listeners) {
      listener->acceptor.close(ignored);
      listener->pause.cancel();
    }
    for (const auto& connection : connections_) {
      if (connection->endpoint.get() != &endpoint) continue;
      connection->close_after_response = true;
      if (connection->is_waiting) connection->close();
    }
  }

  void set_deadline(const std::shared_ptr<Connection>& connection, std::chrono::milliseconds after) {
    connection->deadline.expires_after(after);
    connection->deadline.async_wait([connection](error_code error) {
      // An expiry that was already queued when the deadline moved is not one.
      if (!error && connection->deadline.expiry() <= std::chrono::steady_clock::now()) connection->close();
    });
  }

  asio::awaitable<void> serve(std::shared_ptr<Connection> connection) {
    if (connection->endpoint->service.tls == nullptr) {
      if (co_await converse(connection, connection->socket)) co_await linger(connection);
      co_return;
    }
    const auto tls = connection->endpoint->service.tls->current();
    SSL_CTX_up_ref(tls->handle());
    asio::ssl::context context(tls->handle());
    asio::ssl::stream<tcp::socket&> stream(connection->socket, context);
    error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    set_deadline(connection, timeouts_.request);
    co_await stream.async_handshake(asio::ssl::stream_base::server, token);
    if (error) co_return;
    if (!co_await converse(connection, stream)) co_return;
    set_deadline(connection, linger_max);
    co_await stream.async_shutdown(token);
  }

  // Requests and responses, until one side has enough. False when there is nobody left to say goodbye to.
  template <typename Stream>
  asio::awaitable<bool> converse(const std::shared_ptr<Connection>& connection, Stream& stream) {
    boost::beast::flat_buffer buffer(buffer_size_max);
    error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);

    for (unsigned served = 0; served < http_requests_per_connection_max && !connection->close_after_response;
         ++served) {
      if (served == 0) {
        set_deadline(connection, timeouts_.request);
      } else if (buffer.size() == 0) {
        // Idle connections grow old from the end of their last response.
        connections_.remove(connection);
        if (!connection->socket.is_open()) co_return false;
        connections_.push_back(connection);
        set_deadline(connection, timeouts_.idle);
        const std::size_t octets = co_await stream.async_read_some(buffer.prepare(first_read_octets), token);
        if (error) co_return false;
        buffer.commit(octets);
        set_deadline(connection, timeouts_.request);
      } else {
        set_deadline(connection, timeouts_.request);
      }

      http::request_parser<http::empty_body> parser;
      parser.header_limit(static_cast<std::uint32_t>(http_header_size_max));
      co_await http::async_read_header(stream, buffer, parser, token);
      if (error && error.category() != http::make_error_code(http::error::bad_method).category()) co_return false;
      if (error == http::error::end_of_stream || error == http::error::partial_message) co_return false;

      connection->is_waiting = false;
      bool keep_alive = !error;
      bool with_body = true;
      HttpResponse response;
      if (error == http::error::header_limit || error == http::error::buffer_overflow) {
        response = plain(431);
      } else if (error) {
        response = plain(400);
      } else {
        const auto& request = parser.get();
        with_body = request.method() != http::verb::head;
        keep_alive =
            request.keep_alive() && served + 1 < http_requests_per_connection_max && !connection->close_after_response;
        response = answer(*connection, parser);
        // What follows the header is a body that nobody reads, not the next request.
        if (!parser.is_done()) keep_alive = false;
      }
      const std::string text = make_response(response, keep_alive, with_body);
      co_await asio::async_write(stream, asio::buffer(text), token);
      if (error) co_return false;
      connection->is_waiting = true;
      if (!keep_alive) break;
    }
    co_return true;
  }

  // Closing with unread octets would reset the connection and take the response with it (RFC 9112 §9.6).
  asio::awaitable<void> linger(const std::shared_ptr<Connection>& connection) {
    tcp::socket& socket = connection->socket;
    error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    error_code ignored;
    socket.shutdown(tcp::socket::shutdown_send, ignored);
    set_deadline(connection, linger_max);
    std::array<char, 4096> dump;
    for (std::size_t octets = 0; octets < linger_octets_max && !stopping_;) {
      octets += co_await socket.async_read_some(asio::buffer(dump), token);
      if (error) break;
    }
  }

  static HttpResponse answer(const Connection& connection, const http::request_parser<http::empty_body>& parser) {
    const auto& request = parser.get();
    // RFC 9112 §3.2: exactly one Host with HTTP/1.1.
    if (request.version() >= 11 && request.count(http::field::host) != 1) return plain(400);
    if (request.method() != http::verb::get && request.method() != http::verb::head) return plain(405);
    if (!parser.is_done()) return plain(413);
    const auto target = request.target();
    const Routes& routes = connection.endpoint->service.routes;
    const auto route = routes.find(path_of({target.data(), target.size()}));
    if (route == routes.end()) return plain(404);
    const auto host = request[http::field::host];
    if (route->second.is_local && !(is_loopback(connection.socket) && is_own_host({host.data(), host.size()}))) {
      return plain(403, "Only for clients on the loopback interface: kubectl port-forward, or kubectl exec.\n");
    }
    try {
      return route->second.answer();
    } catch (...) {
      return plain(500);
    }
  }

  const HttpTimeouts timeouts_;
  asio::io_context io_{1};
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_{io_.get_executor()};
  std::thread thread_;  // from the first set_endpoints() on

  mutable std::mutex mutex_;  // set_endpoints(), stop() and the two lines below
  std::map<Address, std::shared_ptr<Endpoint>> endpoints_;
  bool stopped_ = false;

  // Of the responder's thread; those that wait longest for a request come first.
  std::list<std::shared_ptr<Connection>> connections_;
  std::atomic<std::size_t> connection_count_{0};
  bool stopping_ = false;
  std::optional<asio::steady_timer> stop_timer_;
};

HttpResponder::HttpResponder() : HttpResponder(HttpTimeouts{}) {}
HttpResponder::HttpResponder(HttpTimeouts timeouts) : server_(std::make_unique<Server>(timeouts)) {}
HttpResponder::~HttpResponder() = default;

std::expected<void, std::string> HttpResponder::set_endpoints(std::vector<HttpEndpoint> endpoints) {
  return server_->set_endpoints(std::move(endpoints));
}
std::uint16_t HttpResponder::bound_port(const std::string& host, std::uint16_t port) const {
  return server_->bound_port(host, port);
}
std::size_t HttpResponder::connection_count() const { return server_->connection_count(); }
void HttpResponder::stop() { server_->stop(); }

}  // namespace fairlead::server
