#include "resolver/tls_upstream.hpp"

#include <algorithm>
#include <unordered_map>
#include <vector>

#include "zones/base/asio.hpp"

#include <boost/asio/ssl.hpp>

#include "resolver/limits.hpp"
#include "resolver/random.hpp"
#include "zones/dns/limits.hpp"
#include "zones/dns/message_reader.hpp"
#include "zones/dns/message_writer.hpp"

namespace fairlead::resolver {

struct TlsClientContext {
  asio::ssl::context context{asio::ssl::context::tls_client};
};

namespace {

using asio::ip::tcp;
using base::TimePoint;
using Octets = std::span<const std::uint8_t>;
using Error = boost::system::error_code;

constexpr std::chrono::milliseconds tick_period{50};
constexpr std::size_t length_octets = 2;
/// One record of TLS.
constexpr std::size_t read_octets = 16 * 1024;
constexpr std::size_t input_octets_max = length_octets + dns::message_octets_max + read_octets;

TimePoint now() { return std::chrono::steady_clock::now(); }

struct Pending {
  Upstream::Callback callback;
  std::vector<std::uint8_t> query;
  TimePoint sent{};
  bool is_repeated = false;
};

class TlsUpstream;

class TlsConnection : public std::enable_shared_from_this<TlsConnection> {
 public:
  TlsConnection(asio::io_context& io, const UpstreamConfig& config, TlsUpstream& owner)
      : config_(config), owner_(&owner), stream_(io, config.tls->context), created_(now()), last_used_(created_) {}

  void open();
  void submit(Pending pending);
  /// Ends the queries that waited too long.
  void expire_queries(TimePoint at);
  /// Ends everything with `error`; queries of a connection that worked are given another one.
  void fail(UpstreamError error);
  /// The owner goes away.
  void detach() { owner_ = nullptr; }

  bool is_closed() const { return is_closed_; }
  std::size_t outstanding() const { return pendings_.size(); }
  TimePoint created() const { return created_; }
  TimePoint last_used() const { return last_used_; }

 private:
  void on_open();
  void write();
  void read();
  bool take_replies();
  void take_reply(std::span<std::uint8_t> message);

  const UpstreamConfig config_;
  TlsUpstream* owner_;
  asio::ssl::stream<tcp::socket> stream_;
  std::unordered_map<std::uint16_t, Pending> pendings_;
  std::vector<std::uint8_t> output_;  // waits for the write under way to end
  std::vector<std::uint8_t> writing_;
  std::vector<std::uint8_t> input_;
  std::size_t input_size_ = 0;
  RandomIds ids_;
  const TimePoint created_;
  TimePoint last_used_;
  TimePoint last_reply_{};
  bool is_open_ = false;
  bool is_writing_ = false;
  bool is_closed_ = false;
};

class TlsUpstream final : public Upstream {
 public:
  TlsUpstream(asio::io_context& io, const UpstreamConfig& config)
      : Upstream(config.address), io_(io), config_(config), ticker_(io) {}
  ~TlsUpstream() override;

  void send(Octets query, Transport transport, Callback callback) override;
  void submit(Pending pending);
  void note_end() { counters().outstanding.set(--outstanding_); }
  bool is_closing() const { return is_closing_; }

 private:
  void start_ticker();
  void tick();

