#include "resolver/tls_upstream.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <filesystem>

#include "zones/base/asio.hpp"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>
#include <boost/asio/ssl.hpp>

#include "resolver/forwarder.hpp"
#include "resolver/query_builder.hpp"
#include "unit/resolver/fake_upstream.hpp"

namespace fairlead::resolver {
namespace {

using asio::ip::tcp;
using std::chrono::milliseconds;
using test::Octets;
using test::run_for;
using test::run_until;

// A key and a certificate for dns.test and 127.0.0.1 that signs itself, in a directory of its own.
class Certificate {
 public:
  explicit Certificate(long valid_seconds = 3600) {
    char path[] = "/tmp/fairlead-tls-XXXXXX";
    REQUIRE(::mkdtemp(path) != nullptr);
    directory_ = path;
    EVP_PKEY* const pkey = EVP_EC_gen("P-256");
    X509* const x509 = X509_new();
    X509_set_version(x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
    X509_gmtime_adj(X509_getm_notBefore(x509), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x509), valid_seconds);
    X509_set_pubkey(x509, pkey);
    X509_NAME* const subject = X509_get_subject_name(x509);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("dns.test"), -1, -1,
                               0);
    X509_set_issuer_name(x509, subject);
    X509_EXTENSION* const names =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "DNS:dns.test,IP:127.0.0.1");
    X509_add_ext(x509, names, -1);
    X509_EXTENSION_free(names);
    X509_sign(x509, pkey, EVP_sha256());
    std::FILE* file = std::fopen(certificate().c_str(), "w");
    PEM_write_X509(file, x509);
    std::fclose(file);
    file = std::fopen(key().c_str(), "w");
    PEM_write_PrivateKey(file, pkey, nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(file);
    X509_free(x509);
    EVP_PKEY_free(pkey);
  }
  ~Certificate() { std::filesystem::remove_all(directory_); }
  std::string certificate() const { return directory_ + "/tls.crt"; }
  std::string key() const { return directory_ + "/tls.key"; }

 private:
  std::string directory_;
};

class FakeTlsServer {
 public:
  struct Connection {
    Connection(tcp::socket socket, asio::ssl::context& context) : stream(std::move(socket), context) {}
    asio::ssl::stream<tcp::socket> stream;
    std::array<std::uint8_t, 2> length{};
    Octets message;
    void reply(const Octets& answer) {
      Octets framed(2);
      dns::write_u16(framed.data(), static_cast<std::uint16_t>(answer.size()));
      framed.insert(framed.end(), answer.begin(), answer.end());
      boost::system::error_code ignored;
      asio::write(stream, asio::buffer(framed), ignored);
    }
    void close() {
      boost::system::error_code ignored;
      stream.next_layer().close(ignored);
    }
  };
  using ConnectionPtr = std::shared_ptr<Connection>;

  FakeTlsServer(asio::io_context& io, const Certificate& certificate)
      : acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0)) {
    context.use_certificate_chain_file(certificate.certificate());
    context.use_private_key_file(certificate.key(), asio::ssl::context::pem);
    accept();
  }
  ~FakeTlsServer() {
    *alive = false;
    for (const auto& weak : open) {
      if (const auto connection = weak.lock()) connection->close();
    }
  }

  void accept() {
    acceptor.async_accept([this, living = alive](const boost::system::error_code& error, tcp::socket socket) {
      if (!*living || error) return;
      ++connections;
      auto connection = std::make_shared<Connection>(std::move(socket), context);
      open.push_back(connection);
      connection->stream.async_handshake(asio::ssl::stream_base::server,
                                         [this, living, connection](const boost::system::error_code& failed) {
                                           if (*living && !failed) read(connection);
                                         });
      accept();
    });
  }
  void read(const ConnectionPtr& connection) {
    asio::async_read(connection->stream, asio::buffer(connection->length),
                     [this, living = alive, connection](const boost::system::error_code& error, std::size_t) {
                       if (error || !*living) return;
                       connection->message.resize(dns::read_u16(connection->length.data()));
                       asio::async_read(
                           connection->stream, asio::buffer(connection->message),
                           [this, living, connection](const boost::system::error_code& failed, std::size_t) {
                             if (failed || !*living) return;
                             ++queries;
                             if (script) script(*connection, connection->message);
                             if (connection->stream.next_layer().is_open()) read(connection);
                           });
                     });
  }

  asio::ssl::context context{asio::ssl::context::tls_server};
  tcp::acceptor acceptor;
  std::function<void(Connection&, const Octets&)> script = [](Connection& connection, const Octets& query) {
    connection.reply(test::answer_to(query));
  };
  std::vector<std::weak_ptr<Connection>> open;
  int connections = 0;
  int queries = 0;
  std::shared_ptr<bool> alive = std::make_shared<bool>(true);
};

