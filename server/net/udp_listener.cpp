#include "server/net/udp_listener.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "server/net/client_text.hpp"
#include "server/net/limits.hpp"
#include "server/net/proxy_header.hpp"
#include "server/net/proxy_policy.hpp"
#include "server/query/answer.hpp"
#include "zones/base/published.hpp"

namespace fairlead::server {
namespace {

constexpr std::size_t control_octets = CMSG_SPACE(sizeof(in6_pktinfo));
static_assert(control_octets >= CMSG_SPACE(sizeof(in_pktinfo)));

// A reply leaves from the address that the query was sent to, by whatever route leads to the client.
void keep_source_address(msghdr& message) {
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      std::memcpy(&info, CMSG_DATA(header), sizeof(info));
      info.ipi_ifindex = 0;
      info.ipi_spec_dst = info.ipi_addr;
      std::memcpy(CMSG_DATA(header), &info, sizeof(info));
    } else if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info;
      std::memcpy(&info, CMSG_DATA(header), sizeof(info));
      // Link-local sources mean nothing without their interface.
      if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) info.ipi6_ifindex = 0;
      std::memcpy(CMSG_DATA(header), &info, sizeof(info));
    }
  }
}

// The address that the query was sent to, where the kernel has said so.
std::optional<base::IpAddress> destination(msghdr message) {
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    sockaddr_storage address{};
    if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      std::memcpy(&info, CMSG_DATA(header), sizeof(info));
      address.ss_family = AF_INET;
      reinterpret_cast<sockaddr_in&>(address).sin_addr = info.ipi_addr;
      return client_address(address);
    }
    if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info;
      std::memcpy(&info, CMSG_DATA(header), sizeof(info));
      address.ss_family = AF_INET6;
      reinterpret_cast<sockaddr_in6&>(address).sin6_addr = info.ipi6_addr;
      return client_address(address);
    }
  }
  return std::nullopt;
}

// A client whose query waits: everything that a reply needs.
class UdpTarget : public ReplyTarget {
 public:
  UdpTarget(std::shared_ptr<UdpListener> listener, const sockaddr_storage& client, socklen_t client_size,
            std::span<const std::uint8_t> control)
      : listener_(std::move(listener)), client_(client), client_size_(client_size), control_size_(control.size()) {
    std::ranges::copy(control, control_.begin());
  }
  void deliver(std::span<const std::uint8_t> message) override {
    listener_->send(message, client_, client_size_, {control_.data(), control_size_});
  }
  std::string client_text() const override { return server::client_text(client_); }
  std::optional<base::IpAddress> local_address() const override {
    msghdr message{};
    message.msg_control = const_cast<std::uint8_t*>(control_.data());
    message.msg_controllen = control_size_;
    const auto asked = destination(message);
    return asked ? asked : listener_->local_address();
  }

 private:
  const std::shared_ptr<UdpListener> listener_;
  const sockaddr_storage client_;
  const socklen_t client_size_;
  alignas(cmsghdr) std::array<std::uint8_t, control_octets> control_;
  const std::size_t control_size_;
};

// A client behind a balancer, which takes the reply.
class ProxiedTarget final : public UdpTarget {
 public:
  ProxiedTarget(std::shared_ptr<UdpListener> listener, const sockaddr_storage& balancer, socklen_t balancer_size,
                std::span<const std::uint8_t> control, const sockaddr_storage& client)
      : UdpTarget(std::move(listener), balancer, balancer_size, control), shown_(client) {}
  std::string client_text() const override { return server::client_text(shown_); }

 private:
  const sockaddr_storage shown_;
};

class UdpOrigin final : public Origin {
 public:
  /// `client` is whose query it is, and is the sender but for a balancer.
  UdpOrigin(UdpListener& listener, const msghdr& message, const sockaddr_storage& client)
      : listener_(listener), message_(message), client_(client) {}

  Transport transport() const override { return Transport::udp; }
  bool is_ipv4() const override { return server::is_ipv4(client()); }
  base::IpAddress client_address() const override { return server::client_address(client()); }
  std::string client_text() const override { return server::client_text(client()); }
  std::uint16_t client_port() const override { return server::client_port(client()); }
  std::optional<base::IpAddress> local_address() const override {
    const auto asked = destination(message_);
    return asked ? asked : listener_.local_address();
  }
  std::unique_ptr<ReplyTarget> keep() override {
    const auto& sender = *static_cast<const sockaddr_storage*>(message_.msg_name);
    const std::span control(static_cast<const std::uint8_t*>(message_.msg_control), message_.msg_controllen);
    if (&client_ != &sender) {
      return std::make_unique<ProxiedTarget>(listener_.shared_from_this(), sender, message_.msg_namelen, control,
                                             client_);
    }
    return std::make_unique<UdpTarget>(listener_.shared_from_this(), sender, message_.msg_namelen, control);
  }

