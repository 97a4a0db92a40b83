#include "zones/base/ip_address.hpp"

#include <doctest/doctest.h>

#include <set>

using fairlead::base::IpAddress;

TEST_CASE("an address is written in its shortest form (RFC 5952)") {
  const std::pair<const char*, const char*> cases[] = {
      {"10.0.0.1", "10.0.0.1"},
      {"255.255.255.255", "255.255.255.255"},
      {"::", "::"},
      {"::1", "::1"},
      {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
      {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},  // one group of zeros is not shortened
      {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},           // the longest run is
      {"::ffff:192.0.2.1", "::ffff:192.0.2.1"},
  };
  for (const auto& [text, shortest] : cases) {
    CAPTURE(text);
    const auto address = IpAddress::parse(text);
    REQUIRE(address.has_value());
    CHECK(address->to_string() == shortest);
    CHECK(address->is_v6() == std::string_view(text).contains(':'));
    CHECK(address->octets().size() == (address->is_v4() ? 4 : 16));
  }
}

TEST_CASE("what is no address is not taken for one") {
  const std::string_view cases[] = {"",
                                    "10.0.0",
                                    "10.0.0.256",
                                    "10.0.0.1.",
                                    ".10.0.0.1",
                                    "10..0.1",
                                    "10.0.0.1.2",
                                    "10.0.0.1000",
                                    "10.0.0.00",
                                    "10.0.0.-1",
                                    "10.0.0.\xb1",
                                    "010.0.0.1",
                                    " 10.0.0.1",
                                    "10.0.0.1 ",
                                    "0x0a.0.0.1",
                                    "1:2:3:4:5:6:7",
                                    "::1::",
                                    "fe80::1%eth0",
                                    "12345::",
                                    "[::1]",
                                    "10.0.0.1:53",
                                    std::string_view("10.0.0.1\0x", 10),
                                    "0000:0000:0000:0000:0000:ffff:255.255.255.255.255",
                                    "None"};
  for (const auto text : cases) {
    CAPTURE(text);
    CHECK_FALSE(IpAddress::parse(text).has_value());
  }
}

TEST_CASE("families never compare equal, and equal addresses hash alike") {
  const auto zero4 = *IpAddress::parse("0.0.0.0");
  const auto zero6 = *IpAddress::parse("::");
  CHECK(zero4 != zero6);
  CHECK(*IpAddress::parse("::ffff:10.0.0.1") != *IpAddress::parse("10.0.0.1"));
  const std::set<IpAddress> sorted{*IpAddress::parse("10.0.0.2"), *IpAddress::parse("10.0.0.10"), zero4, zero4};
  CHECK(sorted.size() == 3);
  CHECK(*sorted.rbegin() == *IpAddress::parse("10.0.0.10"));
  CHECK(std::hash<IpAddress>{}(*IpAddress::parse("2001:db8::1")) ==
        std::hash<IpAddress>{}(*IpAddress::parse("2001:DB8:0::1")));
}
