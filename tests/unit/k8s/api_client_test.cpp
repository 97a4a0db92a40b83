#include "k8s/api_client.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "unit/k8s/gzip.hpp"
#include "unit/k8s/scripted_server.hpp"
#include "unit/k8s/temporary_directory.hpp"

using namespace fairlead::k8s;
using namespace fairlead::k8s::testing;
using namespace std::chrono_literals;

namespace {

std::unique_ptr<ApiClient> client_of(ApiAccess access) {
  auto client = ApiClient::create(std::move(access));
  REQUIRE_MESSAGE(client, client.error());
  return std::move(*client);
}

std::unique_ptr<ApiClient> client_of(const std::string& url) {
  ApiAccess access;
  access.url = parse_api_url(url).value();
  return client_of(std::move(access));
}

ApiRequest request_of(std::string target) {
  ApiRequest request;
  request.target = std::move(target);
  request.answer_timeout = 30s;
  request.idle_timeout = 30s;
  return request;
}

struct StoppingSink final : BodySink {
  bool take(std::string_view) noexcept override { return false; }
};

}  // namespace

TEST_CASE("a whole answer arrives, with our headers on the way there") {
  ScriptedServer::Request seen;
  ScriptedServer server([&](const auto& request, auto& reply) {
    seen = request;
    reply.respond(200, "hello");
  });
  const auto client = client_of(server.url());
  TextSink sink(100);
  const ApiResult result = client->get(request_of("/api/v1/x?limit=5&continue=a%2Fb%3D"), sink);
  CHECK(result.is_ok());
  CHECK(result.message.empty());
  CHECK(sink.text() == "hello");
  CHECK(seen.target == "/api/v1/x?limit=5&continue=a%2Fb%3D");
  CHECK(seen.headers["accept"] == "application/json");
  CHECK(seen.headers["user-agent"].starts_with("fairlead/"));
  CHECK(seen.headers.count("authorization") == 0);
  CHECK(seen.headers.count("accept-encoding") == 0);
}

TEST_CASE("requests go below the path of the URL") {
  std::string target;
  ScriptedServer server([&](const auto& request, auto& reply) {
    target = request.target;
    reply.respond(200, "{}");
  });
  const auto client = client_of(server.url() + "/k8s/clusters/c-1/");
  TextSink sink(10);
  CHECK(client->get(request_of("/api/v1/services?limit=1"), sink).is_ok());
  CHECK(target == "/k8s/clusters/c-1/api/v1/services?limit=1");
}

TEST_CASE("a chunked body is handed over as it arrives, not at its end") {
  std::atomic<bool> first_seen = false;
  ScriptedServer server([&](const auto&, auto& reply) {
    reply.begin();
    reply.chunk("one\n");
    reply.hold([&] { return first_seen.load(); });  // goes on only once the client has the first chunk
    reply.chunk("two\n");
    reply.end();
  });
  struct Sink final : BodySink {
    explicit Sink(std::atomic<bool>& seen) : seen_(seen) {}
    bool take(std::string_view piece) noexcept override {
      text += piece;
      seen_ = true;
      return true;
    }
    std::atomic<bool>& seen_;
    std::string text;
  } sink(first_seen);
  CHECK(client_of(server.url())->get(request_of("/"), sink).is_ok());
  CHECK(sink.text == "one\ntwo\n");
}

TEST_CASE("requests are counted by code as soon as their header is here, and timed unless they are watches") {
  ScriptedServer server([](const auto& request, auto& reply) {
    if (request.target == "/gone") {
      reply.respond(410, "{}");
    } else if (request.target == "/reset") {
      reply.reset();
    } else {
      reply.begin();
      reply.chunk("x");
      reply.hold([] { return false; });
    }
  });
  const auto client = client_of(server.url());
  TextSink sink(100);
  client->get(request_of("/gone"), sink);
  client->get(request_of("/reset"), sink);
  ApiRequest watch = request_of("/watch");
  watch.is_watch = true;
  std::stop_source stop;
  std::atomic<bool> has_begun{false};
  struct Sink final : BodySink {
    explicit Sink(std::atomic<bool>& begun) : begun_(begun) {}
    bool take(std::string_view) noexcept override { return begun_ = true; }
    std::atomic<bool>& begun_;
  } watching(has_begun);
  std::jthread thread([&] { client->get(watch, watching, stop.get_token()); });
  while (!has_begun) std::this_thread::sleep_for(1ms);
  const ApiCounters counters = client->counters();
  CHECK(counters.host == server.url().substr(7));
  CHECK(counters.requests == std::map<std::string, std::uint64_t>{{"200", 1}, {"410", 1}, {"<error>", 1}});
  stop.request_stop();
  thread.join();
  std::uint64_t timed = 0;
  for (const std::uint64_t count : client->counters().duration.counts) timed += count;
  CHECK(timed == 2);
}

