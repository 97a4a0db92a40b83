#include "server/net/proxy_header.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "server/net/client_text.hpp"
#include "server/net/proxy_policy.hpp"
#include "server/net/proxy_sessions.hpp"

namespace fairlead::server {
namespace {

using Kind = ProxyHeader::Kind;
using namespace std::chrono_literals;

std::span<const std::uint8_t> octets_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// "whole 15 192.0.2.1:56324", "whole 15 -", "malformed".
std::string described(const ProxyHeader& header) {
  switch (header.kind) {
    case Kind::absent: return "absent";
    case Kind::incomplete: return "incomplete";
    case Kind::malformed: return "malformed";
    case Kind::whole: break;
  }
  return "whole " + std::to_string(header.octets) + " " + (header.client ? client_text(*header.client) : "-");
}

std::string binary(std::uint8_t command, std::uint8_t family, std::string_view rest) {
  std::string header("\r\n\r\n\0\r\nQUIT\n", 12);
  header += {static_cast<char>(command), static_cast<char>(family), static_cast<char>(rest.size() >> 8),
             static_cast<char>(rest.size())};
  return header + std::string(rest);
}

const std::string v4("\xc0\0\2\1\xc6\x33\x64\1\xdc\4\0\x35", 12);
const std::string v6("\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\xdc\4\0\x35", 36);

struct Row {
  std::string octets;
  std::string stream;
  std::string datagram;
};

TEST_CASE("headers of the PROXY protocol, in front of connections and of datagrams") {
  const std::string tcp4 = "PROXY TCP4 192.0.2.1 198.51.100.1 56324 53\r\n";
  for (const Row& row : {
           Row{tcp4, "whole 44 192.0.2.1:56324", "malformed"},
           {tcp4 + "more", "whole 44 192.0.2.1:56324", "malformed"},
           {"PROXY TCP6 2001:db8::7 2001:db8::1 56324 53\r\n", "whole 45 [2001:db8::7]:56324", "malformed"},
           {"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 53\r\n", "whole 51 192.0.2.1:1", "malformed"},
           {"PROXY UNKNOWN\r\n", "whole 15 -", "malformed"},
           {"PROXY UNKNOWN anything at all\r\n", "whole 31 -", "malformed"},
           {"PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n", "malformed", "malformed"},
           {"PROXY TCP4 192.0.2.1 198.51.100.1 56324 53 1\r\n", "malformed", "malformed"},
           {"PROXY TCP4  192.0.2.1 198.51.100.1 56324 53\r\n", "malformed", "malformed"},
           {"PROXY TCP4 192.0.2.1 198.51.100.1 65536 53\r\n", "malformed", "malformed"},
           {"PROXY TCP4 192.0.2.1 198.51.100.1 -1 53\r\n", "malformed", "malformed"},
           {"PROXY TCP4 2001:db8::7 2001:db8::1 56324 53\r\n", "malformed", "malformed"},
           {"PROXY TCP4 192.0.2.1 198.51.100.1 56324 53\n", "incomplete", "malformed"},
           {"PROXY UDP4 192.0.2.1 198.51.100.1 56324 53\r\n", "malformed", "malformed"},
           {"PROXY " + std::string(200, 'x') + "\r\n", "malformed", "malformed"},
           {"PROXY \r\n", "malformed", "malformed"},
           {binary(0x21, 0x11, v4), "whole 28 192.0.2.1:56324", "malformed"},
           {binary(0x21, 0x12, v4), "malformed", "whole 28 192.0.2.1:56324"},
           {binary(0x21, 0x21, v6) + "more", "whole 52 [2001:db8::7]:56324", "malformed"},
           {binary(0x21, 0x22, v6), "malformed", "whole 52 [2001:db8::7]:56324"},
           // Extensions are passed over; the balancer's own; families that say nothing.
           {binary(0x21, 0x11, v4 + std::string("\x03\0\4abcd", 7)), "whole 35 192.0.2.1:56324", "malformed"},
           {binary(0x20, 0x11, v4), "whole 28 -", "whole 28 -"},
           {binary(0x20, 0x00, ""), "whole 16 -", "whole 16 -"},
           {binary(0x21, 0x00, "tlv"), "whole 19 -", "whole 19 -"},
           {binary(0x21, 0x31, std::string(216, 'u')), "whole 232 -", "whole 232 -"},
           // Too short for its family, another version, an unknown command or family, too long.
           {binary(0x21, 0x11, v4.substr(1)), "malformed", "malformed"},
           {binary(0x21, 0x21, v4), "malformed", "malformed"},
           {binary(0x11, 0x11, v4), "malformed", "malformed"},
           {binary(0x22, 0x11, v4), "malformed", "malformed"},
           {binary(0x21, 0x41, v4), "malformed", "malformed"},
           {binary(0x21, 0x13, v4), "malformed", "malformed"},
           {binary(0x21, 0x11, v4 + std::string(4096, 't')), "malformed", "malformed"},
           {binary(0x21, 0x11, v4).substr(0, 27), "incomplete", "malformed"},
           {binary(0x21, 0x11, v4).substr(0, 15), "incomplete", "malformed"},
           {binary(0x21, 0x11, v4).substr(0, 5), "incomplete", "absent"},
           {"PRO", "incomplete", "absent"},
           {"", "incomplete", "absent"},
           {"PRAXY TCP4", "absent", "absent"},
           {std::string("\0\x1d\0\1\1\0\0\1", 8), "absent", "absent"},
           {"\x16\x03\x01", "absent", "absent"},
       }) {
    CAPTURE(row.octets);
    CHECK(described(read_stream_header(octets_of(row.octets))) == row.stream);
    CHECK(described(read_datagram_header(octets_of(row.octets))) == row.datagram);
  }
}

TEST_CASE("a header that comes octet by octet is incomplete until it is whole") {
  for (const std::string& whole : {std::string("PROXY TCP4 192.0.2.1 198.51.100.1 56324 53\r\n"),
                                   binary(0x21, 0x11, v4), binary(0x21, 0x21, v6)}) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      CHECK(described(read_stream_header(octets_of(whole.substr(0, size)))) == "incomplete");
    }
    CHECK(described(read_stream_header(octets_of(whole))).starts_with("whole"));
  }
}

