#include "server/control/http_responder.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>

using namespace fairlead::server;
using namespace std::chrono_literals;

namespace {

// A client of few words, with a time limit on everything.
class Client {
 public:
  explicit Client(std::uint16_t port, const char* address = "127.0.0.1") {
    fd_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    inet_pton(AF_INET, address, &to.sin_addr);
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
  }
  ~Client() { close(fd_); }
  Client(const Client&) = delete;

  bool is_connected() const { return connected_; }
  void send(const std::string& text) const { (void)!::send(fd_, text.data(), text.size(), MSG_NOSIGNAL); }

  // Everything until the server closes.
  std::optional<std::string> read_all(std::chrono::milliseconds limit = 5s) {
    std::string text;
    while (wait(limit)) {
      std::array<char, 65536> block;
      const auto count = recv(fd_, block.data(), block.size(), 0);
      if (count == 0) return text;
      if (count < 0) return std::nullopt;
      text.append(block.data(), static_cast<std::size_t>(count));
    }
    return std::nullopt;
  }
  // One response with the given body.
  bool reads_until(const std::string& ending) {
    std::string text;
    while (!text.ends_with(ending)) {
      std::array<char, 4096> block;
      if (!wait(5s)) return false;
      const auto count = recv(fd_, block.data(), block.size(), 0);
      if (count <= 0) return false;
      text.append(block.data(), static_cast<std::size_t>(count));
    }
    return true;
  }
  bool is_closed_within(std::chrono::milliseconds limit) {
    char octet;
    return wait(limit) && recv(fd_, &octet, 1, 0) <= 0;
  }

 private:
  bool wait(std::chrono::milliseconds limit) const {
    pollfd poll_fd{fd_, POLLIN, 0};
    return poll(&poll_fd, 1, static_cast<int>(limit.count())) > 0;
  }
  int fd_;
  bool connected_ = false;
};

HttpEndpoint health(std::string host = "127.0.0.1", std::uint16_t port = 0, std::string body = "OK") {
  return {std::move(host), port, {{"/health", [body] { return HttpResponse{.body = body}; }}}};
}

std::string get(std::uint16_t port, const std::string& path = "/health", const char* address = "127.0.0.1") {
  Client client(port, address);
  client.send("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  return client.read_all().value_or("no end");
}

// An IPv4 address of this machine other than loopback.
std::optional<std::string> own_address() {
  ifaddrs* found = nullptr;
  if (getifaddrs(&found) != 0) return std::nullopt;
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> addresses(found, freeifaddrs);
  for (const ifaddrs* at = found; at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr == nullptr || at->ifa_addr->sa_family != AF_INET || (at->ifa_flags & IFF_LOOPBACK) != 0) continue;
    std::array<char, INET_ADDRSTRLEN> text;
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(at->ifa_addr)->sin_addr, text.data(), text.size());
    return text.data();
  }
  return std::nullopt;
}

std::string ask(std::uint16_t port, const std::string& request) {
  Client client(port);
  client.send(request);
  return client.read_all().value_or("no end");
}

}  // namespace