struct Outcome {
  int calls = 0;
  std::optional<UpstreamError> error;
  std::size_t answers = 0;
};

struct Fixture {
  explicit Fixture(long valid_seconds = 3600) : certificate(valid_seconds), server(io, certificate) { make(); }
  void make(const std::string& server_name = "dns.test", bool with_ca = true,
            milliseconds read_timeout = milliseconds(300), milliseconds expire = milliseconds(10000),
            milliseconds max_age = milliseconds(0)) {
    auto made = make_tls_client_context(
        {.certificate_file = {}, .key_file = {}, .ca_file = with_ca ? certificate.certificate() : std::string()});
    REQUIRE(made);
    upstream = make_tls_upstream(io, {.address = {.address = base::IpAddress::parse("127.0.0.1").value(),
                                                  .port = server.acceptor.local_endpoint().port(),
                                                  .protocol = UpstreamProtocol::tls,
                                                  .tls_server_name = server_name},
                                      .read_timeout = read_timeout,
                                      .expire = expire,
                                      .max_age = max_age,
                                      .source_address = {},
                                      .tls = *made});
  }
  std::shared_ptr<Outcome> send(std::string_view qname = "www.example.") {
    std::array<std::uint8_t, query_octets_max> buffer;
    const std::size_t size = build_query(test::name(qname), dns::RRType::a, dns::RRClass::in, {}, buffer);
    auto outcome = std::make_shared<Outcome>();
    upstream->send({buffer.data(), size}, Transport::udp, [outcome](const UpstreamResult& result) {
      ++outcome->calls;
      if (result) {
        outcome->answers = dns::read_header(result->message).answer_count;
      } else {
        outcome->error = result.error();
      }
    });
    CHECK(outcome->calls == 0);
    return outcome;
  }
  std::shared_ptr<Outcome> ask() {
    auto outcome = send();
    CHECK(run_until(io, [&] { return outcome->calls > 0; }));
    return outcome;
  }

  asio::io_context io;
  Certificate certificate;
  FakeTlsServer server;
  std::unique_ptr<Upstream> upstream;
};

TEST_CASE("queries share one TLS connection and are answered out of order") {
  Fixture f;
  std::vector<Octets> held;
  f.server.script = [&](FakeTlsServer::Connection& connection, const Octets& query) {
    held.push_back(query);
    if (held.size() < 100) return;
    for (auto at = held.rbegin(); at != held.rend(); ++at) connection.reply(test::answer_to(*at, 50));
  };
  std::vector<std::shared_ptr<Outcome>> outcomes;
  for (int i = 0; i < 100; ++i) outcomes.push_back(f.send("n" + std::to_string(i) + ".example."));
  std::size_t answered = 0;  // that many at the front: looking at all after each step would take longer than they do
  const auto are_all_answered = [&] {
    while (answered < outcomes.size() && outcomes[answered]->calls == 1) ++answered;
    return answered == outcomes.size();
  };
  CHECK(run_until(f.io, are_all_answered, std::chrono::seconds(30)));
  for (const auto& outcome : outcomes) CHECK(outcome->answers == 50);
  CHECK(f.server.connections == 1);
}

