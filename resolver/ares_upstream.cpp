#include "resolver/ares_upstream.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <functional>
#include <system_error>
#include <vector>

#include <ares.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "resolver/limits.hpp"
#include "resolver/name_case.hpp"
#include "resolver/random.hpp"
#include "zones/dns/message_reader.hpp"
#include "zones/dns/message_writer.hpp"

namespace fairlead::resolver {
namespace {

using base::TimePoint;
using Octets = std::span<const std::uint8_t>;

constexpr std::chrono::milliseconds tick_period{50};
/// What c-ares takes from one datagram. We offer 1232, so a longer one is a fault and taken as truncated.
constexpr int datagram_octets_max = 4096;
constexpr int receive_buffer_octets = 1 << 20;
/// Datagrams of one channel a turn of the event loop: a burst of replies lets clients' packets through in between.
constexpr std::uint32_t datagrams_a_turn = 64;
/// Timeouts in a row, without a reply between them, after which a channel's source port is given up.
constexpr std::uint32_t channel_timeouts_max = 2;

/// FORMERR travels through c-ares as RCODE 15 with the reserved Z bit, which no upstream sends.
constexpr std::uint8_t z_bit = 0x40;
constexpr std::uint8_t formerr_disguise = z_bit | 0x0f;

bool initialize_library() {
  static const int status = ares_library_init(ARES_LIB_INIT_ALL);
  return status == ARES_SUCCESS;
}

TimePoint now() { return std::chrono::steady_clock::now(); }

UpstreamError error_of(int status) {
  switch (status) {
    case ARES_ETIMEOUT: return UpstreamError::timed_out;
    case ARES_EDESTRUCTION:
    case ARES_ECANCELLED: return UpstreamError::cancelled;
    default: return UpstreamError::unreachable;
  }
}

// Gives the question's name, and owners that repeat it without compression, the client's case.
void restore_case(std::span<std::uint8_t> message, std::span<std::uint8_t> name, const NameCase& asked) {
  const std::size_t behind_question = dns::header_octets + name.size() + 4;
  const bool is_compressed = message.size() <= behind_question || (message[behind_question] & 0xc0) == 0xc0;
  if (!is_compressed) {
    auto reader = dns::RecordReader::open(message);
    while (reader) {
      const auto record = reader->next();
      if (!record || !*record) break;
      const auto rest = message.subspan((*record)->owner_offset);
      if (rest.size() >= name.size() && std::ranges::equal(rest.first(name.size()), name)) {
        asked.write(rest.first(name.size()));
      }
    }
  }
  asked.write(name);
}

class AresUpstream;
class Channel;

/// One query that c-ares, or a posted call, will come back with.
struct Pending {
  AresUpstream* upstream = nullptr;
  Channel* channel = nullptr;
  Upstream::Callback callback;
  TimePoint sent{};
  Transport transport = Transport::udp;
  bool is_active = false;
  bool is_sending = false;  // inside of ares_send()
  bool is_repeated = false;
  bool on_used_connection = false;
  bool is_case_proof = false;  // asked over TCP what a reply over UDP had in another case
  UpstreamError failure{};
  std::uint8_t mixed_octets = 0;  // of the name, whose case was mixed
  NameCase asked_case;
  NameCase sent_case;
  std::vector<std::uint8_t> query;  // for another connection
};

/// What an upstream does with the case of a question's letters.
enum class CaseHabit : std::uint8_t {
  unknown,
  keeps,    // a reply in another case is not its own
  changes,  // 0x20 is no use with it
};

/// A socket of c-ares, watched by Asio.
struct Watch {
  explicit Watch(asio::io_context& io) : descriptor(io) {}
  asio::posix::stream_descriptor descriptor;
  int fd = -1;
  bool is_closed = false;
  bool wants_read = false;
  bool wants_write = false;
  bool is_reading = false;
  bool is_writing = false;
};

class Channel {
 public:
  Channel(asio::io_context& io, const UpstreamConfig& config, Transport transport, UpstreamCounters& counters,
          std::string& trouble)
      : io_(io),
        config_(config),
        transport_(transport),
        counters_(counters),
        trouble_(trouble),
        created_(now()),
        last_used_(created_) {}
  ~Channel() {
    if (handle_) ares_destroy(handle_);
  }
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  bool open();
  void send(Octets query, Pending* pending);
  /// Lets c-ares see which queries timed out.
  void process_timeouts() {
    if (outstanding_ > 0) ares_process_fd(handle_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  }
  void note_end(bool is_reply, bool is_timeout) {
    --outstanding_;
    last_used_ = now();
    if (is_reply) {
      timeouts_ = 0;
      has_replied_ = true;
    } else if (is_timeout) {
      ++timeouts_;
    } else {
      has_replied_ = false;  // the connection is gone
    }
  }

  Transport transport() const { return transport_; }
  std::size_t outstanding() const { return outstanding_; }
  std::uint32_t queries() const { return queries_; }
  bool has_replied() const { return has_replied_; }
  TimePoint created() const { return created_; }
  TimePoint last_used() const { return last_used_; }
  bool is_worn() const { return timeouts_ >= channel_timeouts_max; }

  bool is_retired = false;

 private:
  static void on_socket_state(void* data, ares_socket_t fd, int readable, int writable) {
    static_cast<Channel*>(data)->watch_socket(fd, readable != 0, writable != 0);
  }
  void watch_socket(int fd, bool readable, bool writable);
  void arm(const std::shared_ptr<Watch>& watch);

  static ares_socket_t open_socket(int domain, int type, int protocol, void* data);
  static int close_socket(ares_socket_t fd, void*) { return ::close(fd); }
  static int connect_socket(ares_socket_t fd, const sockaddr* address, ares_socklen_t size, void*) {
    return ::connect(fd, address, size);
  }
  static ares_ssize_t receive(ares_socket_t fd, void* buffer, std::size_t size, int flags, sockaddr* from,
                              ares_socklen_t* from_size, void* data);
  static ares_ssize_t write(ares_socket_t fd, const iovec* parts, int count, void*) {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts);
    message.msg_iovlen = static_cast<std::size_t>(count);
    return ::sendmsg(fd, &message, MSG_NOSIGNAL);
  }

