#include "resolver/tls_connection.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <openssl/x509v3.h>
#include <unistd.h>

#include "resolver/limits.hpp"
#include "resolver/tls_upstream.hpp"
#include "zones/dns/limits.hpp"
#include "zones/dns/message_reader.hpp"
#include "zones/dns/message_writer.hpp"

namespace fairlead::resolver {
namespace {

using asio::ip::tcp;
using base::TimePoint;
using Octets = std::span<const std::uint8_t>;
using Error = boost::system::error_code;

constexpr std::size_t length_octets = 2;
/// One record of TLS.
constexpr std::size_t read_octets = 16 * 1024;
constexpr std::size_t input_octets_max = length_octets + dns::message_octets_max + read_octets;

TimePoint now() { return std::chrono::steady_clock::now(); }

asio::ip::address make_address(const base::IpAddress& address) {
  const auto octets = address.octets();
  if (address.is_v4()) {
    asio::ip::address_v4::bytes_type bytes;
    std::ranges::copy(octets, bytes.begin());
    return asio::ip::address_v4(bytes);
  }
  asio::ip::address_v6::bytes_type bytes;
  std::ranges::copy(octets, bytes.begin());
  return asio::ip::address_v6(bytes);
}

// Where OpenSSL keeps the connection that an SSL object belongs to.
int connection_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

// RFC 8446 §4.6.1: tickets come behind the handshake, from within a read. 1: the session is ours now.
int on_new_session(SSL* ssl, SSL_SESSION* session) {
  auto* const connection = static_cast<TlsConnection*>(SSL_get_ex_data(ssl, connection_index()));
  if (connection == nullptr) return 0;
  connection->keep_session(TlsSession(session));
  return 1;
}

// A resumed handshake shows no certificate: one that has expired meanwhile must be shown anew.
bool is_certificate_valid(const TlsSession& session) {
  const X509* const certificate = SSL_SESSION_get0_peer(session.get());
  return certificate != nullptr && X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0;
}

// Whether `message` repeats the question of `query`; the name in any case.
bool is_reply_to(Octets query, Octets message) {
  dns::NameBuffer name;
  const auto behind = dns::read_name(query, dns::header_octets, name);
  dns::NameBuffer replied;
  const auto reply_behind = dns::read_name(message, dns::header_octets, replied);
  return behind && reply_behind && *behind == *reply_behind && message.size() - *behind >= 4 &&
         dns::read_u16(&message[4]) == 1 && name.view() == replied.view() &&
         std::ranges::equal(query.subspan(*behind, 4), message.subspan(*behind, 4));
}

}  // namespace

TlsConnection::TlsConnection(asio::io_context& io, const UpstreamConfig& config, TlsConnectionOwner& owner)
    : config_(config), owner_(&owner), stream_(io, config.tls->context), created_(now()), last_used_(created_) {
  SSL_set_ex_data(stream_.native_handle(), connection_index(), this);
}

bool TlsConnection::is_full() const { return output_.size() > tls_output_octets_max; }

bool TlsConnection::set_up_verification() {
  SSL* const ssl = stream_.native_handle();
  SSL_set_verify(ssl, SSL_VERIFY_PEER, nullptr);
  const std::string& name = config_.address.tls_server_name;
  if (name.empty()) {
    // RFC 6066 §3: an address is no server name, so none is sent.
    return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), config_.address.address.to_string().c_str()) == 1;
  }
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  return SSL_set1_host(ssl, name.c_str()) == 1 && SSL_set_tlsext_host_name(ssl, name.c_str()) == 1;
}

