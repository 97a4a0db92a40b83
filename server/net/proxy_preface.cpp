#include "server/net/proxy_preface.hpp"

#include <array>
#include <cerrno>

#include "server/net/client_text.hpp"
#include "server/net/proxy_header.hpp"

namespace fairlead::server {
namespace {

using Action = ProxyPolicy::Action;

// The socket is readable with so many octets, or at its end.
void wake_with(int socket, std::size_t octets) {
  const int low_mark = static_cast<int>(octets);
  setsockopt(socket, SOL_SOCKET, SO_RCVLOWAT, &low_mark, sizeof(low_mark));
}

ProxyPreface::Step refuse(SharedCounter* counter) {
  if (counter != nullptr) counter->add();
  return ProxyPreface::Step::refused;
}

}  // namespace

ProxyPreface::Step ProxyPreface::look(int socket, const ProxyPolicy& policy, sockaddr_storage& client) {
  const Action action = policy.action_for(client_address(client));
  if (action == Action::skip) return Step::passed;
  std::array<std::uint8_t, proxy_header_octets_max> octets;
  const auto got = ::recv(socket, octets.data(), octets.size(), MSG_PEEK | MSG_DONTWAIT);
  if (got < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? Step::waits : Step::refused;
  const auto size = static_cast<std::size_t>(got);
  // A whole header may never come; what has come is not lost on a client that sent no more.
  const ProxyHeader header = read_stream_header({octets.data(), size});
  switch (header.kind) {
    case ProxyHeader::Kind::absent: break;
    case ProxyHeader::Kind::malformed: return refuse(policy.malformed);
    case ProxyHeader::Kind::incomplete:
      if (size == seen_) return size == 0 ? Step::refused : refuse(policy.malformed);  // no more will come
      seen_ = size;
      wake_with(socket, size + 1);
      return Step::waits;
    case ProxyHeader::Kind::whole:
      if (action == Action::reject) return refuse(policy.rejected);
      if (action == Action::use && header.client) client = *header.client;
      if (::recv(socket, octets.data(), header.octets, MSG_DONTWAIT) != static_cast<ssize_t>(header.octets)) {
        return Step::refused;
      }
      break;
  }
  if (seen_ > 0) wake_with(socket, 1);
  return Step::passed;
}

}  // namespace fairlead::server