  asio::io_context& io_;
  const UpstreamConfig& config_;
  const Transport transport_;
  UpstreamCounters& counters_;
  std::string& trouble_;  // why there is no socket
  ares_channel handle_ = nullptr;
  std::vector<std::shared_ptr<Watch>> watches_;
  std::size_t outstanding_ = 0;
  std::uint32_t queries_ = 0;
  std::uint32_t timeouts_ = 0;
  std::uint32_t taken_ = 0;  // datagrams of this turn
  bool has_replied_ = false;
  const TimePoint created_;
  TimePoint last_used_;
};

class AresUpstream final : public Upstream {
 public:
  AresUpstream(asio::io_context& io, const UpstreamConfig& config)
      : Upstream(config.address), io_(io), config_(config), ticker_(io) {
    config_.read_timeout = std::max<base::Duration>(config_.read_timeout, std::chrono::milliseconds(1));
  }
  ~AresUpstream() override;

  void send(Octets query, Transport transport, Callback callback) override;
  std::string_view trouble() const override { return trouble_; }

  /// What c-ares calls when a query ends.
  static void on_end(void* data, int status, int, unsigned char* message, int size) {
    auto* const pending = static_cast<Pending*>(data);
    pending->upstream->end(*pending, status, {message, message ? static_cast<std::size_t>(size) : 0});
  }

 private:
  Channel* pick_channel(Transport transport);
  void dispatch(Pending& pending, Octets query);
  void end(Pending& pending, int status, std::span<std::uint8_t> message);
  void mix_case_of(Pending& pending);
  bool is_case_right(Pending& pending, std::span<std::uint8_t> message);
  void finish(Pending& pending, const UpstreamResult& result);
  void finish_later(Pending& pending, UpstreamError error);
  Pending* take_pending();
  void start_ticker();
  void tick();
  void retire_idle(Transport transport);

  /// Runs `function` from the event loop, unless the upstream is gone by then.
  template <typename Function>
  void post(Function function) {
    asio::post(io_, [alive = std::weak_ptr(alive_), function = std::move(function)] {
      if (!alive.expired()) function();
    });
  }

