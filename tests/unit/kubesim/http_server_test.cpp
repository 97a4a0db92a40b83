// The whole simulator behind a socket.
#include "tools/kubesim/http_server.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "tools/kubesim/simulator.hpp"

namespace fairlead::kubesim {
namespace {

using namespace std::chrono_literals;
using boost::system::error_code;

/// What a wait may take before it is a failure: a machine with twenty times its load passes too.
constexpr auto patience = 60s;

/// A client that reads and writes octets, with a deadline on everything.
class Client {
 public:
  explicit Client(std::uint16_t port) : socket_(io_) {
    socket_.connect(tcp::endpoint(asio::ip::address_v4::loopback(), port), connect_error);
  }
  void send(const std::string& text) {
    error_code ignored;
    asio::write(socket_, asio::buffer(text), ignored);
  }
  void get(const std::string& target, const std::string& headers = "") {
    send("GET " + target + " HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n");
  }
  /// Reads until `text` has come; false at the end of the connection or of patience.
  bool read_until(const std::string& text) {
    const auto deadline = Clock::now() + patience;
    while (received.find(text) == std::string::npos) {
      if (Clock::now() > deadline || !read_some(deadline)) return false;
    }
    return true;
  }
  bool read_to_end() {
    const auto deadline = Clock::now() + patience;
    while (read_some(deadline)) {
    }
    return is_ended;
  }
  tcp::socket& socket() { return socket_; }

  std::string received;
  bool is_ended = false;
  error_code connect_error;

 private:
  bool read_some(Clock::time_point deadline) {
    char buffer[4096];
    bool is_done = false;
    io_.restart();
    socket_.async_read_some(asio::buffer(buffer), [&](error_code error, std::size_t size) {
      is_done = true;
      if (error) is_ended = true;
      received.append(buffer, size);
    });
    io_.run_until(deadline);
    if (!is_done) {
      error_code ignored;
      socket_.cancel(ignored);
      io_.restart();
      io_.run();
      is_ended = false;
      return false;
    }
    return !is_ended;
  }

  asio::io_context io_;
  tcp::socket socket_;
};

struct Running {
  explicit Running(Options options = {})
      : simulator(io, with_defaults(std::move(options)), *ServiceAddresses::parse({"10.96.0.0/16"})) {
    const auto started = simulator.start();
    REQUIRE_MESSAGE(started.has_value(), (started ? "" : started.error()));
    thread = std::thread([this] { io.run(); });
  }
  ~Running() {
    asio::post(io, [this] { simulator.stop(); });
    thread.join();
  }
  static Options with_defaults(Options options) {
    options.admin_listen = "127.0.0.1:0";
    return options;
  }
  std::uint16_t port() const { return simulator.port(); }
  std::uint16_t admin_port() const {
    const std::string url = simulator.admin_url();
    return static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1)));
  }
  void fault(const std::string& text) const {
    Client client(admin_port());
    client.send("POST /kubesim/faults HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(text.size()) +
                "\r\n\r\n" + text);
    CHECK(client.read_until("200 OK"));
  }
  Json stats() const {
    Client client(admin_port());
    client.get("/kubesim/stats", "Connection: close\r\n");
    REQUIRE(client.read_to_end());
    return *parse_json(client.received.substr(client.received.find("\r\n\r\n") + 4));
  }

  bool wait_for(const std::function<bool(const Json& stats)>& wanted) const {
    for (const auto deadline = Clock::now() + patience; Clock::now() < deadline; std::this_thread::sleep_for(20ms)) {
      if (wanted(stats())) return true;
    }
    return false;
  }

  asio::io_context io{1};
  Simulator simulator;
  std::thread thread;
};

TEST_CASE("a list is chunked and the connection stays for the next request") {
  Running running;
  Client client(running.port());
  client.get("/api/v1/services");
  REQUIRE(client.read_until("]}\n\r\n0\r\n\r\n"));
  CHECK(client.received.find("Transfer-Encoding: chunked") != std::string::npos);
  client.received.clear();
  client.get("/version");
  CHECK(client.read_until("v1.32"));
}

