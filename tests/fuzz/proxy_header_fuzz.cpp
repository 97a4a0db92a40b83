// Any octets as a PROXY header, in front of a connection and of a datagram.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "server/net/client_text.hpp"
#include "server/net/proxy_header.hpp"

namespace {

using namespace fairlead::server;
using Kind = ProxyHeader::Kind;

void require(bool condition) {
  if (!condition) std::abort();
}

void check(const ProxyHeader& header, std::size_t size) {
  if (header.kind != Kind::whole) return require(header.octets == 0 && !header.client);
  require(header.octets > 0 && header.octets <= size && header.octets <= proxy_header_octets_max);
  if (header.client) require(client_text(*header.client) != "?");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span octets(data, size);
  const ProxyHeader stream = read_stream_header(octets);
  const ProxyHeader datagram = read_datagram_header(octets);
  check(stream, size);
  check(datagram, size);
  require(datagram.kind != Kind::incomplete);
  if (stream.kind == Kind::whole) {
    // What follows does not change it, and no part of it is more than incomplete.
    require(read_stream_header(octets.first(stream.octets)).kind == Kind::whole);
    require(read_stream_header(octets.first(stream.octets - 1)).kind == Kind::incomplete);
  }
  return 0;
}
