#include "tools/fairleadctl/debug_source.hpp"

#include <array>
#include <string_view>

#include "tools/fairleadctl/connection.hpp"

namespace fairlead::ctl {
namespace {

constexpr std::string_view version = "HTTP/1.1 ";

std::span<const std::uint8_t> octets_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string why_not(std::string_view status) {
  const std::string fact = "it answers " + std::string(status);
  if (status.starts_with("404")) {
    return fact + ": it is no Fairlead, or an old one; name the address of its `prometheus` directive with --from";
  }
  if (status.starts_with("403")) {
    return fact +
           ": it shows clients and their questions to its own Pod alone; use `kubectl port-forward`, or run "
           "fairleadctl "
           "in the Pod (see --help)";
  }
  return fact;
}

}  // namespace

std::expected<std::string, std::string> get_debug_page(const ServerAddress& server, const std::string& path,
                                                       std::chrono::milliseconds timeout) {
  const auto fail = [&server](const std::string& reason) {
    return std::unexpected("cannot ask " + server.to_string() + ": " + reason);
  };
  Connection connection(std::chrono::steady_clock::now() + timeout);
  if (auto done = connection.connect(server); !done) {
    return fail(done.error() + "; is this where the server's `prometheus` directive listens? (see --help)");
  }
  const std::string request =
      "GET " + path + " HTTP/1.1\r\nHost: " + server.to_string() + "\r\nConnection: close\r\n\r\n";
  if (auto done = connection.send(octets_of(request)); !done) return fail(done.error());

  std::string response;
  std::array<std::uint8_t, 16384> block;
  while (true) {
    const auto got = connection.receive_some(block);
    if (!got) return fail(got.error());
    if (*got == 0) break;
    response.append(reinterpret_cast<const char*>(block.data()), *got);
    if (response.size() > debug_page_octets_max) return fail("it sends without end");
  }
  const std::size_t line_end = response.find("\r\n");
  const std::size_t body = response.find("\r\n\r\n");
  if (!response.starts_with(version) || line_end == response.npos || body == response.npos) {
    return fail("what listens there does not speak HTTP");
  }
  const std::string_view status = std::string_view(response).substr(version.size(), line_end - version.size());
  if (!status.starts_with("200")) return fail(why_not(status));
  return response.substr(body + 4);
}

}  // namespace fairlead::ctl
