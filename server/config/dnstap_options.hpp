// The typed options of `dnstap`. As directive_options.hpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "server/config/fault.hpp"
#include "server/config/log_format.hpp"

namespace fairlead::server {

/// `dnstap [listen] ENDPOINT [full] [WRITEBUFFER] [QUEUE] { ... }`; a block may have several, and each gets everything.
struct DnstapOptions {
  enum class Transport : std::uint8_t { unix_socket, tcp, tls };
  /// Of a tls:// listener. Without a CA receivers need no certificate.
  struct ServerTls {
    std::string certificate_file;
    std::string key_file;
    std::string ca_file;
  };
  SourceLine at;
  bool listens = false;  // receivers connect to us
  Transport transport = Transport::unix_socket;
  std::string path;  // of a Unix socket
  std::string host;  // else: a name or an address; empty when it listens on all of them
  std::uint16_t port = 0;
  bool full = false;                         // the messages themselves
  std::uint32_t write_buffer_mib = 1;        // what the kernel is asked to hold
  std::uint32_t queue = 1;                   // times 10,000 messages
  std::optional<std::string> identity = {};  // nothing: the host's name
  std::optional<std::string> version = {};   // nothing: ours
  std::optional<LogFormat> extra = {};
  bool skip_verify = false;
  std::optional<ServerTls> tls = {};

  /// "tcp://127.0.0.1:6000", "unix:///run/dnstap.sock".
  std::string endpoint() const;
};

}  // namespace fairlead::server
