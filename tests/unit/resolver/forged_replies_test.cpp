// A million replies of someone who sees every question but may not forge the one thing that differs: the id, the port,
// the question or the case of its letters.
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <random>
#include <set>

#include "resolver/forwarder.hpp"
#include "unit/resolver/fake_upstream.hpp"

namespace fairlead::resolver {
namespace {

using test::Octets;
using test::run_until;

// A sanitizer's build takes its time over each.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int forged_total = 50'000;
#else
constexpr int forged_total = 1'000'000;
#endif
constexpr int forged_per_question = 2'000;
constexpr int batch = 100;  // fits a socket's receive buffer
constexpr std::string_view asked_name = "abcdefghIJKLMNOPqrstuvwxyz.example.";
constexpr std::size_t name_octets = 36;

// Sends from the upstream's address, but not from its port.
class Forger {
 public:
  Forger() : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {}
  ~Forger() { ::close(socket_); }
  Forger(const Forger&) = delete;
  Forger& operator=(const Forger&) = delete;

  void send(const std::vector<Octets>& messages, std::uint16_t port) const {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    std::vector<iovec> parts(messages.size());
    std::vector<mmsghdr> headers(messages.size());
    for (std::size_t i = 0; i < messages.size(); ++i) {
      parts[i] = {const_cast<std::uint8_t*>(messages[i].data()), messages[i].size()};
      headers[i].msg_hdr = {&to, sizeof to, &parts[i], 1, nullptr, 0, 0};
    }
    ::sendmmsg(socket_, headers.data(), static_cast<unsigned>(headers.size()), 0);
  }

 private:
  int socket_;
};

Octets forged_answer(const Octets& query) {
  return test::answer_to(query, 2);  // the right one has one record
}

TEST_CASE("of a million forged replies none is taken: wrong id, port, source, question, case") {
  asio::io_context io;
  std::mt19937 random(1);
  std::set<std::uint16_t> ports;
  int forged = 0;
  int round = 0;
  test::FakeUpstream upstream(io);
  const Forger forger;
  upstream.script = [&](const test::FakeUpstream::Received& query) {
    if (query.transport == Transport::tcp) return query.reply(test::answer_to(query.query));
    ports.insert(query.client_port);
    for (int sent = 0; sent < forged_per_question && forged < forged_total; sent += batch) {
      std::vector<Octets> from_elsewhere;
      for (int i = 0; i < batch; ++i, ++forged) {
        Octets reply = forged_answer(query.query);
        switch (i % 5) {
          case 0:  // another id
            dns::write_u16(reply.data(),
                           static_cast<std::uint16_t>(dns::read_u16(query.query.data()) + 1 + random() % 65535));
            query.reply(reply);
            break;
          case 1:  // another question: one letter, the type or the class
            if (i % 3 == 0) reply[20] = static_cast<std::uint8_t>(reply[20] ^ 1);
            if (i % 3 == 1) reply[12 + name_octets + 1] = 28;
            if (i % 3 == 2) reply[12 + name_octets + 3] = 3;
            query.reply(reply);
            break;
          case 2:  // another port of the forwarder
            if (ports.size() > 1) {
              auto port = *ports.begin() == query.client_port ? *ports.rbegin() : *ports.begin();
              upstream.send_to(port, reply);
            } else {
              from_elsewhere.push_back(std::move(reply));
            }
            break;
          case 3:  // another source port
            from_elsewhere.push_back(std::move(reply));
            break;
          case 4:  // another case; the first round teaches that this upstream keeps it
            if (round == 0) {
              from_elsewhere.push_back(std::move(reply));
            } else if (sent >= forged_per_question / 2) {
              reply[13 + random() % 26] ^= 0x20;
              query.reply(reply);
            } else {
              dns::write_u16(reply.data(), static_cast<std::uint16_t>(dns::read_u16(query.query.data()) ^ 0x8000));
              query.reply(reply);
            }
            break;
        }
      }
      forger.send(from_elsewhere, query.client_port);
      // What has come is read before the buffer is full; our own script is on the stack, so nothing else is received.
      for (int turns = 0; turns < 200 && io.poll_one() > 0; ++turns) {
      }
    }
    query.reply(test::answer_to(query.query));
  };
  ForwarderConfig config;
  config.upstreams = {upstream.address()};
  config.hedge = false;
  Forwarder forwarder(io, config);
  int accepted = 0;
  int answered = 0;
  while (forged < forged_total) {
    bool is_done = false;
    const auto ticket =
        forwarder.ask({.qname = test::name(asked_name), .qtype = dns::RRType::a}, [&](const ForwardResult& result) {
          is_done = true;
          if (!result) return;
          ++answered;
          if (dns::read_header(result->reply.message()).answer_count != 1) ++accepted;
        });
    REQUIRE(ticket);
    REQUIRE(run_until(io, [&] { return is_done; }, std::chrono::seconds(20)));
    ++round;
  }
  CHECK(accepted == 0);
  CHECK(answered == round);
  CHECK(forwarder.upstreams()[0]->counters().ignored_replies.value() > 0);
}

}  // namespace
}  // namespace fairlead::resolver
