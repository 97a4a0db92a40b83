#include "server/control/dnstap_outlet.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <mutex>
#include <utility>
#include <vector>

#include "server/control/dnstap_hosts.hpp"
#include "server/control/dnstap_link.hpp"
#include "server/control/frame_streams.hpp"
#include "server/control/logging.hpp"

namespace fairlead::server {
namespace {

using Error = boost::system::error_code;
using Acceptor = asio::basic_socket_acceptor<asio::generic::stream_protocol>;
using Batch = DnstapLink::Batch;
using Transport = DnstapOptions::Transport;

StreamEndpoint unix_endpoint(const std::string& path) { return asio::local::stream_protocol::endpoint(path); }

// A socket that a server left behind when it was killed takes no connections.
void remove_stale_socket(const std::string& path) {
  struct stat status{};
  if (stat(path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return;
  asio::io_context io;
  asio::local::stream_protocol::socket probe(io);
  Error error;
  probe.connect(asio::local::stream_protocol::endpoint(path), error);
  if (error == asio::error::connection_refused) unlink(path.c_str());
}

std::string plural(std::uint64_t count) { return std::to_string(count) + (count == 1 ? " message" : " messages"); }

}  // namespace

class DnstapOutlet::Engine final : public std::enable_shared_from_this<Engine>, private DnstapLink::Owner {
 public:
  Engine(asio::io_context& io, DnstapEndpoint endpoint)
      : endpoint_(std::move(endpoint)),
        io_(io),
        look_timer_(io),
        retry_timer_(io),
        connect_timer_(io),
        stop_timer_(io),
        limiter_(clock_, [](base::LogLevel level, std::string_view text) { log_queued(level, text); }) {
    is_wanted_ = !endpoint_.listens;
  }
  ~Engine() {
    for (const auto& link : std::exchange(links_, {})) link->detach();
  }

  // Any thread.

  std::shared_ptr<OctetRing> ring_of(unsigned worker) {
    const std::scoped_lock lock(mutex_);
    if (rings_.size() <= worker) rings_.resize(worker + 1);
    if (rings_[worker] == nullptr) rings_[worker] = std::make_shared<OctetRing>(endpoint_.ring_octets);
    return rings_[worker];
  }
  bool is_wanted() const { return is_wanted_.load(std::memory_order_relaxed); }
  void wake() {
    if (is_woken_.exchange(true)) return;
    asio::post(io_, [self = shared_from_this()] {
      self->is_woken_ = false;
      self->pump();
    });
  }
  Figures figures() const {
    std::uint64_t lost = lost_.load(std::memory_order_relaxed);
    const std::scoped_lock lock(mutex_);
    for (const auto& ring : rings_) lost += ring != nullptr ? ring->lost() : 0;
    return {.sent = sent_.load(std::memory_order_relaxed),
            .lost = lost,
            .receivers = receivers_.load(std::memory_order_relaxed)};
  }
  const std::string& name() const { return endpoint_.name; }
  bool is_stopping() const { return is_closed_.load(); }
  bool has_stopped() const { return has_stopped_.load(); }
  /// Nothing more is wanted.
  void close() {
    is_closed_ = true;
    is_wanted_ = false;
  }

  // dnstap's thread.

  void start() {
    if (is_stopping_) return;
    begin_lookup();
    look();
  }
  void stop();

 private:
  void say(base::LogLevel level, std::string_view key, const std::string& text) {
    limiter_.log(level, key, "plugin/dnstap: " + text);
  }

  void look();
  void begin_lookup();
  void take_candidates();
  void retry_later(const std::string& why);
  void try_candidate();
  void listen();
  void accept();
  void begin_link(StreamSocket socket);

  void pump();
  Batch gather();
  std::vector<std::shared_ptr<OctetRing>> rings() const;
  bool has_content() const;
  void report_losses();
  void count_open_links();
  void end();

  void on_link_open(DnstapLink& link) override;
  void on_link_room(DnstapLink&) override { pump(); }
  void on_link_end(DnstapLink& link, const std::string& why) override;

  const DnstapEndpoint endpoint_;
  asio::io_context& io_;
  asio::steady_timer look_timer_;
  asio::steady_timer retry_timer_;
  asio::steady_timer connect_timer_;
  asio::steady_timer stop_timer_;
  base::SteadyClock clock_;
  LogLimiter limiter_;
  std::shared_ptr<DnstapTls> tls_;
  HostLookup lookup_;
  std::vector<StreamEndpoint> candidates_;
  std::size_t candidate_ = 0;
  std::shared_ptr<StreamSocket> connecting_;
  std::unique_ptr<Acceptor> acceptor_;
  std::pair<dev_t, ino_t> bound_{};  // of the Unix socket that we listen on
  std::vector<std::shared_ptr<DnstapLink>> links_;
  std::string unsent_;  // of a connection that broke
  std::size_t first_ring_ = 0;
  std::chrono::milliseconds retry_after_ = dnstap_retry_first;
  std::uint64_t reported_ = 0;
  bool is_stopping_ = false;
  bool has_ended_ = false;

  std::atomic<bool> is_wanted_{false};
  std::atomic<bool> is_woken_{false};
  std::atomic<bool> is_closed_{false};
  std::atomic<bool> has_stopped_{false};
  std::atomic<std::uint64_t> sent_{0};
  std::atomic<std::uint64_t> lost_{0};
  std::atomic<std::size_t> receivers_{0};
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<OctetRing>> rings_;  // by worker; guarded by mutex_
};

// What there is to do again and again; a full ring does not wait for it.
void DnstapOutlet::Engine::look() {
  if (has_ended_) return;
  if (lookup_) take_candidates();
  pump();
  report_losses();
  look_timer_.expires_after(dnstap_look_interval);
  look_timer_.async_wait([self = shared_from_this()](const Error& error) {
    if (!error) self->look();
  });
}

// --- finding receivers

void DnstapOutlet::Engine::begin_lookup() {
  candidate_ = 0;
  if (endpoint_.transport != Transport::unix_socket) {
    lookup_ = look_up_endpoints(endpoint_.host, endpoint_.port);
    return;
  }
  candidates_ = {unix_endpoint(endpoint_.path)};
  if (endpoint_.listens) return listen();
  try_candidate();
}

void DnstapOutlet::Engine::take_candidates() {
  auto found = lookup_();
  if (!found) return;
  lookup_ = nullptr;
  if (is_stopping_) return;
  if (!*found) return retry_later(found->error());
  candidates_ = std::move(**found);
  if (endpoint_.listens) return listen();
  try_candidate();
}

void DnstapOutlet::Engine::retry_later(const std::string& why) {
  if (is_stopping_) return end();
  say(base::LogLevel::warning, "away",
      (endpoint_.listens ? "cannot listen on " : "no connection to ") + endpoint_.name + ": " + why +
          "; it is tried again");
  retry_timer_.expires_after(retry_after_);
  retry_after_ = std::min<std::chrono::milliseconds>(2 * retry_after_, dnstap_retry_last);
  retry_timer_.async_wait([self = shared_from_this()](const Error& error) {
    if (!error && !self->is_stopping_) self->begin_lookup();
  });
}

void DnstapOutlet::Engine::try_candidate() {
  if (candidate_ == candidates_.size()) return retry_later("there is no address");
  const auto socket = std::make_shared<StreamSocket>(io_);
  connecting_ = socket;
  const StreamEndpoint& endpoint = candidates_[candidate_];
  Error error;
  socket->open(endpoint.protocol(), error);
  if (endpoint_.transport != Transport::unix_socket && endpoint_.write_buffer_octets > 0) {
    Error ignored;  // the kernel has a limit of its own
    socket->set_option(asio::socket_base::send_buffer_size(endpoint_.write_buffer_octets), ignored);
  }
  connect_timer_.expires_after(link_silence_max);
  connect_timer_.async_wait([socket](const Error& cancelled) {
    Error ignored;
    if (!cancelled) socket->close(ignored);
  });
  socket->async_connect(endpoint, [self = shared_from_this(), socket](const Error& failure) {
    self->connect_timer_.cancel();
    self->connecting_ = nullptr;
    if (self->is_stopping_) return self->end();
    if (!failure && socket->is_open()) return self->begin_link(std::move(*socket));
    if (++self->candidate_ < self->candidates_.size()) return self->try_candidate();
    self->retry_later(failure == asio::error::operation_aborted ? "it does not answer" : failure.message());
  });
}

void DnstapOutlet::Engine::listen() {
  Error error;
  for (const StreamEndpoint& endpoint : candidates_) {
    auto acceptor = std::make_unique<Acceptor>(io_);
    const bool is_unix = endpoint_.transport == Transport::unix_socket;
    if (is_unix) remove_stale_socket(endpoint_.path);
    acceptor->open(endpoint.protocol(), error);
    if (error) continue;
    if (!is_unix) {
      acceptor->set_option(Acceptor::reuse_address(true), error);
      const bool is_ipv6 = endpoint.protocol().family() == AF_INET6;
      if (is_ipv6) acceptor->set_option(asio::ip::v6_only(!endpoint_.host.empty()), error);
    }
    acceptor->bind(endpoint, error);
    if (!error) acceptor->listen(asio::socket_base::max_listen_connections, error);
    if (error) continue;
    struct stat status{};
    if (is_unix && stat(endpoint_.path.c_str(), &status) == 0) bound_ = {status.st_dev, status.st_ino};
    acceptor_ = std::move(acceptor);
    retry_after_ = dnstap_retry_first;
    return accept();
  }
  retry_later(error.message());
}

void DnstapOutlet::Engine::accept() {
  acceptor_->async_accept([self = shared_from_this()](const Error& error, StreamSocket socket) {
    if (self->is_stopping_ || self->acceptor_ == nullptr) return;
    if (error) {
      // Out of descriptors, above all.
      self->say(base::LogLevel::warning, "accept",
                "no receiver is accepted on " + self->name() + ": " + error.message());
      self->retry_timer_.expires_after(dnstap_retry_first);
      self->retry_timer_.async_wait([self](const Error& cancelled) {
        if (!cancelled && !self->is_stopping_) self->accept();
      });
      return;
    }
    if (self->links_.size() < receivers_max) {
      self->begin_link(std::move(socket));
    } else {
      self->say(base::LogLevel::warning, "many", "a receiver too many on " + self->name() + " was turned away");
    }
    self->accept();
  });
}

void DnstapOutlet::Engine::begin_link(StreamSocket socket) {
  if (tls_ == nullptr && endpoint_.make_tls) tls_ = endpoint_.make_tls();
  auto link = std::make_shared<DnstapLink>(io_, make_dnstap_stream(std::move(socket), tls_),
                                           static_cast<DnstapLink::Owner&>(*this));
  links_.push_back(link);
  link->open();
}

void DnstapOutlet::Engine::on_link_open(DnstapLink&) {
  retry_after_ = dnstap_retry_first;
  say(base::LogLevel::info, "open",
      endpoint_.listens ? "a receiver has connected to " + endpoint_.name : "connected to " + endpoint_.name);
  count_open_links();
  pump();
}

void DnstapOutlet::Engine::on_link_end(DnstapLink& link, const std::string& why) {
  std::string unsent = link.take_unsent();
  const auto found = std::ranges::find(links_, &link, [](const auto& one) { return one.get(); });
  const std::shared_ptr<DnstapLink> kept = found != links_.end() ? *found : nullptr;
  if (kept != nullptr) links_.erase(found);
  count_open_links();
  if (endpoint_.listens || is_stopping_) {
    lost_ += count_frames(unsent);
    sent_ -= endpoint_.listens ? 0 : std::min(sent_.load(), count_frames(unsent));
    if (is_stopping_) return links_.empty() ? end() : void();
    if (!why.empty()) say(base::LogLevel::warning, "lost", "a receiver on " + endpoint_.name + " is gone: " + why);
    return;
  }
  sent_ -= std::min(sent_.load(), count_frames(unsent));
  unsent_ = std::move(unsent);
  retry_later(why);
}

void DnstapOutlet::Engine::count_open_links() {
  const auto count =
      static_cast<std::size_t>(std::ranges::count_if(links_, [](const auto& link) { return link->is_open(); }));
  receivers_ = count;
  if (endpoint_.listens) is_wanted_ = count > 0 && !is_closed_;
}

// --- sending

std::vector<std::shared_ptr<OctetRing>> DnstapOutlet::Engine::rings() const {
  const std::scoped_lock lock(mutex_);
  std::vector<std::shared_ptr<OctetRing>> rings;
  std::ranges::copy_if(rings_, std::back_inserter(rings), [](const auto& ring) { return ring != nullptr; });
  return rings;
}

bool DnstapOutlet::Engine::has_content() const {
  return !unsent_.empty() || std::ranges::any_of(rings(), [](const auto& ring) { return ring->content().size() > 0; });
}

// Whole frames, of all rings in turn; null when there are none.
Batch DnstapOutlet::Engine::gather() {
  auto batch = std::make_shared<std::string>(std::exchange(unsent_, {}));
  const auto from = rings();
  for (std::size_t i = 0; i < from.size(); ++i) {
    OctetRing& ring = *from[(first_ring_ + i) % from.size()];
    const OctetRing::Content content = ring.content();
    const std::size_t room = batch->size() < batch_octets_max ? batch_octets_max - batch->size() : 0;
    const std::size_t begin = batch->size();
    batch->append(content.first.substr(0, room));
    if (content.first.size() < room) batch->append(content.second.substr(0, room - content.first.size()));
    if (content.size() > room) batch->resize(begin + frame_boundary(std::string_view(*batch).substr(begin), room));
    ring.take(batch->size() - begin);
  }
  ++first_ring_;
  if (batch->empty()) return nullptr;
  return batch;
}

void DnstapOutlet::Engine::pump() {
  if (has_ended_) return;
  while (true) {
    std::vector<std::shared_ptr<DnstapLink>> open;
    std::ranges::copy_if(links_, std::back_inserter(open), [](const auto& link) { return link->is_open(); });
    if (!endpoint_.listens) {
      // The rings are the place to wait.
      if (open.empty() || open.front()->waiting_octets() > batch_octets_max) return;
    }
    const Batch batch = gather();
    if (batch == nullptr) break;
    const std::uint64_t frames = count_frames(*batch);
    for (const auto& link : open) {
      const bool has_room = link->waiting_octets() + batch->size() <= receiver_octets_max;
      (has_room ? sent_ : lost_) += frames;
      if (has_room) link->send(batch);
    }
  }
  if (!is_stopping_) return;
  // By value: a link that ends leaves the list.
  for (const auto& link : std::vector(links_)) {
    if (link->is_open()) link->finish();
  }
}

void DnstapOutlet::Engine::report_losses() {
  const std::uint64_t lost = figures().lost;
  if (lost == reported_) return;
  say(base::LogLevel::warning, "drop",
      plural(lost) + " to " + endpoint_.name + " were lost so far: the receiver is away, or takes them too slowly");
  reported_ = lost;
}

// --- the end

void DnstapOutlet::Engine::stop() {
  if (std::exchange(is_stopping_, true)) return;
  retry_timer_.cancel();
  Error ignored;
  if (acceptor_ != nullptr) {
    acceptor_->close(ignored);
    struct stat status{};
    const bool is_ours = bound_.second != 0 && stat(endpoint_.path.c_str(), &status) == 0 &&
                         bound_ == std::pair(status.st_dev, status.st_ino);
    if (is_ours) unlink(endpoint_.path.c_str());
  }
  if (connecting_ != nullptr) connecting_->close(ignored);
  std::erase_if(links_, [](const auto& link) {
    if (link->is_open()) return false;
    link->detach();
    return true;
  });
  if (links_.empty()) return end();
  stop_timer_.expires_after(dnstap_stop_max);
  stop_timer_.async_wait([self = shared_from_this()](const Error& error) {
    if (!error) self->end();
  });
  pump();
}

void DnstapOutlet::Engine::end() {
  if (std::exchange(has_ended_, true)) return;
  for (const auto& link : std::exchange(links_, {})) {
    link->detach();
    lost_ += endpoint_.listens ? 0 : count_frames(link->take_unsent());
  }
  for (const auto& ring : rings()) {
    const OctetRing::Content content = ring->content();
    lost_ += count_frames(std::string(content.first).append(content.second));
    ring->take(content.size());
  }
  receivers_ = 0;
  look_timer_.cancel();
  stop_timer_.cancel();
  // Last: who waits for it looks at rings and figures then.
  has_stopped_ = true;
}

// --- from outside

DnstapOutlet::DnstapOutlet(std::shared_ptr<asio::io_context> io, DnstapEndpoint endpoint)
    : io_(std::move(io)), engine_(std::make_shared<Engine>(*io_, std::move(endpoint))) {
  asio::post(*io_, [engine = engine_] { engine->start(); });
}
DnstapOutlet::~DnstapOutlet() { stop(); }

std::shared_ptr<OctetRing> DnstapOutlet::ring_of(unsigned worker) { return engine_->ring_of(worker); }
bool DnstapOutlet::is_wanted() const { return engine_->is_wanted(); }
void DnstapOutlet::push(OctetRing& ring, std::string_view frame) const {
  if (ring.push(frame) && ring.is_half_full()) engine_->wake();
}
DnstapOutlet::Figures DnstapOutlet::figures() const { return engine_->figures(); }
const std::string& DnstapOutlet::name() const { return engine_->name(); }
void DnstapOutlet::stop() {
  engine_->close();
  asio::post(*io_, [engine = engine_] { engine->stop(); });
}
bool DnstapOutlet::is_stopping() const { return engine_->is_stopping(); }
bool DnstapOutlet::has_stopped() const { return engine_->has_stopped(); }

}  // namespace fairlead::server
