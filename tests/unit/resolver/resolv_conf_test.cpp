#include "resolver/resolv_conf.hpp"

#include <doctest/doctest.h>

namespace fairlead::resolver {
namespace {

TEST_CASE("nameserver lines become upstreams, in order and once each") {
  const auto upstreams = parse_resolv_conf(
      "# a comment\n; another\nsearch example.com\n nameserver\t10.0.0.10 \r\nnameserver 2001:db8::1 # trailing\n"
      "nameserver 10.0.0.10\noptions ndots:5\nnameserverx 1.2.3.4\nnameserver");
  REQUIRE(upstreams);
  REQUIRE(upstreams->size() == 2);
  CHECK(upstreams->at(0).to_string() == "10.0.0.10:53");
  CHECK(upstreams->at(1).to_string() == "[2001:db8::1]:53");
}

TEST_CASE("a resolv.conf without nameserver, with a host name or with too many is an error that says so") {
  CHECK(parse_resolv_conf("search example.com\n").error() == "no nameserver line");
  CHECK(parse_resolv_conf("nameserver dns.example\n").error() == "nameserver \"dns.example\" is not an IP address");
  std::string many;
  for (int i = 0; i < 16; ++i) many += "nameserver 10.0.0." + std::to_string(i) + "\n";
  CHECK(parse_resolv_conf(many).error() == "more than 15 nameservers");
  CHECK(read_resolv_conf("/nonexistent/resolv.conf").error() == "cannot read /nonexistent/resolv.conf");
}

}  // namespace
}  // namespace fairlead::resolver