void TlsConnection::open() {
  const tcp::endpoint endpoint(make_address(config_.address.address), config_.address.port);
  tcp::socket& socket = stream_.next_layer();
  Error error;
  std::string reason;
  if (!set_up_verification()) reason = "the server name cannot be used";
  if (reason.empty()) {
    socket.open(endpoint.protocol(), error);
    if (error) reason = error.message();
  }
  Error ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  const auto& source = config_.source_address;
  if (reason.empty() && source && source->is_v4() != config_.address.address.is_v4()) {
    reason = "source address " + source->to_string() + ": of the other family";
  } else if (reason.empty() && source) {
    socket.bind(tcp::endpoint(make_address(*source), 0), error);
    if (error) reason = "source address " + source->to_string() + ": " + error.message();
  }
  if (!reason.empty()) {
    asio::post(socket.get_executor(),
               [self = shared_from_this(), reason] { self->fail({UpstreamError::unreachable, reason}); });
    return;
  }
  socket.async_connect(endpoint, [self = shared_from_this()](const Error& failed) {
    if (self->is_closed_) return;
    if (failed) return self->fail({UpstreamError::unreachable, failed.message()});
    self->shake_hands();
  });
}

void TlsConnection::shake_hands() {
  // Not before there is someone to shake hands with: a session is used once.
  if (const TlsSession session = owner_->take_session(); session && is_certificate_valid(session)) {
    SSL_set_session(stream_.native_handle(), session.get());
  }
  stream_.async_handshake(asio::ssl::stream_base::client, [self = shared_from_this()](const Error& refused) {
    if (!self->is_closed_) self->on_handshake(refused);
  });
}

void TlsConnection::on_handshake(const Error& refused) {
  SSL* const ssl = stream_.native_handle();
  if (refused) {
    const long verified = SSL_get_verify_result(ssl);
    std::string reason = verified == X509_V_OK ? refused.message() : X509_verify_cert_error_string(verified);
    if (verified == X509_V_ERR_HOSTNAME_MISMATCH || verified == X509_V_ERR_IP_ADDRESS_MISMATCH) {
      const std::string& name = config_.address.tls_server_name;
      reason += ", the certificate is not for " + (name.empty() ? config_.address.address.to_string() : name);
    }
    return fail({UpstreamError::tls_failed, std::move(reason)});
  }
  is_open_ = true;
  const bool is_resumed = SSL_session_reused(ssl) == 1;
  // Below TLS 1.3 a session may be used again, and a new one comes with full handshakes alone.
  if (is_resumed && SSL_version(ssl) < TLS1_3_VERSION) keep_session(TlsSession(SSL_get1_session(ssl)));
  owner_->on_open(is_resumed);
  input_.resize(read_octets);
  read();
  write();
}

void TlsConnection::keep_session(TlsSession session) {
  if (owner_ && !is_closed_) owner_->keep_session(std::move(session));
}

void TlsConnection::submit(TlsQuery query) {
  // Random, and free: outstanding queries are far fewer than ids.
  std::uint16_t id = ids_.next();
  while (queries_.contains(id)) ++id;
  std::vector<std::uint8_t>& octets = query.octets;
  dns::write_u16(octets.data(), id);
  const std::size_t at = output_.size();
  output_.resize(at + length_octets);
  dns::write_u16(&output_[at], static_cast<std::uint16_t>(octets.size()));
  output_.insert(output_.end(), octets.begin(), octets.end());
  queries_.emplace(id, std::move(query));
  last_used_ = now();
  write();
}

void TlsConnection::write() {
  if (!is_open_ || is_writing_ || output_.empty()) return;
  is_writing_ = true;
  write_started_ = now();
  writing_.clear();
  writing_.swap(output_);
  asio::async_write(stream_, asio::buffer(writing_), [self = shared_from_this()](const Error& error, std::size_t) {
    if (self->is_closed_) return;
    self->is_writing_ = false;
    if (error) return self->fail({UpstreamError::unreachable, error.message()});
    self->write();
  });
}