  asio::io_context& io_;
  UpstreamConfig config_;
  std::vector<std::unique_ptr<Channel>> channels_;
  std::array<Channel*, udp_channels> udp_{};
  std::array<Channel*, tcp_channels> tcp_{};
  std::deque<Pending> pendings_;
  std::vector<Pending*> free_pendings_;
  std::size_t outstanding_ = 0;
  std::vector<std::uint8_t> scratch_;
  std::string trouble_;
  CaseHabit case_habit_ = CaseHabit::unknown;
  RandomIds ids_;
  RandomBits case_bits_;
  QuickRandom random_;
  asio::steady_timer ticker_;
  bool is_ticking_ = false;
  bool is_closing_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

bool Channel::open() {
  if (!initialize_library()) return false;
  ares_options options{};
  // Everything that c-ares would otherwise look for in /etc/resolv.conf is given, so that it reads no files.
  options.flags = ARES_FLAG_NOCHECKRESP | ARES_FLAG_STAYOPEN | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES;
  // Without EDNS c-ares takes no more than 512 octets from a datagram. Over TCP the flag would only bring the FORMERR
  // handling that the disguise avoids.
  options.flags |= transport_ == Transport::udp ? ARES_FLAG_EDNS | ARES_FLAG_IGNTC : ARES_FLAG_USEVC;
  options.ednspsz = datagram_octets_max;
  options.timeout =
      static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(config_.read_timeout).count());
  options.tries = 1;
  options.ndots = 0;
  options.lookups = const_cast<char*>("b");
  options.sock_state_cb = &Channel::on_socket_state;
  options.sock_state_cb_data = this;
  const int mask = ARES_OPT_FLAGS | ARES_OPT_EDNSPSZ | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS |
                   ARES_OPT_LOOKUPS | ARES_OPT_DOMAINS | ARES_OPT_SORTLIST | ARES_OPT_SERVERS | ARES_OPT_SOCK_STATE_CB |
                   ARES_OPT_NOROTATE;
  if (ares_init_options(&handle_, &options, mask) != ARES_SUCCESS) {
    handle_ = nullptr;
    return false;
  }
  static const ares_socket_functions functions{&Channel::open_socket, &Channel::close_socket, &Channel::connect_socket,
                                               &Channel::receive, &Channel::write};
  ares_set_socket_functions(handle_, &functions, this);