TEST_CASE("the certificate must be valid for the name, or for the address without a name, and be signed by the CA") {
  Fixture f;
  CHECK_FALSE(f.ask()->error);
  f.make("");
  CHECK_FALSE(f.ask()->error);
  f.make("other.test");
  CHECK(f.ask()->error == UpstreamError::tls_failed);
  CHECK(f.upstream->trouble() == "hostname mismatch, the certificate is not for other.test");
  f.make("dns.test", false);
  CHECK(f.ask()->error == UpstreamError::tls_failed);
  CHECK(f.upstream->trouble().starts_with("self"));  // "self-signed certificate", in OpenSSL's spelling of the day
  CHECK_FALSE(make_tls_client_context({.certificate_file = {}, .key_file = {}, .ca_file = "/nonexistent"}));
}

TEST_CASE("replies with a wrong id or question are ignored and the right one is awaited") {
  Fixture f;
  f.server.script = [](FakeTlsServer::Connection& connection, const Octets& query) {
    Octets wrong_id = test::answer_to(query);
    wrong_id[0] ^= 0xff;
    connection.reply(wrong_id);
    Octets wrong_question = test::answer_to(query);
    wrong_question[13] = 'x';
    connection.reply(wrong_question);
    connection.reply({});
    connection.reply(query);
    connection.reply(test::answer_to(query, 2));
  };
  CHECK(f.ask()->answers == 2);
  CHECK(f.upstream->counters().ignored_replies.value() == 4);
}

TEST_CASE("a connection that the upstream closed is opened again once, unseen") {
  Fixture f;
  f.ask();
  SUBCASE("while idle") {
    f.server.open.back().lock()->close();
    run_for(f.io, milliseconds(20));
  }
  bool closed = false;
  SUBCASE("with a query on its way") {
    f.server.script = [&](FakeTlsServer::Connection& connection, const Octets& query) {
      if (closed) return connection.reply(test::answer_to(query));
      closed = true;
      connection.close();
    };
  }
  CHECK_FALSE(f.ask()->error);
  CHECK(f.server.connections == 2);
  f.server.script = [](FakeTlsServer::Connection& connection, const Octets&) { connection.close(); };
  CHECK(f.ask()->error == UpstreamError::unreachable);
}

TEST_CASE("a silent upstream times out and its connection is given up") {
  Fixture f;
  f.ask();
  f.server.script = nullptr;
  CHECK(f.ask()->error == UpstreamError::timed_out);
  f.server.script = [](FakeTlsServer::Connection& connection, const Octets& query) {
    connection.reply(test::answer_to(query));
  };
  CHECK_FALSE(f.ask()->error);
  CHECK(f.server.connections == 2);
}

