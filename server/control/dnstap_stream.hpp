// The octets between dnstap and one receiver: a socket, or TLS over one.
//
// Threads: the one that runs the io_context; a stream outlives what it was asked to do.
// Errors: Boost's error codes; make_server_tls() says which file it could not use.
// Security: TLS 1.2 or newer. Of a receiver that we connect to the chain must end at a CA of the system's and the
//   certificate name the host, unless the Corefile says `skipverify`.
#pragma once

#include <cstddef>
#include <expected>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "server/config/dnstap_options.hpp"
#include "zones/base/asio.hpp"

namespace fairlead::server {

using StreamSocket = asio::generic::stream_protocol::socket;

class DnstapStream {
 public:
  using Done = std::function<void(const boost::system::error_code& error, std::size_t octets)>;

  virtual ~DnstapStream() = default;
  /// `done` is never called before these return. What they are given must live until then.
  virtual void shake_hands(Done done) = 0;
  virtual void write_some(std::string_view octets, Done done) = 0;
  virtual void read_some(std::span<char> buffer, Done done) = 0;
  /// What is under way ends with an error.
  virtual void close() = 0;
};

/// OpenSSL's context; one for all connections of an endpoint.
struct DnstapTls;
std::shared_ptr<DnstapTls> make_client_tls(const std::string& host, bool skip_verify);
std::expected<std::shared_ptr<DnstapTls>, std::string> make_server_tls(const DnstapOptions::ServerTls& files,
                                                                       bool skip_verify);

/// Without `tls` as it is.
std::unique_ptr<DnstapStream> make_dnstap_stream(StreamSocket socket, const std::shared_ptr<DnstapTls>& tls);

}  // namespace fairlead::server
