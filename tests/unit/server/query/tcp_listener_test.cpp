#include "server/net/tcp_listener.hpp"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <vector>

#include "unit/server/query/corefile_server.hpp"

namespace fairlead::test {
namespace {

// A client that blocks, so that what it sends has arrived when it returns.
class Client {
 public:
  explicit Client(const sockaddr_in& to) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    REQUIRE(connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0);
    const timeval patience{.tv_sec = 5, .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  }
  ~Client() { close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void ask() {
    const auto query = query_packet("example.org.", dns::RRType::a);
    std::vector<std::uint8_t> frame{static_cast<std::uint8_t>(query.size() >> 8),
                                    static_cast<std::uint8_t>(query.size())};
    frame.insert(frame.end(), query.begin(), query.end());
    REQUIRE(send(fd_, frame.data(), frame.size(), 0) == static_cast<ssize_t>(frame.size()));
  }
  // Whole replies until the server closes; -1 for a reset.
  int replies() {
    std::vector<std::uint8_t> received(65536);
    std::size_t size = 0;
    ssize_t octets = 0;
    while ((octets = recv(fd_, received.data() + size, received.size() - size, 0)) > 0) {
      size += static_cast<std::size_t>(octets);
    }
    int count = 0;
    for (std::size_t at = 0; at + 2 <= size; at += 2u + dns::read_u16(received.data() + at)) ++count;
    return octets == 0 ? count : -1;
  }

 private:
  const int fd_;
};

struct Fixture {
  CorefileServer server{"whoami"};
  sockaddr_in address{};
  std::shared_ptr<server::TcpListener> listener;

  Fixture() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    REQUIRE(bind(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0);
    REQUIRE(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    REQUIRE(listen(fd, 8) == 0);
    listener = std::make_shared<server::TcpListener>(server.io, server::SocketHandle(fd));
    listener->serve(server.worker_plan, 0);
    listener->start();
  }
  void turn() {
    server.io.restart();
    server.io.run_for(std::chrono::milliseconds(50));
  }
};

}  // namespace

TEST_CASE("a listener that stops answers what has arrived, and closes the connections that owe nothing") {
  Fixture fixture;
  Client idle(fixture.address);
  Client busy(fixture.address);
  fixture.turn();
  for (int i = 0; i < 3; ++i) busy.ask();
  Client waiting(fixture.address);  // nobody has accepted it
  waiting.ask();

  fixture.listener->stop();
  CHECK(fixture.listener->owed() == 3);
  for (int turns = 0; turns < 100 && fixture.listener->owed() > 0; ++turns) fixture.turn();
  CHECK(fixture.listener->owed() == 0);
  CHECK(idle.replies() == 0);
  CHECK(busy.replies() == 3);
  CHECK(waiting.replies() == 1);
  fixture.listener->close_connections();
}

}  // namespace fairlead::test
