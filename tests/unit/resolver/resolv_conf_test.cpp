#include "resolver/resolv_conf.hpp"

#include <doctest/doctest.h>

namespace fairlead::resolver {
namespace {

TEST_CASE("nameserver lines become upstreams, in order and once each") {
  const auto found = parse_resolv_conf(
      "# a comment\n; another\nsearch example.com\n nameserver\t10.0.0.10 \r\nnameserver 2001:db8::1 # trailing\n"
      "nameserver 10.0.0.10\noptions ndots:5\nnameserverx 1.2.3.4\nnameserver");
  REQUIRE(found);
  REQUIRE(found->upstreams.size() == 2);
  CHECK(found->upstreams[0].to_string() == "10.0.0.10:53");
  CHECK(found->upstreams[1].to_string() == "[2001:db8::1]:53");
  CHECK(found->left_out.empty());
}

TEST_CASE("a line that cannot be used is left out and told, and the others serve") {
  const auto found = parse_resolv_conf("nameserver fe80::1%eth0\nnameserver 10.0.0.10\nnameserver dns.example\n");
  REQUIRE(found);
  REQUIRE(found->upstreams.size() == 1);
  CHECK(found->upstreams[0].to_string() == "10.0.0.10:53");
  CHECK(found->left_out == std::vector<std::string>{"nameserver \"fe80::1%eth0\" is not an IP address",
                                                    "nameserver \"dns.example\" is not an IP address"});
  std::string many;
  for (int i = 0; i < 20; ++i) many += "nameserver 10.0.0." + std::to_string(i) + "\n";
  const auto first = parse_resolv_conf(many);
  REQUIRE(first);
  CHECK(first->upstreams.size() == 15);
  CHECK(first->left_out == std::vector<std::string>{"more than 15 nameservers"});
}

TEST_CASE("a resolv.conf without a nameserver that can be asked is an error that says so") {
  CHECK(parse_resolv_conf("search example.com\n").error() == "no nameserver line");
  CHECK(parse_resolv_conf("nameserver dns.example\n").error() == "nameserver \"dns.example\" is not an IP address");
  CHECK(read_resolv_conf("/nonexistent/resolv.conf").error() == "cannot read /nonexistent/resolv.conf");
  CHECK(read_resolv_conf("/dev/zero").error() == "cannot read /dev/zero");  // as a pipe: no file to wait for
}

TEST_CASE("the last search or domain line is the search list") {
  const auto list = [](std::string_view text) {
    std::string joined;
    for (const auto& name : parse_search_list(text)) joined += name.to_string() + " ";
    return joined;
  };
  CHECK(list("nameserver 10.0.0.10\nsearch Default.svc.cluster.local svc.cluster.local\tcluster.local.\n") ==
        "default.svc.cluster.local. svc.cluster.local. cluster.local. ");
  CHECK(list("search a.example b.example\nsearch c.example # d.example") == "c.example. ");
  CHECK(list("search a.example\ndomain d.example e.example\r\n") == "d.example. ");
  CHECK(list("domain d.example\n  search a.example a..example b.example") == "a.example. b.example. ");
  CHECK(list("# search a.example\n;search a.example\nsearcher a.example\n").empty());
  std::string many = "search";
  for (int i = 0; i < 40; ++i) many += " n" + std::to_string(i) + ".example";
  CHECK(parse_search_list(many).size() == search_list_max);
}

}  // namespace
}  // namespace fairlead::resolver