TEST_CASE("no more requests than apiserver_max_inflight wait for a header; open watches do not count") {
  std::atomic<int> waiting{0}, most{0};
  std::atomic<bool> go{false};
  ScriptedServer server([&](const auto& request, auto& reply) {
    if (request.has("watch")) {
      reply.begin();
      reply.hold();
      return;
    }
    most = std::max(most.load(), ++waiting);
    reply.hold([&] { return go.load(); });
    --waiting;
    reply.respond(200, "x");
  });
  ApiAccess access;
  access.url = parse_api_url(server.url()).value();
  const auto client = ApiClient::create(access, {.max_inflight = 2}).value();
  std::stop_source stop;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      TextSink sink(10);
      client->get(request_of("/watch"), sink, stop.get_token());
    });
  }
  while (client->counters().requests["200"] < 2) std::this_thread::sleep_for(1ms);
  std::atomic<int> good{0};
  for (int i = 0; i < 5; ++i) {
    threads.emplace_back([&] {
      TextSink sink(10);
      if (client->get(request_of("/list"), sink).is_ok()) ++good;
    });
  }
  while (waiting < 2) std::this_thread::sleep_for(1ms);
  std::this_thread::sleep_for(50ms);
  go = true;
  while (good < 5) std::this_thread::sleep_for(1ms);
  stop.request_stop();
  threads.clear();
  CHECK(most == 2);
}

TEST_CASE("a gzip body is unpacked on the way, whatever its chunks") {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += "{\"item\":" + std::to_string(i * 7919) + "},";
  const std::string packed = gzip(text);
  std::string asked;
  for (const std::size_t size : {std::size_t{1000}, std::size_t{3}, packed.size()}) {
    CAPTURE(size);
    ScriptedServer server([&](const auto& request, auto& reply) {
      asked = request.headers.at("accept-encoding");
      reply.begin(200, "Content-Encoding: gzip\r\n");
      const std::string_view all = packed;
      const std::size_t used = size == 3 ? std::min<std::size_t>(all.size(), 3000) : all.size();
      for (std::size_t at = 0; at < used; at += size) reply.chunk(all.substr(at, std::min(size, used - at)));
      if (used < all.size()) reply.chunk(all.substr(used));
      reply.end();
    });
    ApiRequest request = request_of("/");
    request.compressed = true;
    TextSink sink(text.size() + 1);
    const ApiResult result = client_of(server.url())->get(request, sink);
    CHECK_MESSAGE(result.is_ok(), result.message);
    CHECK((sink.text() == text));
    CHECK(asked.find("gzip") != std::string::npos);
  }
}

