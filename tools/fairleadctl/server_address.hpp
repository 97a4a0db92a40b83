// An address on the command line, with or without a port.
//
// Threads: values.
// Errors: parse() says how to write one.
#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace fairlead::ctl {

struct ServerAddress {
  std::string host;  // without brackets
  std::string port = "53";

  /// "10.0.0.1", "10.0.0.1:5353", "[::1]:5353", "::1", "dns.example:53".
  static std::expected<ServerAddress, std::string> parse(std::string_view text, std::string_view default_port = "53");
  std::string to_string() const;
};

}  // namespace fairlead::ctl
