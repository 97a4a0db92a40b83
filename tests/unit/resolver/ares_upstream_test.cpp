#include "resolver/ares_upstream.hpp"

#include <doctest/doctest.h>

#include <set>

#include "resolver/limits.hpp"
#include "resolver/name_case.hpp"
#include "resolver/query_builder.hpp"
#include "unit/resolver/fake_upstream.hpp"

namespace fairlead::resolver {
namespace {

using std::chrono::milliseconds;
using test::FakeUpstream;
using test::Octets;
using test::run_until;

Octets query_for(std::string_view qname, dns::RRType qtype = dns::RRType::a) {
  std::array<std::uint8_t, query_octets_max> buffer;
  const std::size_t size = build_query(test::name(qname), qtype, dns::RRClass::in, {}, buffer);
  return Octets(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(size));
}

// What a callback was called with.
struct Outcome {
  int calls = 0;
  Octets message;
  Transport transport = Transport::udp;
  std::optional<UpstreamError> error;
  dns::Header header() const { return dns::read_header(message); }
};

struct Fixture {
  explicit Fixture(FakeUpstream::Script script = {}, bool with_tcp = true) : server(io, std::move(script), with_tcp) {
    make();
  }
  void make(milliseconds read_timeout = milliseconds(500)) {
    upstream = make_ares_upstream(io, {.address = server.address(),
                                       .read_timeout = read_timeout,
                                       .expire = std::chrono::seconds(10),
                                       .max_age = {},
                                       .source_address = {},
                                       .tls = {}});
  }
  std::shared_ptr<Outcome> send(std::string_view qname, Transport transport = Transport::udp) {
    auto outcome = std::make_shared<Outcome>();
    upstream->send(query_for(qname), transport, [outcome](const UpstreamResult& result) {
      ++outcome->calls;
      if (!result) {
        outcome->error = result.error();
        return;
      }
      outcome->message.assign(result->message.begin(), result->message.end());
      outcome->transport = result->transport;
    });
    CHECK(outcome->calls == 0);
    return outcome;
  }
  std::shared_ptr<Outcome> ask(std::string_view qname, Transport transport = Transport::udp) {
    auto outcome = send(qname, transport);
    CHECK(run_until(io, [&] { return outcome->calls > 0; }));
    return outcome;
  }