TEST_CASE("a gzip body that is cut short or broken is no success") {
  const std::string packed = gzip(std::string(100'000, 'x'));
  for (const bool broken : {false, true}) {
    ScriptedServer server([&](const auto&, auto& reply) {
      reply.respond(200, broken ? "not gzip at all" : packed.substr(0, packed.size() - 20),
                    "Content-Encoding: gzip\r\n");
    });
    TextSink sink(1'000'000);
    CHECK(client_of(server.url())->get(request_of("/"), sink).phase == ApiResult::Phase::body);
  }
}

TEST_CASE("an error answer never reaches the sink, and its Status says why") {
  ScriptedServer server([&](const auto&, auto& reply) {
    reply.respond(
        429,
        R"({"kind":"Status","message":"too many requests","reason":"TooManyRequests","code":429,"details":{"retryAfterSeconds":9}})",
        "Retry-After: 7\r\n");
  });
  TextSink sink(1000);
  const ApiResult result = client_of(server.url())->get(request_of("/"), sink);
  CHECK(result.phase == ApiResult::Phase::complete);
  CHECK_FALSE(result.is_ok());
  CHECK(result.http_status == 429);
  CHECK(result.retry_after == 7s);
  CHECK(result.status.reason == "TooManyRequests");
  CHECK(result.message == "HTTP 429: too many requests");
  CHECK(sink.text().empty());
}

TEST_CASE("an error of a proxy is shown as it stands, cut and printable") {
  ScriptedServer server([&](const auto&, auto& reply) { reply.respond(502, "<html>\n" + std::string(100'000, 'x')); });
  TextSink sink(1000);
  const ApiResult result = client_of(server.url())->get(request_of("/"), sink);
  CHECK(result.http_status == 502);
  CHECK(result.message.starts_with("HTTP 502: <html> xxx"));
  CHECK(result.message.size() < 300);
}

TEST_CASE("redirects are not followed") {
  std::atomic<int> requests = 0;
  ScriptedServer server([&](const auto&, auto& reply) {
    ++requests;
    reply.respond(302, "", "Location: /elsewhere\r\n");
  });
  TextSink sink(10);
  CHECK(client_of(server.url())->get(request_of("/"), sink).http_status == 302);
  CHECK(requests == 1);
}

TEST_CASE("where a request ended is told by its phase") {
  TextSink sink(1000);
  SUBCASE("nobody listens") {
    std::string url;
    {
      const ScriptedServer server([](const auto&, auto&) {});
      url = server.url();
    }
    const ApiResult result = client_of(url)->get(request_of("/"), sink);
    CHECK(result.phase == ApiResult::Phase::request);
    CHECK(result.http_status == 0);
    CHECK_FALSE(result.message.empty());
  }
  SUBCASE("closed without an answer") {
    ScriptedServer server([](const auto&, auto& reply) { reply.drop(); });
    CHECK(client_of(server.url())->get(request_of("/"), sink).phase == ApiResult::Phase::request);
  }
  SUBCASE("no HTTP") {
    ScriptedServer server([](const auto&, auto& reply) {
      reply.raw("SSH-2.0-nothing to see\r\n\r\n");
      reply.drop();
    });
    CHECK(client_of(server.url())->get(request_of("/"), sink).phase == ApiResult::Phase::request);
  }
  SUBCASE("cut in the midst of the body") {
    ScriptedServer server([](const auto&, auto& reply) {
      reply.begin();
      reply.chunk("{\"items\":[");
      reply.drop();
    });
    const ApiResult result = client_of(server.url())->get(request_of("/"), sink);
    CHECK(result.phase == ApiResult::Phase::body);
    CHECK(result.http_status == 200);
    CHECK(sink.text() == "{\"items\":[");
  }
  SUBCASE("reset in the midst of a body with a length") {
    ScriptedServer server([](const auto&, auto& reply) {
      reply.raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
      reply.reset();
    });
    CHECK(client_of(server.url())->get(request_of("/"), sink).phase == ApiResult::Phase::body);
  }
  SUBCASE("garbage instead of a chunk") {
    ScriptedServer server([](const auto&, auto& reply) {
      reply.begin();
      reply.raw("zebra\r\n");
      reply.drop();
    });
    CHECK(client_of(server.url())->get(request_of("/"), sink).phase == ApiResult::Phase::body);
  }
  SUBCASE("the sink has enough") {
    ScriptedServer server([](const auto&, auto& reply) {
      reply.begin();
      reply.chunk("enough");
      reply.hold();
    });
    StoppingSink stopping;
    CHECK(client_of(server.url())->get(request_of("/"), stopping).phase == ApiResult::Phase::stopped);
  }
  SUBCASE("silence before the header") {
    ScriptedServer server([](const auto&, auto& reply) { reply.hold(); });
    ApiRequest request = request_of("/");
    request.answer_timeout = 100ms;
    const ApiResult result = client_of(server.url())->get(request, sink);
    CHECK(result.phase == ApiResult::Phase::timed_out);
    CHECK(result.http_status == 0);
  }
  SUBCASE("silence in the body") {
    ScriptedServer server([](const auto&, auto& reply) {
      reply.begin();
      reply.chunk("x");
      reply.hold();
    });
    ApiRequest request = request_of("/");
    request.idle_timeout = 100ms;
    const ApiResult result = client_of(server.url())->get(request, sink);
    CHECK(result.phase == ApiResult::Phase::timed_out);
    CHECK(result.http_status == 200);
  }
  SUBCASE("a body without end") {
    ScriptedServer server([](const auto&, auto& reply) {
      reply.begin();
      while (reply.is_open()) {
        reply.chunk("x");
        std::this_thread::sleep_for(1ms);
      }
    });
    TextSink all(1'000'000);
    ApiRequest request = request_of("/");
    request.total_timeout = 200ms;
    CHECK(client_of(server.url())->get(request, all).phase == ApiResult::Phase::timed_out);
  }
}

TEST_CASE("a stop token ends a request at once, before, while connecting and within the body") {
  TextSink sink(1000);
  std::stop_source early;
  early.request_stop();
  ScriptedServer server([](const auto&, auto& reply) {
    reply.begin();
    reply.chunk("x");
    reply.hold();
  });
  const auto client = client_of(server.url());
  CHECK(client->get(request_of("/"), sink, early.get_token()).phase == ApiResult::Phase::cancelled);
  CHECK(sink.text().empty());
  for (int i = 0; i < 20; ++i) {
    std::stop_source source;
    std::thread stopper([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(i));
      source.request_stop();
    });
    const auto start = std::chrono::steady_clock::now();
    CHECK(client->get(request_of("/"), sink, source.get_token()).phase == ApiResult::Phase::cancelled);
    CHECK(std::chrono::steady_clock::now() - start < 2s);
    stopper.join();
  }
}

TEST_CASE("a connection that the server closed while it was idle is replaced without a failure") {
  std::atomic<int> requests = 0;
  ScriptedServer server([&](const auto&, auto& reply) {
    ++requests;
    reply.respond(200, "{}");
    reply.drop();
  });
  const auto client = client_of(server.url());
  for (int i = 0; i < 5; ++i) {
    TextSink sink(10);
    CHECK(client->get(request_of("/"), sink).is_ok());
    std::this_thread::sleep_for(5ms);
  }
  CHECK(requests == 5);
}

TEST_CASE("the token is read for every request, and the last good one is kept when the file fails") {
  const TemporaryDirectory directory;
  std::string seen;
  ScriptedServer server([&](const auto& request, auto& reply) {
    const auto found = request.headers.find("authorization");
    seen = found == request.headers.end() ? "" : found->second;
    reply.respond(200, "{}");
  });
  ApiAccess access;
  access.url = parse_api_url(server.url()).value();
  access.token_file = directory.write("token", "first\n");
  const auto client = client_of(access);
  const auto ask = [&] {
    TextSink sink(10);
    CHECK(client->get(request_of("/"), sink).is_ok());
    return seen;
  };
  CHECK(ask() == "Bearer first");
  directory.write("token", "second");
  CHECK(ask() == "Bearer second");
  directory.write("token", "");
  CHECK(ask() == "Bearer second");
  directory.write("token", "evil\r\nX-Header: 1");
  CHECK(ask() == "Bearer second");
}

TEST_CASE("a server is trusted by the cluster's CA alone, by address or name") {
  const TestCertificate authority = make_authority("cluster"), stranger = make_authority("stranger");
  const auto answer = [](const auto&, auto& reply) { reply.respond(200, "{}"); };
  const auto ask = [](const ScriptedServer& server, const std::string& ca, const std::string& name = "") {
    ApiAccess access;
    access.url = parse_api_url(server.url()).value();
    access.ca.text = ca;
    access.tls_server_name = name;
    TextSink sink(10);
    return client_of(access)->get(request_of("/"), sink);
  };
  const ScriptedServer v4(answer, {.certificate = make_certificate(authority, "api", "IP:127.0.0.1"), .client_ca = {}});
  const ScriptedServer named(answer,
                             {.certificate = make_certificate(authority, "api", "DNS:api.test"), .client_ca = {}});
  CHECK_MESSAGE(ask(v4, authority.certificate).is_ok(), ask(v4, authority.certificate).message);
  CHECK(ask(v4, stranger.certificate + authority.certificate).is_ok());  // a bundle
  const ApiResult refused = ask(v4, stranger.certificate);
  CHECK(refused.phase == ApiResult::Phase::request);
  CHECK_MESSAGE(refused.message.find("certificate") != std::string::npos, refused.message);
  CHECK(ask(v4, "").phase == ApiResult::Phase::request);  // the system's CAs do not know it
  CHECK(ask(named, authority.certificate).phase == ApiResult::Phase::request);
  CHECK(ask(named, authority.certificate, "api.test").is_ok());
  const ApiResult misnamed = ask(named, authority.certificate, "other.test");
  CHECK_MESSAGE(misnamed.message.find("another name") != std::string::npos, misnamed.message);
}

TEST_CASE("an IPv6 address works as host, with and without TLS") {
  const auto answer = [](const auto&, auto& reply) { reply.respond(200, "{}"); };
  const TestCertificate authority = make_authority("cluster");
  TextSink sink(100);
  const ScriptedServer plain(answer, {.ipv6 = true, .certificate = {}, .client_ca = {}});
  const ApiResult result = client_of(plain.url())->get(request_of("/api"), sink);
  CHECK_MESSAGE(result.is_ok(), result.message);
  const ScriptedServer secure(
      answer, {.ipv6 = true, .certificate = make_certificate(authority, "api", "IP:::1"), .client_ca = {}});
  ApiAccess access;
  access.url = parse_api_url(secure.url()).value();
  access.ca.text = authority.certificate;
  const ApiResult over_tls = client_of(access)->get(request_of("/api"), sink);
  CHECK_MESSAGE(over_tls.is_ok(), over_tls.message);
}

TEST_CASE("a rotated CA and client certificate are used by the next connection") {
  const TemporaryDirectory directory;
  const TestCertificate old_authority = make_authority("old"), new_authority = make_authority("new");
  const auto start = [](const TestCertificate& authority, int port) {
    return std::make_unique<ScriptedServer>(
        [](const auto&, auto& reply) {
          reply.respond(200, "{}");
          reply.drop();
        },
        ScriptedServer::Options{.port = port,
                                .certificate = make_certificate(authority, "api", "IP:127.0.0.1"),
                                .client_ca = authority.certificate});
  };
  const auto write = [&](const TestCertificate& authority) {
    const TestCertificate client = make_certificate(authority, "fairlead", "");
    directory.write("ca.crt", authority.certificate);
    directory.write("client.crt", client.certificate);
    directory.write("client.key", client.key);
  };
  auto server = start(old_authority, 0);
  write(old_authority);
  const auto access = endpoint_access(server->url(), directory.file("client.crt"), directory.file("client.key"),
                                      directory.file("ca.crt"));
  REQUIRE(access);
  const auto client = client_of(*access);
  TextSink sink(1000);
  const ApiResult first = client->get(request_of("/"), sink);
  CHECK_MESSAGE(first.is_ok(), first.message);
  const int port = server->port();
  server.reset();
  server = start(new_authority, port);
  CHECK_FALSE(client->get(request_of("/"), sink).is_ok());
  write(new_authority);
  const ApiResult second = client->get(request_of("/"), sink);
  CHECK_MESSAGE(second.is_ok(), second.message);
  directory.write("client.key", "-----BEGIN nonsense-----");
  CHECK(client->get(request_of("/"), sink).message.find("client.key: holds no usable key") != std::string::npos);
}

TEST_CASE("unusable certificates are reported when the client is made") {
  ApiAccess access;
  access.url = parse_api_url("https://127.0.0.1:1").value();
  access.ca.text = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  const auto client = ApiClient::create(access);
  REQUIRE_FALSE(client);
  CHECK(client.error().find("holds no usable CA certificate") != std::string::npos);
}