  ares_addr_port_node server{};
  const base::IpAddress& address = config_.address.address;
  server.family = address.is_v4() ? AF_INET : AF_INET6;
  std::memcpy(&server.addr, address.octets().data(), address.octets().size());
  server.udp_port = server.tcp_port = config_.address.port;
  return ares_set_servers_ports(handle_, &server) == ARES_SUCCESS;
}

void Channel::send(Octets query, Pending* pending) {
  ++queries_;
  ++outstanding_;
  ares_send(handle_, query.data(), static_cast<int>(query.size()), &AresUpstream::on_end, pending);
}

void Channel::watch_socket(int fd, bool readable, bool writable) {
  auto found = std::find_if(watches_.begin(), watches_.end(), [fd](const auto& watch) { return watch->fd == fd; });
  if (!readable && !writable) {
    if (found == watches_.end()) return;
    // c-ares closes the descriptor right after this call, and the next socket may get its number: Asio lets go first.
    (*found)->is_closed = true;
    (*found)->descriptor.release();
    watches_.erase(found);
    return;
  }
  if (found == watches_.end()) {
    auto watch = std::make_shared<Watch>(io_);
    boost::system::error_code error;
    watch->descriptor.assign(fd, error);
    if (error) return;  // the query times out
    watch->fd = fd;
    found = watches_.insert(watches_.end(), std::move(watch));
  }
  (*found)->wants_read = readable;
  (*found)->wants_write = writable;
  arm(*found);
}

void Channel::arm(const std::shared_ptr<Watch>& watch) {
  // A closed watch means that the channel may be gone too; neither is touched then.
  if (watch->wants_read && !watch->is_reading) {
    watch->is_reading = true;
    watch->descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                                 [this, watch](const boost::system::error_code& error) {
                                   watch->is_reading = false;
                                   if (error || watch->is_closed) return;
                                   taken_ = 0;
                                   ares_process_fd(handle_, watch->fd, ARES_SOCKET_BAD);
                                   if (!watch->is_closed) arm(watch);
                                 });
  }
  if (watch->wants_write && !watch->is_writing) {
    watch->is_writing = true;
    watch->descriptor.async_wait(asio::posix::stream_descriptor::wait_write,
                                 [this, watch](const boost::system::error_code& error) {
                                   watch->is_writing = false;
                                   if (error || watch->is_closed) return;
                                   ares_process_fd(handle_, ARES_SOCKET_BAD, watch->fd);
                                   if (!watch->is_closed) arm(watch);
                                 });
  }
}

ares_socket_t Channel::open_socket(int domain, int type, int protocol, void* data) {
  const auto& channel = *static_cast<const Channel*>(data);
  channel.trouble_.clear();
  const int fd = ::socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
  if (fd < 0) return ARES_SOCKET_BAD;
  if (type == SOCK_STREAM) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  } else {
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer_octets, sizeof receive_buffer_octets);
  }
  const auto& source = channel.config_.source_address;
  if (!source) return fd;
  if ((source->is_v4() ? AF_INET : AF_INET6) != domain) {
    channel.trouble_ = "source address " + source->to_string() + ": of the other family";
    ::close(fd);
    return ARES_SOCKET_BAD;
  }
  sockaddr_storage address{};
  socklen_t size = 0;
  if (source->is_v4()) {
    auto* const v4 = reinterpret_cast<sockaddr_in*>(&address);
    v4->sin_family = AF_INET;
    std::memcpy(&v4->sin_addr, source->octets().data(), 4);
    size = sizeof *v4;
  } else {
    auto* const v6 = reinterpret_cast<sockaddr_in6*>(&address);
    v6->sin6_family = AF_INET6;
    std::memcpy(&v6->sin6_addr, source->octets().data(), 16);
    size = sizeof *v6;
  }
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), size) != 0) {
    channel.trouble_ = "source address " + source->to_string() + ": " + std::generic_category().message(errno);
    ::close(fd);
    return ARES_SOCKET_BAD;
  }
  return fd;
}

ares_ssize_t Channel::receive(ares_socket_t fd, void* buffer, std::size_t size, int flags, sockaddr* from,
                              ares_socklen_t* from_size, void* data) {
  auto& channel = *static_cast<Channel*>(data);
  if (channel.transport_ == Transport::tcp) return ::recvfrom(fd, buffer, size, flags, from, from_size);
  const ares_socklen_t from_room = from_size ? *from_size : 0;
  while (true) {
    // c-ares reads on until there is nothing left.
    if (channel.taken_++ == datagrams_a_turn) {
      errno = EWOULDBLOCK;
      return -1;
    }
    if (from_size) *from_size = from_room;
    const ssize_t got = ::recvfrom(fd, buffer, size, flags, from, from_size);
    if (got < 0) return got;
    auto* const octets = static_cast<std::uint8_t*>(buffer);
    // An empty datagram would end every query of the channel, a query sent back to us would answer itself.
    const bool is_reply = got >= static_cast<ssize_t>(dns::header_octets) && (octets[2] & 0xf8) == 0x80;
    if (!is_reply) {
      channel.counters_.ignored_replies.add();
      continue;
    }
    if (got > datagram_octets_max) octets[2] |= dns::Header::tc >> 8;
    if ((octets[3] & 0x0f) == static_cast<std::uint8_t>(dns::Rcode::formerr)) {
      octets[3] = static_cast<std::uint8_t>((octets[3] & 0xb0) | formerr_disguise);
    }
    return got;
  }
}

AresUpstream::~AresUpstream() {
  is_closing_ = true;
  alive_.reset();
  channels_.clear();  // ends their queries as cancelled
  for (Pending& pending : pendings_) {
    if (pending.is_active) finish(pending, std::unexpected(UpstreamError::cancelled));
  }
}

void AresUpstream::send(Octets query, Transport transport, Callback callback) {
  if (is_closing_) return callback(std::unexpected(UpstreamError::cancelled));
  Pending* const pending = take_pending();
  pending->upstream = this;
  pending->callback = std::move(callback);
  pending->transport = transport;
  pending->sent = now();
  pending->is_active = true;
  pending->is_repeated = pending->is_case_proof = false;
  counters().outstanding.set(++outstanding_);
  if (outstanding_ > upstream_outstanding_max) return finish_later(*pending, UpstreamError::busy);
  if (query.size() < dns::header_octets || query.size() > dns::message_octets_max) {
    return finish_later(*pending, UpstreamError::unreachable);
  }
  pending->query.assign(query.begin(), query.end());
  dispatch(*pending, query);
}

