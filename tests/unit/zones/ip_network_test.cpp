// Networks and sets of them, and the addresses of reverse names.
#include "zones/base/ip_network.hpp"

#include <doctest/doctest.h>

#include "zones/dns/reverse_name.hpp"

namespace fairlead::base {
namespace {

IpAddress address(std::string_view text) { return *IpAddress::parse(text); }
IpNetwork network(std::string_view text) { return *IpNetwork::parse(text); }

TEST_CASE("a network is read with or without a prefix length, and its host bits do not matter") {
  CHECK(network("10.1.2.3/8").first == address("10.0.0.0"));
  CHECK(network("10.1.2.3/8").last() == address("10.255.255.255"));
  CHECK(network("192.0.2.1").last() == address("192.0.2.1"));
  CHECK(network("2001:db8::1/33").last() == address("2001:db8:7fff:ffff:ffff:ffff:ffff:ffff"));
  CHECK(network("0.0.0.0/0").contains(address("255.1.2.3")));
  CHECK_FALSE(network("0.0.0.0/0").contains(address("::1")));
  for (const auto* text : {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/8x", "::/129", "10.0.0/8", "10.0.0.0/-1"}) {
    CAPTURE(text);
    CHECK_FALSE(IpNetwork::parse(text));
  }
}

TEST_CASE("a set contains what one of its networks does, however they overlap") {
  const IpNetworkSet set({network("10.1.0.0/16"), network("10.0.0.0/8"), network("192.0.2.128/25"),
                          network("192.0.2.7"), network("2001:db8::/32"), network("10.1.2.0/24")});
  for (const auto* inside : {"10.0.0.0", "10.200.0.1", "10.255.255.255", "192.0.2.7", "192.0.2.128", "2001:db8::1"}) {
    CAPTURE(inside);
    CHECK(set.contains(address(inside)));
  }
  for (const auto* outside :
       {"9.255.255.255", "11.0.0.0", "192.0.2.6", "192.0.2.8", "192.0.2.127", "::", "2001:db9::"}) {
    CAPTURE(outside);
    CHECK_FALSE(set.contains(address(outside)));
  }
  CHECK_FALSE(IpNetworkSet().contains(address("10.0.0.1")));
}

TEST_CASE("a reverse name stands for one address, and nothing else does") {
  for (const auto* text : {"192.0.2.1", "0.0.0.0", "2001:db8::567:89ab", "::"}) {
    const dns::DomainName name = dns::reverse_name(address(text));
    CAPTURE(name.to_string());
    CHECK(dns::address_of_reverse_name(name) == address(text));
  }
  CHECK(dns::reverse_name(address("192.0.2.1")).to_string() == "1.2.0.192.in-addr.arpa.");
  CHECK(dns::address_of_reverse_name(*dns::DomainName::parse("1.2.0.192.IN-ADDR.arpa")) == address("192.0.2.1"));
  for (const auto* text : {"2.0.192.in-addr.arpa", "9.1.2.0.192.in-addr.arpa", "01.2.0.192.in-addr.arpa",
                           "256.2.0.192.in-addr.arpa", "a.2.0.192.in-addr.arpa", "in-addr.arpa", "ip6.arpa", ".",
                           "1.0.0.2.ip6.arpa", "1.2.0.192.in-addr.arpa.example"}) {
    CAPTURE(text);
    CHECK_FALSE(dns::address_of_reverse_name(*dns::DomainName::parse(text)));
  }
  std::string wide;
  for (int i = 0; i < 32; ++i) wide += "00.";
  CHECK_FALSE(dns::address_of_reverse_name(*dns::DomainName::parse(wide + "ip6.arpa")));
}

}  // namespace
}  // namespace fairlead::base
