#include "server/control/dnstap_stream.hpp"

#include <utility>

#include <boost/asio/ssl.hpp>

namespace fairlead::server {

struct DnstapTls {
  explicit DnstapTls(asio::ssl::context::method method) : context(method) {
    SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  }
  asio::ssl::context context;
  std::string host;  // empty for a server
};

namespace {

using Error = boost::system::error_code;

class PlainStream final : public DnstapStream {
 public:
  explicit PlainStream(StreamSocket socket) : socket_(std::move(socket)) {}

  void shake_hands(Done done) override {
    asio::post(socket_.get_executor(), [done = std::move(done)] { done({}, 0); });
  }
  void write_some(std::string_view octets, Done done) override {
    socket_.async_write_some(asio::buffer(octets.data(), octets.size()), std::move(done));
  }
  void read_some(std::span<char> buffer, Done done) override {
    socket_.async_read_some(asio::buffer(buffer.data(), buffer.size()), std::move(done));
  }
  void close() override {
    Error ignored;
    socket_.close(ignored);
  }

 private:
  StreamSocket socket_;
};

class TlsStream final : public DnstapStream {
 public:
  TlsStream(StreamSocket socket, std::shared_ptr<DnstapTls> tls)
      : tls_(std::move(tls)), stream_(std::move(socket), tls_->context) {
    if (tls_->host.empty()) return;
    Error no_address;
    asio::ip::make_address(tls_->host, no_address);
    // RFC 6066 §3: an address is no server name.
    if (no_address) SSL_set_tlsext_host_name(stream_.native_handle(), tls_->host.c_str());
  }

  void shake_hands(Done done) override {
    const auto side = tls_->host.empty() ? asio::ssl::stream_base::server : asio::ssl::stream_base::client;
    stream_.async_handshake(side, [done = std::move(done)](const Error& error) { done(error, 0); });
  }
  void write_some(std::string_view octets, Done done) override {
    stream_.async_write_some(asio::buffer(octets.data(), octets.size()), std::move(done));
  }
  void read_some(std::span<char> buffer, Done done) override {
    stream_.async_read_some(asio::buffer(buffer.data(), buffer.size()), std::move(done));
  }
  void close() override {
    Error ignored;
    stream_.next_layer().close(ignored);
  }

 private:
  const std::shared_ptr<DnstapTls> tls_;
  asio::ssl::stream<StreamSocket> stream_;
};

}  // namespace

std::shared_ptr<DnstapTls> make_client_tls(const std::string& host, bool skip_verify) {
  auto tls = std::make_shared<DnstapTls>(asio::ssl::context::tls_client);
  tls->host = host;
  if (skip_verify) {
    tls->context.set_verify_mode(asio::ssl::verify_none);
    return tls;
  }
  Error ignored;  // without CAs no certificate is good
  tls->context.set_default_verify_paths(ignored);
  tls->context.set_verify_mode(asio::ssl::verify_peer);
  tls->context.set_verify_callback(asio::ssl::host_name_verification(host));
  return tls;
}

std::expected<std::shared_ptr<DnstapTls>, std::string> make_server_tls(const DnstapOptions::ServerTls& files,
                                                                       bool skip_verify) {
  auto tls = std::make_shared<DnstapTls>(asio::ssl::context::tls_server);
  const auto fault = [](const std::string& file, std::string_view what, const Error& error) {
    return std::unexpected("'" + file + "' is not " + std::string(what) + " that can be used: " + error.message());
  };
  Error error;
  tls->context.use_certificate_chain_file(files.certificate_file, error);
  if (error) return fault(files.certificate_file, "a certificate", error);
  tls->context.use_private_key_file(files.key_file, asio::ssl::context::pem, error);
  if (error) return fault(files.key_file, "the key of '" + files.certificate_file + "'", error);
  if (files.ca_file.empty()) return tls;
  tls->context.load_verify_file(files.ca_file, error);
  if (error) return fault(files.ca_file, "a file of CA certificates", error);
  const auto mode = asio::ssl::verify_peer | (skip_verify ? 0 : asio::ssl::verify_fail_if_no_peer_cert);
  tls->context.set_verify_mode(mode);
  return tls;
}

std::unique_ptr<DnstapStream> make_dnstap_stream(StreamSocket socket, const std::shared_ptr<DnstapTls>& tls) {
  if (tls == nullptr) return std::make_unique<PlainStream>(std::move(socket));
  return std::make_unique<TlsStream>(std::move(socket), tls);
}

}  // namespace fairlead::server