void AresUpstream::dispatch(Pending& pending, Octets query) {
  const auto slot = static_cast<std::size_t>(pending.transport);
  Channel* const channel = pick_channel(pending.transport);
  if (!channel) return finish_later(pending, UpstreamError::unreachable);
  (channel->queries() == 0 ? counters().connection_cache_misses : counters().connection_cache_hits)[slot].add();
  scratch_.assign(query.begin(), query.end());
  dns::write_u16(scratch_.data(), ids_.next());
  mix_case_of(pending);
  pending.channel = channel;
  pending.on_used_connection = channel->has_replied();
  pending.is_sending = true;
  channel->send(scratch_, &pending);
  pending.is_sending = false;
  start_ticker();
}

Channel* AresUpstream::pick_channel(Transport transport) {
  Channel*& slot = transport == Transport::udp ? udp_[random_.below(udp_.size())] : tcp_[random_.below(tcp_.size())];
  if (slot) {
    bool is_used_up = false;
    const base::Duration age = now() - slot->created();
    if (config_.max_age > base::Duration(0) && age >= config_.max_age) is_used_up = true;
    if (slot->is_worn()) is_used_up = true;
    if (transport == Transport::udp && (slot->queries() >= channel_queries_max || age >= channel_age_max)) {
      is_used_up = true;
    }
    if (is_used_up) {
      const auto retired = static_cast<std::size_t>(
          std::count_if(channels_.begin(), channels_.end(), [](const auto& channel) { return channel->is_retired; }));
      if (retired < retired_channels_max) {
        slot->is_retired = true;
        slot = nullptr;
      }
    }
  }
  if (!slot) {
    auto channel = std::make_unique<Channel>(io_, config_, transport, counters(), trouble_);
    if (!channel->open()) return nullptr;
    slot = channel.get();
    channels_.push_back(std::move(channel));
  }
  return slot;
}

void AresUpstream::end(Pending& pending, int status, std::span<std::uint8_t> message) {
  const bool is_reply = status == ARES_SUCCESS && message.size() >= dns::header_octets;
  pending.channel->note_end(is_reply, status == ARES_ETIMEOUT);
  if (!is_reply) {
    const UpstreamError error = error_of(status);
    // Without TCP nothing can be proved: such an upstream is asked as if there were no 0x20.
    if (pending.is_case_proof && case_habit_ == CaseHabit::unknown) case_habit_ = CaseHabit::changes;
    if (is_closing_) return finish(pending, std::unexpected(UpstreamError::cancelled));
    // The upstream closed an idle connection while the query was on its way: that is no failure of the upstream.
    if (error == UpstreamError::unreachable && pending.transport == Transport::tcp && !pending.is_repeated &&
        pending.on_used_connection) {
      pending.is_repeated = true;
      return post([this, waiting = &pending] { dispatch(*waiting, waiting->query); });
    }
    if (pending.is_sending) return finish_later(pending, error);
    return finish(pending, std::unexpected(error));
  }
  if (pending.transport == Transport::udp && (message[3] & formerr_disguise) == formerr_disguise) {
    message[3] = static_cast<std::uint8_t>((message[3] & 0xb0) | static_cast<std::uint8_t>(dns::Rcode::formerr));
  }
  if (!is_case_right(pending, message)) {
    counters().ignored_replies.add();
    pending.transport = Transport::tcp;
    pending.is_case_proof = true;
    return post([this, waiting = &pending] { dispatch(*waiting, waiting->query); });
  }
  // UDP was checked on arrival.
  if ((message[2] & 0xf8) != 0x80) return finish(pending, std::unexpected(UpstreamError::bad_reply));
  finish(pending, UpstreamReply{.message = message, .transport = pending.transport, .elapsed = now() - pending.sent});
}