  asio::io_context io;
  FakeUpstream server;
  std::unique_ptr<Upstream> upstream;
};

void answer(const FakeUpstream::Received& query) { query.reply(test::answer_to(query.query)); }

TEST_CASE("a query over UDP brings its answer, with a bare OPT last and a random id") {
  Fixture f(answer);
  std::set<std::uint16_t> ids;
  for (int i = 0; i < 20; ++i) {
    const auto outcome = f.ask("www.example.");
    CHECK(outcome->header().answer_count == 1);
    ids.insert(dns::read_u16(f.server.received.back().query.data()));
  }
  CHECK(ids.size() > 15);
  const Octets& query = f.server.received.back().query;
  const auto parsed = dns::read_query(query);
  REQUIRE(parsed);
  REQUIRE(parsed->edns);
  CHECK(parsed->edns->udp_octets == 1232);
  CHECK(parsed->edns->options.empty());
  CHECK(query.size() == 12 + 17 + 11);
}

TEST_CASE("queries leave from several source ports") {
  Fixture f(answer);
  std::set<std::uint16_t> ports;
  for (int i = 0; i < 60; ++i) {
    f.ask("www.example.");
    ports.insert(f.server.received.back().client_port);
  }
  CHECK(ports.size() == udp_channels);
}

TEST_CASE("an answer between 512 and 1232 octets arrives whole over UDP (c-ares trap A)") {
  Fixture f([](const FakeUpstream::Received& query) { query.reply(test::answer_to(query.query, 70)); });
  const auto outcome = f.ask("www.example.");
  CHECK(outcome->message.size() > 1100);
  CHECK(outcome->header().answer_count == 70);
  CHECK(outcome->transport == Transport::udp);
  CHECK(f.server.received.size() == 1);
}

TEST_CASE("a truncated reply is handed on, and TCP is used when asked") {
  Fixture f([](const FakeUpstream::Received& query) {
    if (query.transport == Transport::tcp) return answer(query);
    query.reply(test::reply_to(query.query, [](dns::MessageWriter& writer) { writer.set_flag(dns::Header::tc); }));
  });
  const auto over_udp = f.ask("www.example.");
  CHECK(over_udp->header().has(dns::Header::tc));
  CHECK(f.server.count(Transport::tcp) == 0);
  const auto over_tcp = f.ask("www.example.", Transport::tcp);
  CHECK(over_tcp->header().answer_count == 1);
  CHECK(over_tcp->transport == Transport::tcp);
}

TEST_CASE("replies with a wrong id, a wrong question or without QR are ignored and the right one is awaited") {
  Fixture f([](const FakeUpstream::Received& query) {
    Octets wrong_id = test::answer_to(query.query);
    wrong_id[0] ^= 0xff;
    query.reply(wrong_id);
    Octets wrong_name = test::answer_to(query.query);
    wrong_name[13] = 'x';
    query.reply(wrong_name);
    Octets wrong_type = test::answer_to(query.query);
    wrong_type[12 + 13 + 1] = 28;
    query.reply(wrong_type);
    Octets wrong_class = test::answer_to(query.query);
    wrong_class[12 + 13 + 3] = 3;
    query.reply(wrong_class);
    query.reply(query.query);
    query.reply({});
    query.reply({1, 2, 3});
    query.reply(test::answer_to(query.query, 2));
  });
  const auto outcome = f.ask("www.example.");
  CHECK(outcome->calls == 1);
  CHECK(outcome->header().answer_count == 2);
  CHECK(f.upstream->counters().ignored_replies.value() == 3);
}

// The octets of the question's name.
Octets name_of(const Octets& message) { return Octets(message.begin() + 12, message.begin() + 12 + 36); }
constexpr std::string_view long_name = "abcdefghIJKLMNOPqrstuvwxyz.example.";

TEST_CASE("letters go out in a case that nobody foresees and come back as they were asked") {
  Fixture f(answer);
  std::set<Octets> sent;
  for (int i = 0; i < 10; ++i) {
    const auto outcome = f.ask(long_name);
    CHECK(name_of(outcome->message) == name_of(query_for(long_name)));
    sent.insert(name_of(f.server.received.back().query));
  }
  CHECK(sent.size() == 10);
  CHECK(f.server.count(Transport::tcp) == 0);
}

TEST_CASE("an owner that repeats the question without compression has the client's case too") {
  Fixture f([](const FakeUpstream::Received& query) {
    query.reply(test::reply_to(query.query, [&](dns::MessageWriter& writer) {
      const std::array<std::uint8_t, 4> address{192, 0, 2, 1};
      writer.append(dns::Section::answer, name_of(query.query), dns::RRType::a, 300, address);
    }));
  });
  const Octets message = f.ask(long_name)->message;
  const Octets owner(message.begin() + 12 + 36 + 4, message.begin() + 12 + 36 + 4 + 36);
  CHECK(owner == name_of(query_for(long_name)));
}

TEST_CASE("a reply in another case is ignored, and the question asked over TCP") {
  bool forge = false;
  Fixture f([&](const FakeUpstream::Received& query) {
    if (forge && query.transport == Transport::udp) {
      Octets forged = test::answer_to(query.query, 2);
      forged[13] ^= 0x20;
      query.reply(forged);
    }
    answer(query);
  });
  f.ask(long_name);
  forge = true;
  for (int i = 1; i <= 20; ++i) {
    const auto outcome = f.ask(long_name);
    CHECK(outcome->header().answer_count == 1);
    CHECK(outcome->transport == Transport::tcp);
    CHECK(f.upstream->counters().ignored_replies.value() == i);
  }
}

TEST_CASE("an upstream that changes the case is found out over TCP, once, and asked without mixing") {
  Fixture f([](const FakeUpstream::Received& query) {
    Octets reply = test::answer_to(query.query);
    NameCase().write(std::span(reply).subspan(12, 36));
    query.reply(reply);
  });
  for (int i = 0; i < 5; ++i) {
    const auto outcome = f.ask(long_name);
    CHECK(outcome->header().answer_count == 1);
    CHECK(f.server.count(Transport::tcp) == 1);
  }
  CHECK(name_of(f.server.received.back().query) == name_of(query_for(long_name)));
}

TEST_CASE("an upstream that changes the case and has no TCP loses one query") {
  Fixture f(
      [](const FakeUpstream::Received& query) {
        Octets reply = test::answer_to(query.query);
        NameCase().write(std::span(reply).subspan(12, 36));
        query.reply(reply);
      },
      false);
  CHECK(f.ask(long_name)->error == UpstreamError::unreachable);
  CHECK_FALSE(f.ask(long_name)->error);
}

TEST_CASE("names without letters, of one label and of 255 octets are asked as well") {
  Fixture f(answer);
  const std::string label(63, 'x');
  for (const std::string& name : {std::string("."), std::string("1.2.3."), std::string("a."),
                                  label + "." + label + "." + label + "." + label.substr(2) + "."}) {
    CAPTURE(name);
    CHECK(f.ask(name)->header().answer_count == 1);
  }
}

TEST_CASE("FORMERR is handed on, and neither it nor later queries lose their OPT (c-ares traps B and C)") {
  bool formerr = true;
  Fixture f([&](const FakeUpstream::Received& query) {
    if (!formerr) return query.reply(test::answer_to(query.query, 70));
    Octets reply = test::rcode_to(query.query, dns::Rcode::formerr);
    reply.resize(reply.size() - dns::opt_octets);
    reply[11] = 0;
    query.reply(reply);
  });
  for (int i = 0; i < 20; ++i) CHECK(f.ask("www.example.")->header().rcode() == dns::Rcode::formerr);
  for (int i = 0; i < 5; ++i) {
    CHECK(f.ask("www.example.", Transport::tcp)->header().rcode() == dns::Rcode::formerr);
  }
  CHECK(f.server.received.size() == 25);
  formerr = false;
  for (int i = 0; i < 20; ++i) CHECK(f.ask("www.example.")->header().answer_count == 70);
  for (const auto& query : f.server.received) CHECK(query.query.size() == 12 + 17 + 11);
}

TEST_CASE("SERVFAIL, REFUSED and NOTIMP are handed on and asked once") {
  for (const dns::Rcode rcode : {dns::Rcode::servfail, dns::Rcode::refused, dns::Rcode::notimp, dns::Rcode::nxdomain}) {
    for (const Transport transport : {Transport::udp, Transport::tcp}) {
      Fixture f([rcode](const FakeUpstream::Received& query) { query.reply(test::rcode_to(query.query, rcode)); });
      CHECK(f.ask("www.example.", transport)->header().rcode() == rcode);
      test::run_for(f.io, milliseconds(30));
      CHECK(f.server.received.size() == 1);
    }
  }
}

TEST_CASE("a silent upstream times out and its source port is given up") {
  Fixture f;
  f.make(milliseconds(100));
  std::set<std::uint16_t> ports;
  for (int round = 0; round < 12; ++round) {
    CHECK(f.ask("www.example.")->error == UpstreamError::timed_out);
    ports.insert(f.server.received.back().client_port);
  }
  CHECK(ports.size() > udp_channels);
}

TEST_CASE("a closed port is unreachable at once, over UDP and TCP") {
  Fixture f({}, false);
  const UpstreamAddress gone = FakeUpstream(f.io, {}, false).address();
  f.upstream =
      make_ares_upstream(f.io, {.address = gone, .expire = {}, .max_age = {}, .source_address = {}, .tls = {}});
  CHECK(f.ask("www.example.")->error == UpstreamError::unreachable);
  CHECK(f.ask("www.example.", Transport::tcp)->error == UpstreamError::unreachable);
}

TEST_CASE("a TCP connection is kept, shared by queries, and opened again when the upstream closed it") {
  Fixture f(answer);
  std::vector<std::shared_ptr<Outcome>> outcomes;
  for (int i = 0; i < 50; ++i) outcomes.push_back(f.send("n" + std::to_string(i) + ".example.", Transport::tcp));
  CHECK(run_until(f.io, [&] { return std::ranges::all_of(outcomes, [](const auto& o) { return o->calls == 1; }); }));
  CHECK(f.server.connections == 1);
  SUBCASE("while idle") {
    f.server.received.back().close();
    test::run_for(f.io, milliseconds(50));
    CHECK_FALSE(f.ask("www.example.", Transport::tcp)->error);
  }
  SUBCASE("with a query on its way") {
    bool closed = false;
    f.server.script = [&closed](const FakeUpstream::Received& query) {
      if (closed) return answer(query);
      closed = true;
      query.close();
    };
    CHECK_FALSE(f.ask("www.example.", Transport::tcp)->error);
  }
  CHECK(f.server.connections == 2);
}

TEST_CASE("an upstream that closes every TCP connection is unreachable, not asked in a circle") {
  Fixture f([](const FakeUpstream::Received& query) { query.close(); });
  CHECK(f.ask("www.example.", Transport::tcp)->error == UpstreamError::unreachable);
  CHECK(f.server.connections == 1);
}

TEST_CASE("10,000 queries at once over all channels, then idle channels and descriptors go away") {
  Fixture f;
  // Loopback drops bursts, so the server takes its time and the client waits longer.
  f.upstream = make_ares_upstream(f.io, {.address = f.server.address(),
                                         .read_timeout = std::chrono::seconds(3),
                                         .expire = milliseconds(100),
                                         .max_age = {},
                                         .source_address = {},
                                         .tls = {}});
  f.server.script = answer;
  int replies = 0;
  int timeouts = 0;
  const Octets query = query_for("www.example.");
  for (int i = 0; i < 10000; ++i) {
    f.upstream->send(query, Transport::udp, [&](const UpstreamResult& result) { ++(result ? replies : timeouts); });
    if (i % 50 == 0) f.io.poll();
  }
  CHECK(run_until(f.io, [&] { return replies + timeouts == 10000; }, std::chrono::seconds(20)));
  CHECK(replies > 9000);
  CHECK(f.upstream->counters().outstanding.value() == 0);
  const auto misses = f.upstream->counters().connection_cache_misses[0].value();
  test::run_for(f.io, milliseconds(300));
  CHECK_FALSE(f.ask("www.example.")->error);  // on a channel of its own, with descriptor numbers used before
  CHECK(f.upstream->counters().connection_cache_misses[0].value() == misses + 1);
}

TEST_CASE("destruction ends outstanding queries as cancelled, each callback once") {
  Fixture f;
  std::vector<std::shared_ptr<Outcome>> outcomes;
  for (int i = 0; i < 100; ++i) {
    outcomes.push_back(f.send("www.example.", i % 2 == 0 ? Transport::udp : Transport::tcp));
  }
  SUBCASE("at once") {}
  SUBCASE("after some time") { test::run_for(f.io, milliseconds(20)); }
  f.upstream.reset();
  for (const auto& outcome : outcomes) {
    CHECK(outcome->calls == 1);
    CHECK(outcome->error == UpstreamError::cancelled);
  }
  test::run_for(f.io, milliseconds(20));
  for (const auto& outcome : outcomes) CHECK(outcome->calls == 1);
}

TEST_CASE("a callback may send again") {
  Fixture f(answer);
  int calls = 0;
  std::function<void()> again = [&] {
    f.upstream->send(query_for("www.example."), calls % 2 == 0 ? Transport::udp : Transport::tcp,
                     [&](const UpstreamResult&) {
                       if (++calls < 100) again();
                     });
  };
  again();
  CHECK(run_until(f.io, [&] { return calls == 100; }));
}

TEST_CASE("the source address is the one configured") {
  Fixture f(answer);
  f.upstream = make_ares_upstream(f.io, {.address = f.server.address(),
                                         .read_timeout = milliseconds(500),
                                         .expire = std::chrono::seconds(10),
                                         .max_age = {},
                                         .source_address = base::IpAddress::parse("127.0.0.7"),
                                         .tls = {}});
  CHECK_FALSE(f.ask("www.example.")->error);
  f.upstream = make_ares_upstream(f.io, {.address = f.server.address(),
                                         .read_timeout = milliseconds(500),
                                         .expire = std::chrono::seconds(10),
                                         .max_age = {},
                                         .source_address = base::IpAddress::parse("192.0.2.1"),
                                         .tls = {}});
  CHECK(f.ask("www.example.")->error == UpstreamError::unreachable);
  CHECK(f.upstream->trouble().contains("192.0.2.1"));
  f.upstream = make_ares_upstream(f.io, {.address = f.server.address(),
                                         .read_timeout = milliseconds(500),
                                         .expire = std::chrono::seconds(10),
                                         .max_age = {},
                                         .source_address = base::IpAddress::parse("::1"),
                                         .tls = {}});
  CHECK(f.ask("www.example.")->error == UpstreamError::unreachable);
}

TEST_CASE("max_idle_connections closes what is idle beyond it, and nothing that is waited for") {
  Fixture f(answer);
  f.upstream = make_ares_upstream(f.io, {.address = f.server.address(),
                                         .read_timeout = milliseconds(500),
                                         .expire = std::chrono::seconds(10),
                                         .max_age = {},
                                         .source_address = {},
                                         .max_idle_connections = 1,
                                         .tls = {}});
  std::set<std::uint16_t> ports;
  for (int i = 0; i < 40; ++i) {
    CHECK_FALSE(f.ask("www.example.")->error);
    ports.insert(f.server.received.back().client_port);
    if (i % 4 == 3) test::run_for(f.io, milliseconds(60));
  }
  // Four channels would have shown four ports.
  CHECK(ports.size() > 6);
}

}  // namespace
}  // namespace fairlead::resolver