TEST_CASE("requests sent ahead are answered in order, also after a stream") {
  Running running;
  Client client(running.port());
  const std::string next = "GET /version HTTP/1.1\r\nHost: x\r\n\r\n";
  client.send("GET /api/v1/services HTTP/1.1\r\nHost: x\r\n\r\n" + next + next);
  REQUIRE(client.read_until("0\r\n\r\n"));
  REQUIRE(client.read_until("buildDate"));
  client.received.erase(0, client.received.find("buildDate") + 1);
  CHECK(client.read_until("buildDate"));
}

TEST_CASE("a watch tells an event at once and ends in time, and its connection serves on") {
  Running running;
  Client watcher(running.port());
  watcher.get("/api/v1/namespaces?watch=1&timeoutSeconds=1");
  REQUIRE(watcher.read_until("kube-system"));
  Client writer(running.port());
  const std::string body = R"({"metadata":{"name":"fresh"}})";
  writer.send("POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: " +
              std::to_string(body.size()) + "\r\n\r\n" + body);
  REQUIRE(writer.read_until("201 Created"));
  REQUIRE(watcher.read_until("fresh"));
  REQUIRE(watcher.read_until("\r\n0\r\n\r\n"));
  watcher.get("/version");
  CHECK(watcher.read_until("v1.32"));
}

TEST_CASE("a client that goes away ends its watch at once") {
  Running running;
  {
    Client watcher(running.port());
    watcher.get("/api/v1/namespaces?watch=1");
    REQUIRE(watcher.read_until("kube-system"));
    CHECK(running.stats()["open_watches"]["namespaces"] == 1);
  }
  CHECK(running.wait_for([](const Json& stats) { return stats["open_watches"]["namespaces"] == 0; }));
}

