#include "tools/fairleadctl/server_address.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace fairlead::ctl {

std::expected<ServerAddress, std::string> ServerAddress::parse(std::string_view text, std::string_view default_port) {
  const auto fault = [text, port = std::string(default_port)] {
    return std::unexpected("'" + std::string(text) + "' is no server address; write 10.0.0.1, 10.0.0.1:" + port +
                           " or [::1]:" + port);
  };
  ServerAddress server;
  server.port = default_port;
  std::string_view port;
  bool has_port = false;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return fault();
    server.host = text.substr(1, end - 1);
    std::string_view rest = text.substr(end + 1);
    has_port = !rest.empty();
    if (has_port && !rest.starts_with(':')) return fault();
    if (has_port) port = rest.substr(1);
  } else if (std::ranges::count(text, ':') == 1) {
    server.host = text.substr(0, text.find(':'));
    port = text.substr(text.find(':') + 1);
    has_port = true;
  } else {
    server.host = text;
  }
  if (server.host.empty()) return fault();
  if (has_port) {
    std::uint16_t number = 0;
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
    if (error != std::errc() || end != port.data() + port.size() || number == 0) return fault();
    server.port = std::to_string(number);
  }
  return server;
}

std::string ServerAddress::to_string() const { return (host.contains(':') ? '[' + host + ']' : host) + ':' + port; }

}  // namespace fairlead::ctl
