#include "zones/dns/rr_type.hpp"

#include <doctest/doctest.h>

#include "zones/dns/rcode.hpp"

using namespace fairlead::dns;

TEST_CASE("every type value prints and parses back (RFC 3597 §5)") {
  for (unsigned value = 0; value <= 65535; ++value) {
    const auto type = static_cast<RRType>(value);
    REQUIRE(parse_rr_type(to_string(type)) == type);
  }
}

TEST_CASE("type names are read without regard to case, and nothing but case") {
  CHECK(parse_rr_type("aaaa") == RRType::aaaa);
  CHECK(parse_rr_type("Type65280") == static_cast<RRType>(65280));
  for (const std::string_view text : {"", "AAAAA", "TYPE", "TYPE65536", "TYPE-1", "TYPE1x", "NSEC\x13", " A"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_rr_type(text).has_value());
  }
}

TEST_CASE("classes have their IANA names, unknown ones a number (RFC 3597 §5)") {
  CHECK(to_string(RRClass::in) == "IN");
  CHECK(to_string(RRClass::none) == "NONE");
  CHECK(to_string(static_cast<RRClass>(1232)) == "CLASS1232");
}

TEST_CASE("response codes have their IANA names, unknown ones a number") {
  CHECK(to_string(Rcode::nxdomain) == "NXDOMAIN");
  CHECK(to_string(Rcode::badvers) == "BADVERS");
  CHECK(to_string(static_cast<Rcode>(11)) == "RCODE11");
}
