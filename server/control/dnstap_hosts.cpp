#include "server/control/dnstap_hosts.hpp"

#include <netdb.h>

#include <mutex>
#include <system_error>
#include <thread>

namespace fairlead::server {
namespace {

using asio::ip::tcp;

struct Shared {
  std::mutex mutex;
  std::optional<FoundEndpoints> found;
};

FoundEndpoints ask_system(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int failure = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned(list, &freeaddrinfo);
  if (failure != 0) return std::unexpected("'" + host + "' is not found: " + gai_strerror(failure));
  std::vector<StreamEndpoint> endpoints;
  for (const addrinfo* one = list; one != nullptr && endpoints.size() < host_candidates_max; one = one->ai_next) {
    if (one->ai_addrlen > StreamEndpoint().capacity()) continue;
    endpoints.emplace_back(one->ai_addr, one->ai_addrlen, IPPROTO_TCP);
  }
  return endpoints;
}

}  // namespace

HostLookup look_up_endpoints(const std::string& host, std::uint16_t port) {
  const auto at_once = [](FoundEndpoints found) {
    return [found = std::move(found)]() -> std::optional<FoundEndpoints> { return found; };
  };
  if (host.empty()) {
    // The first takes IPv4 too; the second is for machines without IPv6.
    return at_once(std::vector<StreamEndpoint>{tcp::endpoint(tcp::v6(), port), tcp::endpoint(tcp::v4(), port)});
  }
  boost::system::error_code no_address;
  const auto address = asio::ip::make_address(host, no_address);
  if (!no_address) return at_once(std::vector<StreamEndpoint>{tcp::endpoint(address, port)});
  auto shared = std::make_shared<Shared>();
  try {
    std::thread([shared, host, port] {
      auto found = ask_system(host, port);
      const std::scoped_lock lock(shared->mutex);
      shared->found = std::move(found);
    }).detach();
  } catch (const std::system_error& error) {
    return at_once(std::unexpected(std::string("no thread to look up '" + host + "' with: ") + error.what()));
  }
  return [shared] {
    const std::scoped_lock lock(shared->mutex);
    return shared->found;
  };
}

}  // namespace fairlead::server