TEST_CASE("a route answers GET with its body and HEAD without") {
  HttpResponder http;
  REQUIRE(http.set_endpoints({health()}));
  const auto port = http.bound_port("127.0.0.1", 0);
  const std::string response = get(port, "/health?x=1");
  CHECK(response.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(response.find("\r\nContent-Length: 2\r\n") != std::string::npos);
  CHECK(response.ends_with("\r\n\r\nOK"));
  const std::string head = ask(port, "HEAD /health HTTP/1.0\r\n\r\n");
  CHECK(head.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(head.find("\r\nContent-Length: 2\r\n") != std::string::npos);
  CHECK(head.ends_with("\r\n\r\n"));
}

TEST_CASE("what is not a GET or HEAD of a route is refused with the reason") {
  HttpResponder http;
  auto endpoint = health();
  endpoint.routes["/throw"] = []() -> HttpResponse { throw std::runtime_error("no"); };
  REQUIRE(http.set_endpoints({endpoint}));
  const auto port = http.bound_port("127.0.0.1", 0);
  const auto status = [&](const std::string& request) { return ask(port, request).substr(0, 12); };
  CHECK(status("GET /other HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") == "HTTP/1.1 404");
  CHECK(status("GET /throw HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") == "HTTP/1.1 500");
  CHECK(status("DELETE /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") == "HTTP/1.1 405");
  CHECK(status("POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello") == "HTTP/1.1 405");
  CHECK(status("GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello") == "HTTP/1.1 413");
  CHECK(status("GET /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n") == "HTTP/1.1 413");
  CHECK(status("GET /health HTTP/1.1\r\nConnection: close\r\n\r\n") == "HTTP/1.1 400");
  CHECK(status("\x16\x03\x01 not http\r\n\r\n") == "HTTP/1.1 400");
  CHECK(status("GET /health HTTP/1.1\r\nHost: x\r\nX: " + std::string(http_header_size_max, 'x') + "\r\n\r\n") ==
        "HTTP/1.1 431");
  CHECK(get(port).ends_with("OK"));
}

TEST_CASE("a local route answers the loopback interface alone, and no browser that came by another's name") {
  HttpResponder http;
  HttpEndpoint endpoint{.host = "", .port = 0, .routes = {}};
  endpoint.routes["/open"] = [] { return HttpResponse{.body = "open"}; };
  endpoint.local_routes["/local"] = [] { return HttpResponse{.body = "local"}; };
  REQUIRE(http.set_endpoints({endpoint}));
  auto port = http.bound_port("", 0);
  const auto status = [&](const std::string& path, const std::string& host, const char* address = "127.0.0.1") {
    Client client(port, address);
    client.send("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n");
    return client.read_all().value_or("no end").substr(0, 12);
  };
  for (const char* host : {"localhost", "localhost:9153", "127.0.0.1:9153", "[::1]:9153", "[::1]", "10.1.2.3", ""}) {
    CAPTURE(host);
    CHECK(status("/local", host) == "HTTP/1.1 200");
  }
  for (const char* host :
       {"rebound.example", "rebound.example:9153", "localhost.example", "[::1", "127.0.0.1.example"}) {
    CAPTURE(host);
    CHECK(status("/local", host) == "HTTP/1.1 403");
    CHECK(status("/open", host) == "HTTP/1.1 200");
  }
  // From an address of the machine that is not loopback, where it has one: over a socket of both families, and of one.
  if (const auto own = own_address()) {
    CHECK(status("/local", "127.0.0.1", own->c_str()) == "HTTP/1.1 403");
    CHECK(status("/open", "127.0.0.1", own->c_str()) == "HTTP/1.1 200");
    endpoint.host = *own;
    REQUIRE(http.set_endpoints({endpoint}));
    port = http.bound_port(*own, 0);
    CHECK(status("/local", "127.0.0.1", own->c_str()) == "HTTP/1.1 403");
    CHECK(status("/open", "127.0.0.1", own->c_str()) == "HTTP/1.1 200");
  }
}

TEST_CASE("a header without end is refused at the limit, however much comes") {
  HttpResponder http;
  REQUIRE(http.set_endpoints({health()}));
  Client client(http.bound_port("127.0.0.1", 0));
  client.send("GET /health HTTP/1.1\r\n");
  for (int i = 0; i < 20; ++i) client.send("X: " + std::string(1000, 'x') + "\r\n");
  CHECK(client.read_all().value_or("").starts_with("HTTP/1.1 431"));
}

TEST_CASE("a connection is kept for further requests, pipelined ones too") {
  HttpResponder http;
  REQUIRE(http.set_endpoints({health()}));
  Client client(http.bound_port("127.0.0.1", 0));
  const std::string request = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
  client.send(request);
  CHECK(client.reads_until("\r\n\r\nOK"));
  client.send(request + request + "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string rest = client.read_all().value_or("");
  CHECK(rest.find("200 OK", rest.find("200 OK", rest.find("200 OK") + 1) + 1) != std::string::npos);
}

TEST_CASE("a client that sends nothing, or half a request, is closed at the deadline") {
  HttpResponder http({.request = 100ms, .idle = 300ms});
  REQUIRE(http.set_endpoints({health()}));
  const auto port = http.bound_port("127.0.0.1", 0);
  Client silent(port), half(port), idle(port);
  half.send("GET /health HT");
  idle.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(idle.reads_until("OK"));
  CHECK(silent.is_closed_within(2s));
  CHECK(half.is_closed_within(2s));
  CHECK(idle.is_closed_within(2s));
  for (int i = 0; i < 100 && http.connection_count() > 0; ++i) std::this_thread::sleep_for(10ms);
  CHECK(http.connection_count() == 0);
}

TEST_CASE("a client that does not read its response is closed at the deadline") {
  HttpResponder http({.request = 200ms, .idle = 200ms});
  REQUIRE(http.set_endpoints(
      {{"127.0.0.1", 0, {{"/big", [] { return HttpResponse{.body = std::string(32 << 20, 'x')}; }}}}}));
  Client client(http.bound_port("127.0.0.1", 0));
  client.send("GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
  for (int i = 0; i < 100 && http.connection_count() == 0; ++i) std::this_thread::sleep_for(10ms);
  for (int i = 0; i < 300 && http.connection_count() > 0; ++i) std::this_thread::sleep_for(10ms);
  CHECK(http.connection_count() == 0);
}

TEST_CASE("at the connection limit the oldest idle connection makes room, and probes still pass") {
  HttpResponder http;
  REQUIRE(http.set_endpoints({health()}));
  const auto port = http.bound_port("127.0.0.1", 0);
  std::vector<std::unique_ptr<Client>> clients;
  for (std::size_t i = 0; i < 2 * http_connections_max; ++i) clients.push_back(std::make_unique<Client>(port));
  CHECK(get(port).ends_with("OK"));
  CHECK(clients.front()->is_closed_within(2s));
  CHECK_FALSE(clients.back()->is_closed_within(50ms));
  CHECK(http.connection_count() <= http_connections_max);
}

TEST_CASE("an endpoint that is kept keeps its socket and its connections; its routes are replaced") {
  HttpResponder http;
  REQUIRE(http.set_endpoints({health("127.0.0.1", 0, "old"), health("127.0.0.2")}));
  const auto port = http.bound_port("127.0.0.1", 0);
  const auto removed = http.bound_port("127.0.0.2", 0);
  Client kept(port), dropped(removed, "127.0.0.2");
  kept.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(kept.reads_until("old"));
  dropped.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(dropped.reads_until("OK"));

  REQUIRE(http.set_endpoints({health("127.0.0.1", 0, "new"), health("127.0.0.3")}));
  CHECK(http.bound_port("127.0.0.1", 0) == port);
  CHECK(http.bound_port("127.0.0.2", 0) == 0);
  kept.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(kept.reads_until("new"));
  CHECK(dropped.is_closed_within(2s));
  CHECK_FALSE(Client(removed, "127.0.0.2").is_connected());
  CHECK(get(http.bound_port("127.0.0.3", 0), "/health", "127.0.0.3").ends_with("OK"));
}

TEST_CASE("a change that fails leaves everything as it was") {
  HttpResponder other, http;
  REQUIRE(other.set_endpoints({health()}));
  const auto taken = other.bound_port("127.0.0.1", 0);
  REQUIRE(http.set_endpoints({health("127.0.0.1", 0, "old")}));
  const auto port = http.bound_port("127.0.0.1", 0);

  const auto result =
      http.set_endpoints({health("127.0.0.2"), health("127.0.0.1", taken), health("127.0.0.1", 0, "new")});
  REQUIRE_FALSE(result);
  CHECK(result.error().find("cannot listen on 127.0.0.1:" + std::to_string(taken)) != std::string::npos);
  CHECK(get(port).ends_with("old"));
  CHECK(http.bound_port("127.0.0.2", 0) == 0);
  CHECK_FALSE(http.set_endpoints({health("no-such-host.invalid.")}));
  CHECK(get(port).ends_with("old"));
}

TEST_CASE("the same host and port twice serve the routes of both") {
  HttpResponder http;
  REQUIRE(http.set_endpoints({health(), {"127.0.0.1", 0, {{"/ready", [] { return HttpResponse{.status = 503}; }}}}}));
  const auto port = http.bound_port("127.0.0.1", 0);
  CHECK(get(port).ends_with("OK"));
  CHECK(get(port, "/ready").starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
}

TEST_CASE("no host means all addresses; names are resolved; brackets are allowed") {
  HttpResponder http;
  REQUIRE(http.set_endpoints({health(""), health("localhost")}));
  CHECK(get(http.bound_port("", 0)).ends_with("OK"));
  CHECK(get(http.bound_port("", 0), "/health", "127.0.0.9").ends_with("OK"));
  CHECK(get(http.bound_port("localhost", 0)).ends_with("OK"));
}

TEST_CASE("a reload moves a port between all addresses and one") {
  HttpResponder http;
  REQUIRE(http.set_endpoints({health("")}));
  const auto port = http.bound_port("", 0);
  REQUIRE(http.set_endpoints({health("127.0.0.1", port, "one")}));
  CHECK(get(port).ends_with("one"));
  CHECK_FALSE(Client(port, "127.0.0.2").is_connected());
  REQUIRE(http.set_endpoints({health("", port, "all")}));
  CHECK(get(port).ends_with("all"));
  CHECK(get(port, "/health", "127.0.0.2").ends_with("all"));
}

TEST_CASE("a port of ours that moved is still refused to another server") {
  HttpResponder http, other;
  REQUIRE(http.set_endpoints({health("127.0.0.1")}));
  const auto port = http.bound_port("127.0.0.1", 0);
  CHECK_FALSE(other.set_endpoints({health("127.0.0.1", port)}));
}

TEST_CASE("stop closes everything and is final") {
  HttpResponder http;
  REQUIRE(http.set_endpoints({health()}));
  const auto port = http.bound_port("127.0.0.1", 0);
  Client idle(port);
  http.stop();
  CHECK(idle.is_closed_within(1s));
  CHECK_FALSE(Client(port).is_connected());
  CHECK_FALSE(http.set_endpoints({health()}));
  http.stop();
}

TEST_CASE("reloads under load lose no request of a kept endpoint") {
  HttpResponder http;
  REQUIRE(http.set_endpoints({health()}));
  const auto port = http.bound_port("127.0.0.1", 0);
  std::atomic<bool> done = false;
  std::atomic<int> failed = 0, passed = 0;
  std::jthread prober([&] {
    while (!done) (get(port).ends_with("OK") ? passed : failed)++;
  });
  for (int i = 0; i < 100; ++i) {
    if (i % 2 == 0) {
      CHECK(http.set_endpoints({health(), health("127.0.0.2")}));
    } else {
      CHECK(http.set_endpoints({health()}));
    }
    std::this_thread::sleep_for(1ms);
  }
  done = true;
  prober.join();
  CHECK(failed == 0);
  CHECK(passed > 0);
}