TEST_CASE("what is not HTTP, or too large, is refused and ends the connection") {
  Running running;
  struct Row {
    std::string request;
    const char* answer;
  };
  for (const Row& row : {Row{"nonsense\r\n\r\n", " 400 "},
                         {"GET /%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", " 400 "},
                         {"GET / HTTP/1.1\r\nX: " + std::string(20'000, 'a') + "\r\n\r\n", " 431 "},
                         {"POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n", " 413 "}}) {
    Client client(running.port());
    client.send(row.request);
    CHECK(client.read_to_end());
    CHECK_MESSAGE(client.received.find(row.answer) != std::string::npos, client.received);
  }
}

TEST_CASE("a client that never finishes its request is cut off") {
  Options options;
  options.http.read_max = 1s;
  Running running(options);
  Client client(running.port());
  client.send("GET /version HT");
  CHECK(client.read_to_end());
  CHECK(client.received.find("200") == std::string::npos);
}

TEST_CASE("a watch whose client takes nothing is cut off instead of being buffered for") {
  Options options;
  options.http.write_max = 1s;
  Running running(options);
  Client watcher(running.port());
  watcher.socket().set_option(asio::socket_base::receive_buffer_size(4096));
  watcher.get("/api/v1/pods?watch=1");
  REQUIRE(watcher.read_until("chunked"));
  // More than the kernel keeps for one connection.
  for (int i = 0; i < 100; ++i) {
    asio::post(running.io, [&running, i] {
      const Json pod = {
          {"metadata", {{"name", "p"}, {"namespace", "default"}}}, {"n", i}, {"filler", std::string(100'000, 'f')}};
      (void)running.simulator.cluster().apply_manifest(kind::pod(), pod);
    });
  }
  CHECK(running.wait_for([](const Json& stats) { return stats["stalled_watches"] == 1; }));
  CHECK(running.stats()["open_watches"]["pods"] == 0);
}

TEST_CASE("faults of the connection: refused, dropped, delayed, cut") {
  Running running;
  SUBCASE("refused for a while, the admin listener staying") {
    running.fault(R"({"refuse_connections":true})");
    CHECK(Client(running.port()).connect_error == asio::error::connection_refused);
    running.fault(R"({"refuse_connections":false})");
    Client again(running.port());
    again.get("/version");
    CHECK(again.read_until("v1.32"));
  }
  SUBCASE("refused for a time") {
    running.fault(R"({"refuse_connections":{"for_ms":1000}})");
    CHECK(Client(running.port()).connect_error == asio::error::connection_refused);
    const auto deadline = Clock::now() + patience;
    bool is_refused = true;
    while (is_refused && Clock::now() < deadline) {
      std::this_thread::sleep_for(20ms);
      is_refused = Client(running.port()).connect_error.failed();
    }
    CHECK_FALSE(is_refused);
  }
  SUBCASE("dropped") {
    Client watcher(running.port());
    watcher.get("/api/v1/namespaces?watch=1");
    REQUIRE(watcher.read_until("kube-system"));
    running.fault(R"({"close_connections":true})");
    CHECK(watcher.read_to_end());
  }
  SUBCASE("a watch closed abruptly lacks its last chunk") {
    Client watcher(running.port());
    watcher.get("/api/v1/namespaces?watch=1");
    REQUIRE(watcher.read_until("kube-system"));
    running.fault(R"({"close_watches":{"how":"abrupt"}})");
    CHECK(watcher.read_to_end());
    CHECK_FALSE(watcher.received.ends_with("0\r\n\r\n"));
  }
  SUBCASE("delayed, while other requests are not") {
    running.fault(R"({"delay":{"ms":1500,"path_prefix":"/version"}})");
    Client slow(running.port());
    slow.get("/version");
    Client quick(running.port());
    quick.get("/healthz");
    CHECK(quick.read_until("ok"));
    CHECK(slow.socket().available() == 0);
    CHECK(slow.read_until("v1.32"));
  }
  SUBCASE("a list cut in the middle") {
    running.fault(R"({"cut_lists":{"after_bytes":40}})");
    Client client(running.port());
    client.get("/api/v1/namespaces");
    CHECK(client.read_to_end());
    CHECK(client.received.find("NamespaceList") != std::string::npos);
    CHECK(client.received.find("]}") == std::string::npos);
  }
}

TEST_CASE("it listens on IPv6, and a port that is taken is a sentence, not an exception") {
  Options options;
  options.listen = "[::1]:0";
  Running running(options);
  CHECK(running.simulator.url().starts_with("http://[::1]:"));
  asio::io_context io;
  Options same;
  same.listen = "[::1]:" + std::to_string(running.port());
  Simulator second(io, same, *ServiceAddresses::parse({"10.96.0.0/16"}));
  const auto started = second.start();
  REQUIRE_FALSE(started.has_value());
  CHECK(started.error().find("cannot listen on") != std::string::npos);
  for (const char* wrong : {"", "x", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "host.example:80"}) {
    Options broken;
    broken.listen = wrong;
    Simulator third(io, broken, *ServiceAddresses::parse({"10.96.0.0/16"}));
    CHECK_FALSE(third.start().has_value());
  }
}

TEST_CASE("a simulator that is stopped just when it would look at its manifests ends") {
  const auto file = std::filesystem::temp_directory_path() / ("kubesim-stop-" + std::to_string(getpid()) + ".yaml");
  std::ofstream(file) << "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n";
  asio::io_context io(1);
  Options options;
  options.manifests = file;
  Simulator simulator(io, options, *ServiceAddresses::parse({"10.96.0.0/16"}));
  REQUIRE(simulator.start().has_value());
  // The timer goes off while the first sleeps, and its handler is put behind the second.
  asio::post(io, [&] {
    std::this_thread::sleep_for(300ms);
    asio::post(io, [&] { simulator.stop(); });
  });
  io.run_for(5s);
  CHECK(io.stopped());
  std::filesystem::remove(file);
}

}  // namespace
}  // namespace fairlead::kubesim