void AresUpstream::mix_case_of(Pending& pending) {
  pending.mixed_octets = 0;
  if (case_habit_ == CaseHabit::changes) return;
  if (pending.transport == Transport::tcp && !pending.is_case_proof) return;
  const std::span<std::uint8_t> query = scratch_;
  std::size_t end = dns::header_octets;
  while (end < query.size() && query[end] != 0) end += 1u + query[end];
  if (end >= query.size() || end - dns::header_octets >= dns::name_octets_max) return;
  const auto name = query.subspan(dns::header_octets, end + 1 - dns::header_octets);
  pending.asked_case = NameCase::of(name);
  pending.sent_case = mix_case(name, case_bits_);
  pending.mixed_octets = static_cast<std::uint8_t>(name.size());
}

// False for a reply that whoever sent it did not copy from our query. What is right gets the client's case back.
bool AresUpstream::is_case_right(Pending& pending, std::span<std::uint8_t> message) {
  if (pending.mixed_octets == 0) return true;
  // c-ares has compared the names without their case; one that is not whole is refused where the reply is parsed.
  if (message.size() < dns::header_octets + pending.mixed_octets) return true;
  const auto name = message.subspan(dns::header_octets, pending.mixed_octets);
  if (NameCase::of(name) == pending.sent_case) {
    if (pending.sent_case.has_capitals() && case_habit_ == CaseHabit::unknown) case_habit_ = CaseHabit::keeps;
  } else if (pending.transport == Transport::tcp) {
    case_habit_ = CaseHabit::changes;  // nobody else can have written this
  } else if (case_habit_ != CaseHabit::changes) {
    return false;
  }
  restore_case(message, name, pending.asked_case);
  return true;
}

void AresUpstream::finish(Pending& pending, const UpstreamResult& result) {
  // Freed before the call: the callback may send.
  Callback callback = std::move(pending.callback);
  pending.callback = nullptr;
  pending.is_active = false;
  pending.channel = nullptr;
  free_pendings_.push_back(&pending);
  counters().outstanding.set(--outstanding_);
  callback(result);
}

void AresUpstream::finish_later(Pending& pending, UpstreamError error) {
  pending.failure = error;
  post([this, waiting = &pending] { finish(*waiting, std::unexpected(waiting->failure)); });
}

Pending* AresUpstream::take_pending() {
  if (free_pendings_.empty()) return &pendings_.emplace_back();
  Pending* const pending = free_pendings_.back();
  free_pendings_.pop_back();
  return pending;
}

void AresUpstream::start_ticker() {
  if (is_ticking_) return;
  is_ticking_ = true;
  ticker_.expires_after(tick_period);
  ticker_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& error) {
    if (error || alive.expired()) return;
    is_ticking_ = false;
    tick();
  });
}

void AresUpstream::tick() {
  // Callbacks may send and so append channels; nothing but this function removes any.
  for (std::size_t i = 0; i < channels_.size(); ++i) channels_[i]->process_timeouts();
  if (config_.max_idle_connections > 0) {
    retire_idle(Transport::udp);
    retire_idle(Transport::tcp);
  }
  const TimePoint at = now();
  const auto is_done = [&](const Channel& channel) {
    if (channel.outstanding() > 0) return false;
    return channel.is_retired || at - channel.last_used() >= config_.expire;
  };
  for (Channel*& slot : udp_) {
    if (slot && is_done(*slot)) slot = nullptr;
  }
  for (Channel*& slot : tcp_) {
    if (slot && is_done(*slot)) slot = nullptr;
  }
  std::erase_if(channels_, [&](const auto& channel) { return is_done(*channel); });
  if (!channels_.empty()) start_ticker();
}

// Those that were used last stay.
void AresUpstream::retire_idle(Transport transport) {
  std::vector<Channel*> idle;
  for (const auto& channel : channels_) {
    if (channel->transport() == transport && channel->outstanding() == 0) idle.push_back(channel.get());
  }
  std::ranges::sort(idle, std::greater<>{}, &Channel::last_used);
  for (std::size_t i = config_.max_idle_connections; i < idle.size(); ++i) idle[i]->is_retired = true;
}

}  // namespace

std::unique_ptr<Upstream> make_ares_upstream(asio::io_context& io, const UpstreamConfig& config) {
  return std::make_unique<AresUpstream>(io, config);
}

}  // namespace fairlead::resolver