TEST_CASE("a server that never shakes hands and a closed port end the query") {
  Fixture f;
  tcp::acceptor mute(f.io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  auto context =
      make_tls_client_context({.certificate_file = {}, .key_file = {}, .ca_file = f.certificate.certificate()});
  UpstreamConfig config{.address = {.address = base::IpAddress::parse("127.0.0.1").value(),
                                    .port = mute.local_endpoint().port(),
                                    .protocol = UpstreamProtocol::tls,
                                    .tls_server_name = {}},
                        .read_timeout = milliseconds(200),
                        .expire = {},
                        .max_age = {},
                        .source_address = {},
                        .tls = *context};
  f.upstream = make_upstream(f.io, config);
  CHECK(f.ask()->error == UpstreamError::timed_out);
  CHECK(f.upstream->trouble() == "no handshake in time");
  mute.close();
  run_for(f.io, milliseconds(150));
  CHECK(f.ask()->error == UpstreamError::unreachable);
}

TEST_CASE("an idle connection is closed after `expire`") {
  Fixture f;
  f.make("dns.test", true, milliseconds(300), milliseconds(60));
  f.ask();
  run_for(f.io, milliseconds(200));
  CHECK(f.server.open.back().expired());
  CHECK_FALSE(f.ask()->error);
  CHECK(f.server.connections == 2);
}

TEST_CASE("destruction ends TLS queries as cancelled, each callback once") {
  Fixture f;
  f.server.script = nullptr;
  SUBCASE("before the connection is there") {}
  SUBCASE("with a connection in use") {
    f.send();
    run_for(f.io, milliseconds(30));
  }
  std::vector<std::shared_ptr<Outcome>> outcomes;
  for (int i = 0; i < 20; ++i) outcomes.push_back(f.send());
  f.upstream.reset();
  run_for(f.io, milliseconds(20));
  for (const auto& outcome : outcomes) {
    CHECK(outcome->calls == 1);
    CHECK(outcome->error == UpstreamError::cancelled);
  }
}

TEST_CASE("a connection that is opened anew resumes the session of the last one") {
  Fixture f;
  SUBCASE("TLS 1.3") {}
  SUBCASE("TLS 1.2") { SSL_CTX_set_max_proto_version(f.server.context.native_handle(), TLS1_2_VERSION); }
  const UpstreamCounters& counters = f.upstream->counters();
  for (int i = 0; i < 4; ++i) {
    CHECK_FALSE(f.ask()->error);
    f.server.open.back().lock()->close();
    run_for(f.io, milliseconds(20));
  }
  CHECK(f.server.connections == 4);
  CHECK(counters.tls_handshakes.value() == 1);
  CHECK(counters.tls_resumptions.value() == 3);
}

TEST_CASE("a session whose tickets the server no longer knows is followed by a full handshake") {
  Fixture f;
  CHECK_FALSE(f.ask()->error);
  f.server.open.back().lock()->close();
  run_for(f.io, milliseconds(20));
  std::array<unsigned char, 80> keys{};  // as after a restart
  SSL_CTX_set_tlsext_ticket_keys(f.server.context.native_handle(), keys.data(), keys.size());
  CHECK_FALSE(f.ask()->error);
  CHECK(f.upstream->counters().tls_handshakes.value() == 2);
}

TEST_CASE("an expired certificate is refused by name, and not shaken hands with again at once") {
  Fixture f(-60);
  CHECK(f.ask()->error == UpstreamError::tls_failed);
  CHECK(f.upstream->trouble() == "certificate has expired");
  for (int i = 0; i < 20; ++i) CHECK(f.ask()->error == UpstreamError::tls_failed);
  CHECK(f.server.connections < 3);
}

TEST_CASE("a connection older than max_age is replaced, and its queries are answered") {
  Fixture f;
  f.make("dns.test", true, milliseconds(1000), milliseconds(10000), milliseconds(60));
  Octets held;
  FakeTlsServer::Connection* holder = nullptr;
  f.server.script = [&](FakeTlsServer::Connection& connection, const Octets& query) {
    if (holder) return connection.reply(test::answer_to(query));
    holder = &connection;
    held = query;
  };
  const auto first = f.send();
  CHECK(run_until(f.io, [&] { return holder != nullptr; }));
  run_for(f.io, milliseconds(150));
  CHECK_FALSE(f.ask()->error);
  CHECK(f.server.connections == 2);
  CHECK(first->calls == 0);
  holder->reply(test::answer_to(held));
  CHECK(run_until(f.io, [&] { return first->calls == 1; }));
  CHECK_FALSE(first->error);
  run_for(f.io, milliseconds(200));
  for (const auto& connection : f.server.open) CHECK(connection.expired());
}

TEST_CASE("garbage instead of TLS, and inside of it, ends queries and not the server") {
  Fixture f;
  SUBCASE("instead of a handshake") {
    tcp::acceptor rude(f.io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    std::vector<std::shared_ptr<tcp::socket>> sockets;
    const Octets garbage(4000, 0x5a);
    rude.async_accept([&](const boost::system::error_code& error, tcp::socket socket) {
      if (error) return;
      sockets.push_back(std::make_shared<tcp::socket>(std::move(socket)));
      asio::write(*sockets.back(), asio::buffer(garbage));
    });
    auto context =
        make_tls_client_context({.certificate_file = {}, .key_file = {}, .ca_file = f.certificate.certificate()});
    UpstreamAddress address = f.upstream->address();
    address.port = rude.local_endpoint().port();
    f.upstream = make_upstream(f.io, {.address = address, .max_age = {}, .source_address = {}, .tls = *context});
    CHECK(f.ask()->error == UpstreamError::tls_failed);
    CHECK_FALSE(f.upstream->trouble().empty());
  }
  SUBCASE("instead of messages") {
    f.server.script = [](FakeTlsServer::Connection& connection, const Octets&) {
      boost::system::error_code ignored;
      for (int i = 0; i < 20; ++i) asio::write(connection.stream, asio::buffer(Octets(9000, 0x5a)), ignored);
    };
    CHECK(f.ask()->error == UpstreamError::timed_out);
    f.server.script = [](FakeTlsServer::Connection& connection, const Octets& query) {
      connection.reply(test::answer_to(query));
    };
    run_for(f.io, milliseconds(150));
    CHECK_FALSE(f.ask()->error);
    CHECK(f.server.connections == 2);
  }
  SUBCASE("an octet at a time") {
    auto timer = std::make_shared<asio::steady_timer>(f.io);
    std::function<void(FakeTlsServer::Connection&)> drip = [&](FakeTlsServer::Connection& connection) {
      boost::system::error_code error;
      asio::write(connection.stream, asio::buffer(Octets(1, 0)), error);
      timer->expires_after(milliseconds(20));
      if (!error)
        timer->async_wait([&](const boost::system::error_code& ended) {
          if (!ended) drip(connection);
        });
    };
    f.server.script = [&](FakeTlsServer::Connection& connection, const Octets&) { drip(connection); };
    CHECK(f.ask()->error == UpstreamError::timed_out);
    timer->cancel();
    run_for(f.io, milliseconds(20));
  }
}

TEST_CASE("a server that stops reading takes a bounded amount of queries") {
  Fixture f;
  f.ask();
  f.server.script = [](FakeTlsServer::Connection& connection, const Octets&) {
    // Reads no more: the next read is never asked for.
    connection.stream.next_layer().release();
  };
  std::vector<std::shared_ptr<Outcome>> outcomes;
  for (int round = 0; round < 40; ++round) {
    for (int i = 0; i < 2000; ++i) outcomes.push_back(f.send("a-name-that-fills-the-buffers-sooner.example."));
    f.io.restart();
    f.io.run_for(milliseconds(2));
  }
  std::size_t answered = 0;  // that many at the front: looking at all after each step would take longer than they do
  const auto are_all_answered = [&] {
    while (answered < outcomes.size() && outcomes[answered]->calls == 1) ++answered;
    return answered == outcomes.size();
  };
  CHECK(run_until(f.io, are_all_answered, std::chrono::seconds(30)));
  CHECK(std::ranges::any_of(outcomes, [](const auto& o) { return o->error == UpstreamError::busy; }));
  CHECK(f.upstream->counters().outstanding.value() == 0);
}

TEST_CASE("a forwarder asks tls:// upstreams") {
  Fixture f;
  ForwarderConfig config;
  config.upstreams = {f.upstream->address()};
  config.tls =
      *make_tls_client_context({.certificate_file = {}, .key_file = {}, .ca_file = f.certificate.certificate()});
  Forwarder forwarder(f.io, config);
  const dns::DomainName qname = test::name("www.example.");
  int answers = 0;
  REQUIRE(forwarder.ask({.qname = qname, .qtype = dns::RRType::a},
                        [&](const ForwardResult& result) { answers += result.has_value(); }));
  CHECK(run_until(f.io, [&] { return answers == 1; }));
}

}  // namespace
}  // namespace fairlead::resolver