  asio::io_context& io_;
  const UpstreamConfig config_;
  std::shared_ptr<TlsConnection> current_;
  std::vector<std::shared_ptr<TlsConnection>> retired_;
  std::size_t outstanding_ = 0;
  asio::steady_timer ticker_;
  bool is_ticking_ = false;
  bool is_closing_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

void TlsConnection::open() {
  const std::string name =
      config_.address.tls_server_name.empty() ? config_.address.address.to_string() : config_.address.tls_server_name;
  Error error;
  stream_.set_verify_mode(asio::ssl::verify_peer, error);
  if (!error) stream_.set_verify_callback(asio::ssl::host_name_verification(name), error);
  // RFC 6066 §3: an address is no server name.
  if (!config_.address.tls_server_name.empty() &&
      SSL_set_tlsext_host_name(stream_.native_handle(), name.c_str()) != 1) {
    error = asio::error::invalid_argument;
  }
  const auto octets = config_.address.address.octets();
  tcp::endpoint endpoint;
  if (config_.address.address.is_v4()) {
    asio::ip::address_v4::bytes_type bytes;
    std::ranges::copy(octets, bytes.begin());
    endpoint = tcp::endpoint(asio::ip::address_v4(bytes), config_.address.port);
  } else {
    asio::ip::address_v6::bytes_type bytes;
    std::ranges::copy(octets, bytes.begin());
    endpoint = tcp::endpoint(asio::ip::address_v6(bytes), config_.address.port);
  }
  tcp::socket& socket = stream_.next_layer();
  if (!error) socket.open(endpoint.protocol(), error);
  Error ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  if (!error && config_.source_address && config_.source_address->is_v4() == config_.address.address.is_v4()) {
    socket.bind(tcp::endpoint(asio::ip::make_address(config_.source_address->to_string(), ignored), 0), error);
  }
  if (error) {
    asio::post(socket.get_executor(), [self = shared_from_this()] { self->fail(UpstreamError::unreachable); });
    return;
  }
  socket.async_connect(endpoint, [self = shared_from_this()](const Error& failed) {
    if (self->is_closed_) return;
    if (failed) return self->fail(UpstreamError::unreachable);
    self->stream_.async_handshake(asio::ssl::stream_base::client, [self](const Error& refused) {
      if (self->is_closed_) return;
      if (refused) return self->fail(UpstreamError::unreachable);
      self->on_open();
    });
  });
}

void TlsConnection::on_open() {
  is_open_ = true;
  input_.resize(read_octets);
  read();
  write();
}

void TlsConnection::submit(Pending pending) {
  // Random, and free: outstanding queries are far fewer than ids.
  std::uint16_t id = ids_.next();
  while (pendings_.contains(id)) ++id;
  std::vector<std::uint8_t>& query = pending.query;
  dns::write_u16(query.data(), id);
  const std::size_t at = output_.size();
  output_.resize(at + length_octets);
  dns::write_u16(&output_[at], static_cast<std::uint16_t>(query.size()));
  output_.insert(output_.end(), query.begin(), query.end());
  pendings_.emplace(id, std::move(pending));
  last_used_ = now();
  write();
}

void TlsConnection::write() {
  if (!is_open_ || is_writing_ || output_.empty()) return;
  is_writing_ = true;
  writing_.clear();
  writing_.swap(output_);
  asio::async_write(stream_, asio::buffer(writing_), [self = shared_from_this()](const Error& error, std::size_t) {
    if (self->is_closed_) return;
    self->is_writing_ = false;
    if (error) return self->fail(UpstreamError::unreachable);
    self->write();
  });
}

void TlsConnection::read() {
  stream_.async_read_some(asio::buffer(input_.data() + input_size_, input_.size() - input_size_),
                          [self = shared_from_this()](const Error& error, std::size_t octets) {
                            if (self->is_closed_) return;
                            if (error) return self->fail(UpstreamError::unreachable);
                            self->input_size_ += octets;
                            if (!self->take_replies()) return;
                            self->read();
                          });
}

// False when the connection ended meanwhile.
bool TlsConnection::take_replies() {
  std::size_t at = 0;
  while (input_size_ - at >= length_octets) {
    const std::size_t octets = dns::read_u16(&input_[at]);
    if (input_size_ - at - length_octets < octets) break;
    take_reply({&input_[at + length_octets], octets});
    if (is_closed_) return false;
    at += length_octets + octets;
  }
  std::copy(input_.begin() + static_cast<std::ptrdiff_t>(at), input_.begin() + static_cast<std::ptrdiff_t>(input_size_),
            input_.begin());
  input_size_ -= at;
  if (input_.size() - input_size_ < read_octets) {
    input_.resize(std::min(input_.size() + read_octets, input_octets_max));
  }
  return true;
}

void TlsConnection::take_reply(std::span<std::uint8_t> message) {
  if (!owner_) return;
  const auto ignore = [this] { owner_->counters().ignored_replies.add(); };
  if (message.size() < dns::header_octets || (message[2] & 0xf8) != 0x80) return ignore();
  const auto found = pendings_.find(dns::read_u16(message.data()));
  if (found == pendings_.end()) return ignore();
  // The question must be repeated; names in any case.
  const Octets query = found->second.query;
  dns::NameBuffer name;
  const auto behind = dns::read_name(query, dns::header_octets, name);
  dns::NameBuffer replied;
  const auto reply_behind = dns::read_name(message, dns::header_octets, replied);
  const bool is_match = behind && reply_behind && *behind == *reply_behind && message.size() - *behind >= 4 &&
                        dns::read_u16(&message[4]) == 1 && name.view() == replied.view() &&
                        std::equal(query.begin() + static_cast<std::ptrdiff_t>(*behind),
                                   query.begin() + static_cast<std::ptrdiff_t>(*behind) + 4,
                                   message.begin() + static_cast<std::ptrdiff_t>(*behind));
  if (!is_match) return ignore();
  Pending pending = std::move(found->second);
  pendings_.erase(found);
  last_used_ = last_reply_ = now();
  owner_->note_end();
  pending.callback(
      UpstreamReply{.message = message, .transport = Transport::tcp, .elapsed = last_reply_ - pending.sent});
}

void TlsConnection::expire_queries(TimePoint at) {
  std::vector<Pending> late;
  bool is_dead = false;
  for (auto entry = pendings_.begin(); entry != pendings_.end();) {
    if (at - entry->second.sent < config_.read_timeout) {
      ++entry;
      continue;
    }
    // Nothing at all came since: the path is dead, whatever TCP believes.
    if (last_reply_ < entry->second.sent) is_dead = true;
    late.push_back(std::move(entry->second));
    entry = pendings_.erase(entry);
  }
  const auto self = shared_from_this();
  for (Pending& pending : late) {
    owner_->note_end();
    pending.callback(std::unexpected(UpstreamError::timed_out));
  }
  if (is_dead && !is_closed_) fail(UpstreamError::unreachable);
}

void TlsConnection::fail(UpstreamError error) {
  if (is_closed_) return;
  is_closed_ = true;
  Error ignored;
  stream_.next_layer().close(ignored);
  std::unordered_map<std::uint16_t, Pending> pendings = std::move(pendings_);
  pendings_.clear();
  const bool has_worked = last_reply_ != TimePoint{};
  for (auto& [id, pending] : pendings) {
    if (owner_ && !owner_->is_closing() && has_worked && !pending.is_repeated) {
      pending.is_repeated = true;
      owner_->submit(std::move(pending));
      continue;
    }
    if (owner_) owner_->note_end();
    pending.callback(std::unexpected(error));
  }
}

TlsUpstream::~TlsUpstream() {
  is_closing_ = true;
  alive_.reset();
  if (current_) retired_.push_back(std::move(current_));
  for (const auto& connection : retired_) {
    connection->fail(UpstreamError::cancelled);
    connection->detach();
  }
}

void TlsUpstream::send(Octets query, Transport, Callback callback) {
  if (is_closing_) return callback(std::unexpected(UpstreamError::cancelled));
  counters().outstanding.set(++outstanding_);
  if (outstanding_ > tls_outstanding_max || query.size() < dns::header_octets ||
      query.size() > dns::message_octets_max) {
    // Held by the event loop until it runs: with the loop gone before, so is the caller.
    asio::post(io_, [this, alive = std::weak_ptr(alive_), late = std::move(callback)]() mutable {
      if (!alive.expired()) note_end();
      late(std::unexpected(alive.expired() ? UpstreamError::cancelled : UpstreamError::busy));
    });
    return;
  }
  submit(Pending{.callback = std::move(callback),
                 .query = std::vector<std::uint8_t>(query.begin(), query.end()),
                 .sent = now(),
                 .is_repeated = false});
}

void TlsUpstream::submit(Pending pending) {
  const auto slot = static_cast<std::size_t>(Transport::tcp);
  if (current_ && config_.max_age > base::Duration(0) && now() - current_->created() >= config_.max_age &&
      retired_.size() < retired_channels_max) {
    retired_.push_back(std::move(current_));
    current_ = nullptr;
  }
  if (!current_ || current_->is_closed()) {
    counters().connection_cache_misses[slot].add();
    current_ = std::make_shared<TlsConnection>(io_, config_, *this);
    current_->open();
  } else {
    counters().connection_cache_hits[slot].add();
  }
  current_->submit(std::move(pending));
  start_ticker();
}

void TlsUpstream::start_ticker() {
  if (is_ticking_) return;
  is_ticking_ = true;
  ticker_.expires_after(tick_period);
  ticker_.async_wait([this, alive = std::weak_ptr(alive_)](const Error& error) {
    if (error || alive.expired()) return;
    is_ticking_ = false;
    tick();
  });
}

void TlsUpstream::tick() {
  const TimePoint at = now();
  // Callbacks may send and so replace `current_` and append to `retired_`.
  if (const auto connection = current_) connection->expire_queries(at);
  for (std::size_t i = 0; i < retired_.size(); ++i) {
    const auto connection = retired_[i];
    connection->expire_queries(at);
  }
  if (current_ &&
      (current_->is_closed() || (current_->outstanding() == 0 && at - current_->last_used() >= config_.expire))) {
    current_->fail(UpstreamError::unreachable);
    current_ = nullptr;
  }
  std::erase_if(retired_, [](const auto& connection) {
    if (connection->outstanding() > 0) return false;
    connection->fail(UpstreamError::unreachable);
    return true;
  });
  if (current_ || !retired_.empty()) start_ticker();
}

}  // namespace

std::expected<std::shared_ptr<TlsClientContext>, std::string> make_tls_client_context(const TlsClientFiles& files) {
  auto made = std::make_shared<TlsClientContext>();
  asio::ssl::context& context = made->context;
  Error error;
  const auto fail = [&error](const std::string& what) { return std::unexpected(what + ": " + error.message()); };
  SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  if (files.ca_file.empty()) {
    context.set_default_verify_paths(error);
    if (error) return fail("cannot load the system's CA certificates");
  } else {
    context.load_verify_file(files.ca_file, error);
    if (error) return fail("cannot load CA certificates from " + files.ca_file);
  }
  if (!files.certificate_file.empty()) {
    context.use_certificate_chain_file(files.certificate_file, error);
    if (error) return fail("cannot load a certificate from " + files.certificate_file);
    context.use_private_key_file(files.key_file, asio::ssl::context::pem, error);
    if (error) return fail("cannot load a key from " + files.key_file);
  }
  return made;
}

std::unique_ptr<Upstream> make_tls_upstream(asio::io_context& io, const UpstreamConfig& config) {
  if (!config.tls) return nullptr;
  return std::make_unique<TlsUpstream>(io, config);
}

}  // namespace fairlead::resolver
