// The HTTP/1.1 server under the simulated API: plain or TLS, keep-alive, chunked streams.
//
// A connection is one coroutine. While a stream (a list or a watch) is being sent, the server also reads, so that a
// client that goes away is noticed at once; what a client sends ahead stays in the connection's buffer for the next
// request.
//
// Threads: one; everything runs in the io_context that it is given. start() and stop() are called there too.
// Limits: HttpLimits. A consumer that does not take a chunk within `write_max` is cut off.
// Errors: listen() reports why a port cannot be had; errors of one connection end that connection.
// Security: with a client CA, certificates are verified by OpenSSL; whether one is needed is the handler's business.
// Standards: RFC 9110, RFC 9112.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tools/kubesim/asio.hpp"
#include "tools/kubesim/http_message.hpp"

namespace fairlead::kubesim {

struct HttpLimits {
  std::size_t header_octets = 16 * 1024;
  std::size_t body_octets = 8u << 20;  // the real server takes 3 MiB; large manifests of tests want a little more
  std::size_t connections = 4096;      // a fleet of DNS servers with a handful of watches each
  std::chrono::seconds idle_max{120};  // between requests
  std::chrono::seconds read_max{15};   // for a request's header, and again for its body
  std::chrono::seconds write_max{30};  // for one chunk
};

struct TlsFiles {
  std::string certificate;
  std::string key;
  std::string client_ca;  // empty: no client certificates
};

class HttpServer {
 public:
  HttpServer(asio::io_context& io, Handler& handler, HttpLimits limits);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// Before listen(). Reads the files now, and again for new connections once they change.
  std::expected<void, std::string> use_tls(TlsFiles files);
  /// "127.0.0.1:0", "[::1]:8001" or ":8001" (all addresses). May be called for several addresses.
  std::expected<tcp::endpoint, std::string> listen(const std::string& address, bool is_admin);
  void start();
  /// Closes all listeners and connections. The io_context then runs out of work by itself.
  void stop();

  /// Stops listening (connections are refused by the kernel), for `time` or until resume(). Admin listeners go on.
  void refuse_connections(std::optional<std::chrono::milliseconds> time);
  void accept_connections();
  /// Closes all connections but those that are in the middle of an admin request.
  void close_connections();

  std::size_t open_connections() const;
  std::uint64_t accepted() const { return accepted_; }

  /// An open connection, as the server sees it.
  class Connection {
   public:
    virtual ~Connection() = default;
    virtual void close() = 0;
    virtual bool is_admin() const = 0;
  };

 private:
  struct Listener;
  template <class Stream>
  class Session;

  void accept_next(const std::shared_ptr<Listener>& listener);
  void open_session(tcp::socket socket, bool is_admin);
  std::shared_ptr<asio::ssl::context> tls_context();
  static std::expected<std::shared_ptr<asio::ssl::context>, std::string> load_tls(const TlsFiles& files);

  asio::io_context& io_;
  Handler& handler_;
  HttpLimits limits_;
  std::optional<TlsFiles> tls_files_;
  std::shared_ptr<asio::ssl::context> tls_;
  std::string tls_stamp_;
  std::vector<std::shared_ptr<Listener>> listeners_;
  // Shared with the sessions, which may outlive the server by the few steps that the io_context still runs.
  std::shared_ptr<std::set<Connection*>> connections_;
  asio::steady_timer refusal_end_;
  std::uint64_t accepted_ = 0;
  bool is_stopped_ = false;
};

}  // namespace fairlead::kubesim