TEST_CASE("whose header is believed") {
  using Action = ProxyPolicy::Action;
  const auto near = *base::IpAddress::parse("10.0.0.7");
  const auto far = *base::IpAddress::parse("192.0.2.1");
  ProxyPolicy named{.allowed = base::IpNetworkSet({*base::IpNetwork::parse("10.0.0.0/8")}),
                    .otherwise = Action::reject};
  CHECK(named.action_for(near) == Action::use);
  CHECK(named.action_for(far) == Action::reject);
  ProxyPolicy open{.is_open = true, .allowed = {}, .otherwise = Action::use};
  CHECK(open.action_for(far) == Action::use);
}

sockaddr_storage peer(const std::string& port) {
  return *read_stream_header(octets_of("PROXY TCP4 10.0.0.7 10.0.0.1 " + port + " 53\r\n")).client;
}

TEST_CASE("sessions are found until their time is over, and the one used longest ago makes room") {
  ProxySessions sessions;
  const ProxySessions::TimePoint start{};
  for (int port = 1; port <= 3; ++port) {
    sessions.store(peer(std::to_string(port)), peer(std::to_string(1000 + port)), start + 10s, 3);
  }
  REQUIRE(sessions.find(peer("1"), start, start + 20s) != nullptr);
  CHECK(client_text(*sessions.find(peer("1"), start, start + 20s)) == "10.0.0.7:1001");
  CHECK(sessions.find(peer("4"), start, start) == nullptr);
  sessions.store(peer("4"), peer("1004"), start + 10s, 3);
  CHECK(sessions.size() == 3);
  CHECK(sessions.find(peer("2"), start, start + 10s) == nullptr);
  CHECK(sessions.find(peer("3"), start + 10s, start + 20s) == nullptr);
  CHECK(sessions.find(peer("1"), start + 19s, start + 29s) != nullptr);
  CHECK(sessions.size() == 2);
  sessions.store(peer("1"), peer("1007"), start + 30s, 3);
  CHECK(client_text(*sessions.find(peer("1"), start + 29s, start + 39s)) == "10.0.0.7:1007");
}

}  // namespace
}  // namespace fairlead::server
