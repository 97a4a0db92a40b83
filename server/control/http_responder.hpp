// A small HTTP/1.1 responder for /health, /ready and /metrics, encrypted where it is asked to be, on a thread of its
// own so that a busy or stuck query path still answers probes.
//
//     HttpResponder http;
//     auto done = http.set_endpoints({{"", 8080, {{"/health", [] { return HttpResponse{.body = "OK"}; }}}}});
//
// Threads: set_endpoints(), bound() and stop() from any thread but the responder's own, that is, not from a route.
//   Routes run on the responder's thread, one at a time; they must not wait.
// Limits: http_* below. At the connection limit, the connection that has waited longest for a request is closed.
// Errors: set_endpoints() opens all that is new before it closes anything; if it fails, all stays as it was.
//   A route that throws is a 500.
// Security: a local route answers clients on the loopback interface alone, and of these no browser that was led here
//   under another's name.
// Standards: RFC 9110, RFC 9112; GET and HEAD only, requests with a body are refused.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace fairlead::server {

class TlsIdentity;

inline constexpr std::size_t http_header_size_max = 8 * 1024;
inline constexpr std::size_t http_connections_max = 128;
inline constexpr unsigned http_requests_per_connection_max = 1000;

struct HttpResponse {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body = {};
};
using HttpRoute = std::function<HttpResponse()>;

struct HttpEndpoint {
  std::string host;  // an address, "[::1]", a name such as "localhost", or empty for all addresses of both families
  std::uint16_t port = 0;
  std::map<std::string, HttpRoute> routes;             // path, without a query -> what answers it
  std::map<std::string, HttpRoute> local_routes = {};  // the same, for whoever is on this machine, or in this Pod
  std::shared_ptr<const TlsIdentity> tls = nullptr;    // null: no encryption
};

struct HttpTimeouts {
  std::chrono::milliseconds request{5000};  // from the connection, or the request's first octet, to the response's last
  std::chrono::milliseconds idle{60000};    // between two requests of one connection
};

class HttpResponder {
 public:
  HttpResponder();
  explicit HttpResponder(HttpTimeouts timeouts);
  /// Stops if that was not done.
  ~HttpResponder();
  HttpResponder(const HttpResponder&) = delete;
  HttpResponder& operator=(const HttpResponder&) = delete;

  /// Serves exactly these from now on. An endpoint whose host and port were served before keeps its socket, its
  /// connections and a port chosen by the system; its routes are replaced, and what new connections are encrypted with.
  /// The same host and port twice means the routes of both, encrypted if one of them is.
  std::expected<void, std::string> set_endpoints(std::vector<HttpEndpoint> endpoints);

  /// What `host` and `port` (as given to set_endpoints) listen on; 0 if they are not served.
  std::uint16_t bound_port(const std::string& host, std::uint16_t port) const;
  std::size_t connection_count() const;

  /// Closes the listeners, lets responses under way finish for at most a second, joins the thread. For good.
  void stop();

 private:
  class Server;
  std::unique_ptr<Server> server_;
};

}  // namespace fairlead::server