 private:
  const sockaddr_storage& client() const { return client_; }

  UdpListener& listener_;
  const msghdr& message_;
  const sockaddr_storage& client_;
};

}  // namespace

// Asio keeps it while the listener waits; its memory is the listener's, since memory that comes and goes may lie beside
// another thread's.
class UdpListener::WaitHandler {
 public:
  template <typename T>
  struct Allocator {
    using value_type = T;
    explicit Allocator(WaitMemory& octets) : memory(&octets) {}
    template <typename U>
    Allocator(const Allocator<U>& other) : memory(other.memory) {}  // NOLINT(google-explicit-constructor)
    T* allocate(std::size_t count) {
      static_assert(alignof(T) <= alignof(WaitMemory));
      if (memory->is_taken || count * sizeof(T) > memory->octets.size()) {
        return static_cast<T*>(::operator new(count * sizeof(T)));
      }
      memory->is_taken = true;
      return reinterpret_cast<T*>(memory->octets.data());
    }
    void deallocate(T* at, std::size_t) {
      if (reinterpret_cast<std::byte*>(at) != memory->octets.data()) return ::operator delete(at);
      memory->is_taken = false;
    }
    bool operator==(const Allocator&) const = default;
    WaitMemory* memory;
  };
  using allocator_type = Allocator<std::byte>;

  explicit WaitHandler(std::shared_ptr<UdpListener> self) : self_(std::move(self)) {}
  allocator_type get_allocator() const { return allocator_type(self_->wait_memory_); }
  void operator()(const boost::system::error_code& error) const {
    if (error || !self_->running_) return;
    self_->receive();
    self_->wait();
  }

 private:
  std::shared_ptr<UdpListener> self_;
};

// The memory of one batch; one a thread, since a worker has at most one batch in hand.
class alignas(64) UdpListener::Batch {
 public:
  static Batch& of_this_thread() {
    thread_local const auto batch = std::make_unique<Batch>();
    return *batch;
  }

  int receive(int fd, bool with_control) {
    // The kernel writes sizes and flags into the headers that it uses; the rest are still as they were made. Most
    // batches are small ones.
    if (std::exchange(with_control_, with_control) != with_control) used_ = udp_batch;
    for (std::size_t i = 0; i < used_; ++i) {
      msghdr& header = incoming_[i].msg_hdr;
      query_vectors_[i] = {.iov_base = queries_[i].data(), .iov_len = queries_[i].size()};
      header.msg_iov = &query_vectors_[i];
      header.msg_iovlen = 1;
      header.msg_name = &clients_[i];
      header.msg_namelen = sizeof(clients_[i]);
      header.msg_control = with_control ? controls_[i].data() : nullptr;
      header.msg_controllen = with_control ? controls_[i].size() : 0;
      header.msg_flags = 0;
    }
    const int count = recvmmsg(fd, incoming_.data(), udp_batch, MSG_DONTWAIT, nullptr);
    used_ = static_cast<std::size_t>(std::max(count, 0));
    return count;
  }

  msghdr& incoming(std::size_t i) { return incoming_[i].msg_hdr; }
  const sockaddr_storage& sender(std::size_t i) const { return clients_[i]; }
  std::span<const std::uint8_t> query(std::size_t i) const { return {queries_[i].data(), incoming_[i].msg_len}; }
  std::span<std::uint8_t> reply_buffer(std::size_t i) { return replies_[i]; }

  void add_reply(std::size_t i, std::span<const std::uint8_t> message) {
    reply_vectors_[outgoing_count_] = {.iov_base = const_cast<std::uint8_t*>(message.data()),
                                       .iov_len = message.size()};
    msghdr& header = outgoing_[outgoing_count_].msg_hdr;
    header = incoming_[i].msg_hdr;
    header.msg_iov = &reply_vectors_[outgoing_count_];
    header.msg_flags = 0;
    ++outgoing_count_;
  }

  void send(int fd) {
    std::size_t sent = 0;
    while (sent < outgoing_count_) {
      const int count =
          sendmmsg(fd, outgoing_.data() + sent, static_cast<unsigned>(outgoing_count_ - sent), MSG_DONTWAIT);
      // The first of the rest cannot be sent (no route, firewall, full buffer): it alone is lost.
      sent += count > 0 ? static_cast<std::size_t>(count) : 1;
    }
    outgoing_count_ = 0;
  }

 private:
  std::array<mmsghdr, udp_batch> incoming_{};
  std::array<mmsghdr, udp_batch> outgoing_{};
  std::array<iovec, udp_batch> query_vectors_{};
  std::array<iovec, udp_batch> reply_vectors_{};
  std::array<sockaddr_storage, udp_batch> clients_{};
  std::array<std::array<std::uint8_t, udp_query_octets_max>, udp_batch> queries_;
  std::array<std::array<std::uint8_t, dns::udp_octets_max>, udp_batch> replies_;
  struct alignas(cmsghdr) Control : std::array<std::uint8_t, control_octets> {};
  std::array<Control, udp_batch> controls_{};
  std::size_t outgoing_count_ = 0;
  std::size_t used_ = udp_batch;  // headers to make anew
  bool with_control_ = false;
};

