#include <doctest/doctest.h>

#include "tools/fairleadctl/server_address.hpp"

using fairlead::ctl::ServerAddress;

TEST_CASE("a server is an address or a name, with or without a port") {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"10.0.0.1", "10.0.0.1:53"},
      {"10.0.0.1:5353", "10.0.0.1:5353"},
      {"::1", "[::1]:53"},
      {"[::1]", "[::1]:53"},
      {"[2001:db8::1]:5353", "[2001:db8::1]:5353"},
      {"dns.example", "dns.example:53"},
      {"dns.example:53", "dns.example:53"},
  };
  for (const auto& [text, written] : cases) {
    CAPTURE(text);
    const auto server = ServerAddress::parse(text);
    REQUIRE(server.has_value());
    CHECK(server->to_string() == written);
  }
}

TEST_CASE("what is no server address says how to write one") {
  for (const std::string_view text : {"", ":53", "10.0.0.1:", "10.0.0.1:0", "10.0.0.1:65536", "10.0.0.1:5x", "[::1",
                                      "[::1]53", "[]:53", "10.0.0.1:-1"}) {
    CAPTURE(text);
    const auto server = ServerAddress::parse(text);
    REQUIRE_FALSE(server.has_value());
    CHECK(server.error().contains("10.0.0.1:53"));
  }
}

TEST_CASE("another service has another port, in the advice too") {
  CHECK(ServerAddress::parse("10.0.0.1", "9153")->to_string() == "10.0.0.1:9153");
  CHECK(ServerAddress::parse("10.0.0.1:80", "9153")->to_string() == "10.0.0.1:80");
  CHECK(ServerAddress::parse("10.0.0.1:x", "9153").error().contains("10.0.0.1:9153"));
}
