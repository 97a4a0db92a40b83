#include "server/net/listen_address.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "server/net/limits.hpp"

namespace fairlead::server {
namespace {

struct Target {
  sockaddr_storage address{};
  socklen_t size = 0;
  int family = AF_INET;
};

Target make_target(const ListenAddress& listen, bool ipv6_wildcard) {
  Target target;
  const bool v6 = listen.address ? listen.address->is_v6() : ipv6_wildcard;
  if (v6) {
    target.family = AF_INET6;
    auto& in6 = reinterpret_cast<sockaddr_in6&>(target.address);
    in6.sin6_family = AF_INET6;
    in6.sin6_port = htons(listen.port);
    if (listen.address) std::ranges::copy(listen.address->octets(), in6.sin6_addr.s6_addr);
    target.size = sizeof(in6);
  } else {
    auto& in = reinterpret_cast<sockaddr_in&>(target.address);
    in.sin_family = AF_INET;
    in.sin_port = htons(listen.port);
    if (listen.address) std::memcpy(&in.sin_addr, listen.address->octets().data(), 4);
    target.size = sizeof(in);
  }
  return target;
}

std::unexpected<std::string> describe_failure(const ListenAddress& listen, const char* transport, int error) {
  std::string text = "cannot listen on " + listen.to_string() + " (" + transport + "): " + std::strerror(error);
  if (error == EADDRINUSE) {
    text += "; another process serves this port: stop it, or choose another port with -dns.port or in the Corefile";
  } else if (error == EACCES) {
    text += "; ports below 1024 need NET_BIND_SERVICE or net.ipv4.ip_unprivileged_port_start";
  } else if (error == EADDRNOTAVAIL) {
    text += "; the address of `bind` is not one of this machine's";
  }
  return std::unexpected(std::move(text));
}

std::expected<SocketHandle, int> open_socket(const Target& target, int type, bool share_port, bool is_wildcard) {
  SocketHandle socket(::socket(target.family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket.get() < 0) return std::unexpected(errno);
  const auto set = [&](int level, int option, int value) {
    return setsockopt(socket.get(), level, option, &value, sizeof(value)) == 0;
  };
  if (type == SOCK_STREAM) {
    set(SOL_SOCKET, SO_REUSEADDR, 1);  // connections in TIME_WAIT do not hold the port
    // Connections inherit it. Replies are written as a whole; waiting for more of them would only delay the last.
    set(IPPROTO_TCP, TCP_NODELAY, 1);
    // The client speaks first: the worker wakes up for its query alone, once instead of twice. Who says nothing is a
    // connection when the kernel's second SYN-ACK is acknowledged, a second later.
    set(IPPROTO_TCP, TCP_DEFER_ACCEPT, 1);
  }
  if (share_port && !set(SOL_SOCKET, SO_REUSEPORT, 1)) return std::unexpected(errno);
  if (target.family == AF_INET6) {
    set(IPPROTO_IPV6, IPV6_V6ONLY, is_wildcard ? 0 : 1);
    if (is_wildcard && type == SOCK_DGRAM) set(IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
  } else if (is_wildcard && type == SOCK_DGRAM) {
    set(IPPROTO_IP, IP_PKTINFO, 1);
  }
  if (type == SOCK_DGRAM) {
    set(SOL_SOCKET, SO_RCVBUF, udp_receive_buffer_octets);
    // Replies are at most udp_octets_max; do not let a forged "fragmentation needed" make them smaller.
    set(IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
    if (target.family == AF_INET6) set(IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_OMIT);
  }
  if (bind(socket.get(), reinterpret_cast<const sockaddr*>(&target.address), target.size) != 0) {
    return std::unexpected(errno);
  }
  if (type == SOCK_STREAM && listen(socket.get(), tcp_backlog) != 0) return std::unexpected(errno);
  return socket;
}

std::expected<ListenSockets, std::string> open_family(const ListenAddress& listen, const Target& target,
                                                      std::size_t workers) {
  ListenSockets sockets;
  for (const int type : {SOCK_DGRAM, SOCK_STREAM}) {
    if (type == SOCK_DGRAM && listen.scheme == Scheme::tls) continue;
    const char* const transport = type == SOCK_DGRAM ? "UDP" : "TCP";
    // Without SO_REUSEPORT this fails when anyone has the port, also those who would share it.
    auto alone = open_socket(target, type, false, !listen.address);
    if (!alone) return describe_failure(listen, transport, alone.error());
    *alone = SocketHandle();
    for (std::size_t i = 0; i < workers; ++i) {
      auto socket = open_socket(target, type, true, !listen.address);
      if (!socket) return describe_failure(listen, transport, socket.error());
      (type == SOCK_DGRAM ? sockets.udp : sockets.tcp).push_back(std::move(*socket));
    }
  }
  return sockets;
}

struct InterfaceAddress {
  std::string interface;
  base::IpAddress address;
  bool is_loopback;
  bool is_link_local;
};

std::vector<InterfaceAddress> interface_addresses() {
  std::vector<InterfaceAddress> found;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return found;
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(list, &freeifaddrs);
  for (const ifaddrs* at = list; at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr == nullptr) continue;
    const bool loopback = (at->ifa_flags & IFF_LOOPBACK) != 0;
    if (at->ifa_addr->sa_family == AF_INET) {
      const auto* const in = reinterpret_cast<const sockaddr_in*>(at->ifa_addr);
      const auto* const octets = reinterpret_cast<const std::uint8_t*>(&in->sin_addr);
      found.push_back(
          {at->ifa_name, base::IpAddress::v4(std::span<const std::uint8_t, 4>(octets, 4)), loopback, false});
    } else if (at->ifa_addr->sa_family == AF_INET6) {
      const auto* const in6 = reinterpret_cast<const sockaddr_in6*>(at->ifa_addr);
      found.push_back({at->ifa_name, base::IpAddress::v6(std::span<const std::uint8_t, 16>(in6->sin6_addr.s6_addr, 16)),
                       loopback, IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr) != 0});
    }
  }
  return found;
}

std::expected<std::vector<base::IpAddress>, std::string> resolve_targets(
    const std::vector<BindOptions::Target>& targets) {
  std::vector<base::IpAddress> addresses;
  for (const auto& target : targets) {
    if (target.is_interface) {
      const std::size_t before = addresses.size();
      for (const auto& entry : interface_addresses()) {
        // Link-local addresses need a scope that replies could not keep.
        if (entry.interface == target.text && !entry.is_link_local) addresses.push_back(entry.address);
      }
      if (addresses.size() == before) {
        return std::unexpected("bind: '" + target.text + "' is neither an address nor an interface with one");
      }
    } else {
      const auto address = base::IpAddress::parse(target.text);
      if (!address) return std::unexpected("bind: '" + target.text + "' is not an address that can be bound");
      addresses.push_back(*address);
    }
  }
  return addresses;
}

}  // namespace

std::string ListenAddress::to_string() const {
  const std::string port_text = ":" + std::to_string(port);
  if (!address) return port_text;
  return address->is_v4() ? address->to_string() + port_text : "[" + address->to_string() + "]" + port_text;
}

SocketHandle& SocketHandle::operator=(SocketHandle&& other) noexcept {
  if (this == &other) return *this;
  if (fd_ >= 0) close(fd_);
  fd_ = std::exchange(other.fd_, -1);
  return *this;
}

SocketHandle::~SocketHandle() {
  if (fd_ >= 0) close(fd_);
}

std::expected<ListenSockets, std::string> open_sockets(const ListenAddress& address, std::size_t workers) {
  if (address.address) return open_family(address, make_target(address, false), workers);
  auto dual_stack = open_family(address, make_target(address, true), workers);
  // Kernels without IPv6 have no dual-stack sockets.
  if (dual_stack || SocketHandle(::socket(AF_INET6, SOCK_DGRAM, 0)).get() >= 0) return dual_stack;
  return open_family(address, make_target(address, false), workers);
}

std::expected<std::vector<std::optional<base::IpAddress>>, std::string> resolve_bind(
    const std::vector<BindOptions>& bind) {
  std::vector<std::optional<base::IpAddress>> addresses;
  if (bind.empty()) return std::vector<std::optional<base::IpAddress>>{std::nullopt};
  for (const auto& options : bind) {
    const auto wanted = resolve_targets(options.targets);
    if (!wanted) return std::unexpected(wanted.error());
    const auto except = resolve_targets(options.except);
    if (!except) return std::unexpected(except.error());
    for (const auto& address : *wanted) {
      if (std::ranges::find(*except, address) != except->end()) continue;
      if (std::ranges::find(addresses, std::optional(address)) == addresses.end()) addresses.emplace_back(address);
    }
  }
  return addresses;
}

std::vector<base::IpAddress> local_addresses() {
  std::vector<base::IpAddress> addresses;
  for (const auto& entry : interface_addresses()) {
    if (!entry.is_loopback && !entry.is_link_local) addresses.push_back(entry.address);
  }
  return addresses;
}

}  // namespace fairlead::server