UdpListener::UdpListener(asio::io_context& io, SocketHandle socket, bool is_wildcard)
    : socket_(io, socket.release()), is_wildcard_(is_wildcard) {}

void UdpListener::serve(std::shared_ptr<WorkerPlan> plan, std::size_t router) {
  plan_ = std::move(plan);
  router_ = router;
  const auto& proxy = plan_->routers[router_].proxy;
  if (proxy == nullptr || proxy->session_time.count() == 0) proxy_sessions_.clear();
}

void UdpListener::start() {
  if (std::exchange(running_, true)) return;
  wait();
}

void UdpListener::stop() {
  if (!std::exchange(running_, false)) return;
  receive();
  boost::system::error_code ignored;
  socket_.cancel(ignored);
  plan_.reset();
}

void UdpListener::wait() {
  socket_.async_wait(asio::posix::stream_descriptor::wait_read, WaitHandler(shared_from_this()));
}

void UdpListener::receive() {
  Batch& batch = Batch::of_this_thread();
  const int fd = socket_.native_handle();
  for (int turn = 0; turn < udp_batches_a_turn; ++turn) {
    const int count = batch.receive(fd, is_wildcard_);
    // Errors are those of earlier replies (ICMP) or nothing left to read; the socket itself stays good.
    if (count <= 0) return;
    {
      const base::ReadSection section;
      const bool is_proxied = plan_->routers[router_].proxy != nullptr;
      for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
        if (is_wildcard_) keep_source_address(batch.incoming(i));
        if (is_proxied) {
          receive_proxied(batch, i);
          continue;
        }
        UdpOrigin origin(*this, batch.incoming(i), batch.sender(i));
        const Answer reply = answer(batch.query(i), origin, plan_, router_, batch.reply_buffer(i));
        if (reply.outcome == Outcome::reply) batch.add_reply(i, reply.message);
      }
    }
    batch.send(fd);
    if (static_cast<std::size_t>(count) < udp_batch) return;
  }
}

void UdpListener::receive_proxied(Batch& batch, std::size_t i) {
  using Action = ProxyPolicy::Action;
  using Kind = ProxyHeader::Kind;
  const ProxyPolicy& policy = *plan_->routers[router_].proxy;
  const sockaddr_storage& sender = batch.sender(i);
  const sockaddr_storage* client = &sender;
  std::span<const std::uint8_t> query = batch.query(i);
  const Action action = policy.action_for(client_address(sender));
  const ProxyHeader header = action == Action::skip ? ProxyHeader{} : read_datagram_header(query);
  const bool is_rejected = header.kind == Kind::whole && action == Action::reject;
  if (header.kind == Kind::malformed || is_rejected) {
    if (SharedCounter* const counter = is_rejected ? policy.rejected : policy.malformed) counter->add();
    return;
  }
  query = query.subspan(header.octets);
  if (action == Action::use) {
    const bool has_sessions = policy.session_time.count() > 0;
    const auto now = has_sessions ? std::chrono::steady_clock::now() : ProxySessions::TimePoint{};
    const auto until = now + policy.session_time;
    if (header.client) {
      client = &*header.client;
      if (has_sessions) proxy_sessions_.store(sender, *client, until, policy.sessions_max);
    } else if (has_sessions && header.kind == Kind::absent) {
      const auto* const known = proxy_sessions_.find(sender, now, until);
      if (known != nullptr) client = known;
    }
  }
  // The header alone, which a session begins with.
  if (query.empty()) return;
  UdpOrigin origin(*this, batch.incoming(i), *client);
  const Answer reply = answer(query, origin, plan_, router_, batch.reply_buffer(i));
  if (reply.outcome == Outcome::reply) batch.add_reply(i, reply.message);
}

std::optional<base::IpAddress> UdpListener::local_address() { return server::local_address(socket_.native_handle()); }

void UdpListener::send(std::span<const std::uint8_t> message, const sockaddr_storage& client, socklen_t client_size,
                       std::span<const std::uint8_t> control) {
  iovec vector{.iov_base = const_cast<std::uint8_t*>(message.data()), .iov_len = message.size()};
  msghdr header{};
  header.msg_name = const_cast<sockaddr_storage*>(&client);
  header.msg_namelen = client_size;
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  header.msg_control = control.empty() ? nullptr : const_cast<std::uint8_t*>(control.data());
  header.msg_controllen = control.size();
  static_cast<void>(sendmsg(socket_.native_handle(), &header, MSG_DONTWAIT));
}

}  // namespace fairlead::server