void TlsConnection::read() {
  stream_.async_read_some(
      asio::buffer(input_.data() + input_size_, input_.size() - input_size_),
      [self = shared_from_this()](const Error& error, std::size_t octets) {
        if (self->is_closed_) return;
        // With TLS 1.3 a certificate of ours that is not liked is refused here.
        const bool is_tls = error.category() == asio::error::get_ssl_category();
        if (error) {
          return self->fail({is_tls ? UpstreamError::tls_failed : UpstreamError::unreachable, error.message()});
        }
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
  const auto found = message.size() < dns::header_octets || (message[2] & 0xf8) != 0x80
                         ? queries_.end()
                         : queries_.find(dns::read_u16(message.data()));
  if (found == queries_.end() || !is_reply_to(found->second.octets, message)) return owner_->on_ignored();
  TlsQuery query = std::move(found->second);
  queries_.erase(found);
  last_used_ = last_reply_ = now();
  owner_->on_reply();
  owner_->on_end();
  query.callback(UpstreamReply{.message = message, .transport = Transport::tcp, .elapsed = last_reply_ - query.sent});
}

void TlsConnection::expire_queries(TimePoint at) {
  if (is_closed_) return;
  std::vector<TlsQuery> late;
  // The peer takes nothing, or nothing at all came since: the path is dead, whatever TCP believes.
  bool is_dead = is_writing_ && at - write_started_ >= config_.read_timeout;
  for (auto entry = queries_.begin(); entry != queries_.end();) {
    if (at - entry->second.sent < config_.read_timeout) {
      ++entry;
      continue;
    }
    if (last_reply_ < entry->second.sent) is_dead = true;
    late.push_back(std::move(entry->second));
    entry = queries_.erase(entry);
  }
  const auto self = shared_from_this();
  for (TlsQuery& query : late) {
    if (owner_) owner_->on_end();
    query.callback(std::unexpected(UpstreamError::timed_out));
  }
  if (is_dead) fail({UpstreamError::timed_out, is_open_ ? "no reply on the connection" : "no handshake in time"});
}

void TlsConnection::fail(const TlsFailure& failure) {
  if (is_closed_) return;
  is_closed_ = true;
  // OpenSSL takes the session of a connection that ends without goodbye for unusable.
  SSL_set_shutdown(stream_.native_handle(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  Error ignored;
  stream_.next_layer().close(ignored);
  std::unordered_map<std::uint16_t, TlsQuery> queries = std::move(queries_);
  queries_.clear();
  const bool has_worked = last_reply_ != TimePoint{};
  const auto self = shared_from_this();
  if (owner_ && failure.error != UpstreamError::cancelled) owner_->on_broken(failure, has_worked);
  for (auto& [id, query] : queries) {
    if (owner_ && failure.error != UpstreamError::cancelled && has_worked && !query.is_repeated) {
      query.is_repeated = true;
      owner_->repeat(std::move(query));
      continue;
    }
    if (owner_) owner_->on_end();
    query.callback(std::unexpected(failure.error));
  }
}

void TlsConnection::detach() {
  close();
  owner_ = nullptr;
}

std::expected<std::shared_ptr<TlsClientContext>, std::string> make_tls_client_context(const TlsClientFiles& files) {
  auto made = std::make_shared<TlsClientContext>();
  asio::ssl::context& context = made->context;
  Error error;
  const auto fail = [](const std::string& what, const std::string& file) {
    // OpenSSL's own words for a file that is not there are none.
    const bool is_there = ::access(file.c_str(), R_OK) == 0;
    return std::unexpected(what + " from " + file + ": " +
                           (is_there ? "it holds none that can be used" : std::strerror(errno)));
  };
  SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  // Neither is a stream that ends without goodbye a fault of its session: messages carry their length.
  SSL_CTX_set_options(context.native_handle(), SSL_OP_IGNORE_UNEXPECTED_EOF);
  // Sessions belong to an upstream and are kept there.
  SSL_CTX_set_session_cache_mode(context.native_handle(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context.native_handle(), &on_new_session);
  if (files.ca_file.empty()) {
    context.set_default_verify_paths(error);
    if (error) return std::unexpected("cannot load the system's CA certificates: " + error.message());
  } else {
    context.load_verify_file(files.ca_file, error);
    if (error) return fail("cannot load CA certificates", files.ca_file);
  }
  if (!files.certificate_file.empty()) {
    context.use_certificate_chain_file(files.certificate_file, error);
    if (error) return fail("cannot load a certificate", files.certificate_file);
    context.use_private_key_file(files.key_file, asio::ssl::context::pem, error);
    if (error) return fail("cannot load the certificate's key", files.key_file);
  }
  return made;
}

}  // namespace fairlead::resolver
