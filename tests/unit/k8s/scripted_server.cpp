#include "unit/k8s/scripted_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <optional>
#include <stdexcept>

namespace fairlead::k8s::testing {

namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long octets = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(octets)};
}

Certificate read_certificate(const std::string& pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
  return {PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), &X509_free};
}

Key read_key(const std::string& pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
  return {PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr), &EVP_PKEY_free};
}

void extend(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  if (extension == nullptr) throw std::runtime_error("extension " + value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

TestCertificate make(const TestCertificate* authority, const std::string& name, const std::string& alternative_name) {
  static std::atomic<long> serial{1};
  const Key key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  const Certificate certificate(X509_new(), &X509_free);
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial++);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* const subject = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1,
                             0);
  if (authority == nullptr) {
    X509_set_issuer_name(certificate.get(), subject);
    extend(certificate.get(), certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
    X509_sign(certificate.get(), key.get(), EVP_sha256());
  } else {
    const Certificate issuer = read_certificate(authority->certificate);
    const Key issuer_key = read_key(authority->key);
    X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer.get()));
    if (!alternative_name.empty()) extend(certificate.get(), issuer.get(), NID_subject_alt_name, alternative_name);
    X509_sign(certificate.get(), issuer_key.get(), EVP_sha256());
  }
  TestCertificate made;
  const Bio certificate_text(BIO_new(BIO_s_mem()), &BIO_free), key_text(BIO_new(BIO_s_mem()), &BIO_free);
  PEM_write_bio_X509(certificate_text.get(), certificate.get());
  PEM_write_bio_PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  made.certificate = text_of(certificate_text.get());
  made.key = text_of(key_text.get());
  return made;
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

}  // namespace

TestCertificate make_authority(const std::string& name) { return make(nullptr, name, ""); }
TestCertificate make_certificate(const TestCertificate& authority, const std::string& name,
                                 const std::string& alternative_name) {
  return make(&authority, name, alternative_name);
}

void ScriptedServer::Reply::raw(std::string_view bytes) {
  while (open_ && !bytes.empty()) {
    const long sent = ssl_ != nullptr ? SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()))
                                      : ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) {
      open_ = false;
      return;
    }
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void ScriptedServer::Reply::respond(int status, std::string_view body, std::string_view headers) {
  raw("HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Type: application/json\r\nContent-Length: " +
      std::to_string(body.size()) + "\r\n" + std::string(headers) + "\r\n" + std::string(body));
}

void ScriptedServer::Reply::begin(int status, std::string_view headers) {
  raw("HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n" +
      std::string(headers) + "\r\n");
}

void ScriptedServer::Reply::chunk(std::string_view body) {
  if (body.empty()) return;  // that would be the end
  char size[20];
  std::snprintf(size, sizeof size, "%zx\r\n", body.size());
  raw(std::string(size) + std::string(body) + "\r\n");
}

void ScriptedServer::Reply::reset() {
  const linger hard{1, 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  open_ = false;
}

void ScriptedServer::Reply::hold(const std::function<bool()>& wanted) {
  while (open_ && !stopping_ && !(wanted && wanted())) {
    pollfd entry{socket_, POLLIN, 0};
    if (::poll(&entry, 1, 5) <= 0) continue;
    char octet = 0;
    const long got = ::recv(socket_, &octet, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK)) {
      open_ = false;
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));  // TLS records of no interest
    }
  }
}

ScriptedServer::ScriptedServer(Handler handler, Options options)
    : handler_(std::move(handler)), options_(std::move(options)), tls_(nullptr, &SSL_CTX_free) {
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
  if (!options_.certificate.certificate.empty()) {
    tls_.reset(SSL_CTX_new(TLS_server_method()));
    SSL_CTX_use_certificate(tls_.get(), read_certificate(options_.certificate.certificate).get());
    SSL_CTX_use_PrivateKey(tls_.get(), read_key(options_.certificate.key).get());
    if (!options_.client_ca.empty()) {
      X509_STORE_add_cert(SSL_CTX_get_cert_store(tls_.get()), read_certificate(options_.client_ca).get());
      SSL_CTX_set_verify(tls_.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    }
  }
  listener_ = ::socket(options_.ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  v4.sin_port = htons(static_cast<std::uint16_t>(options_.port));
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_addr = in6addr_loopback;
  v6.sin6_port = v4.sin_port;
  sockaddr* const address = options_.ipv6 ? reinterpret_cast<sockaddr*>(&v6) : reinterpret_cast<sockaddr*>(&v4);
  socklen_t octets = options_.ipv6 ? sizeof v6 : sizeof v4;
  if (::bind(listener_, address, octets) != 0 || ::listen(listener_, 64) != 0) throw std::runtime_error("bind");
  ::getsockname(listener_, address, &octets);
  port_ = ntohs(options_.ipv6 ? v6.sin6_port : v4.sin_port);
  acceptor_ = std::thread([this] { accept_connections(); });
}

ScriptedServer::~ScriptedServer() {
  stopping_ = true;
  acceptor_.join();
  ::close(listener_);
  {
    const std::scoped_lock lock(mutex_);
    for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
  }
  for (std::thread& connection : connections_) connection.join();
}

std::string ScriptedServer::url() const {
  return std::string(tls_ ? "https://" : "http://") + (options_.ipv6 ? "[::1]" : "127.0.0.1") + ":" +
         std::to_string(port_);
}

void ScriptedServer::accept_connections() {
  while (!stopping_) {
    pollfd entry{listener_, POLLIN, 0};
    if (::poll(&entry, 1, 5) <= 0) continue;
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) continue;
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const std::scoped_lock lock(mutex_);
    sockets_.push_back(socket);
    connections_.emplace_back([this, socket] {
      serve(socket);
      const std::scoped_lock closing(mutex_);
      sockets_.remove(socket);
      ::close(socket);
    });
  }
}

void ScriptedServer::serve(int socket) {
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl(nullptr, &SSL_free);
  if (tls_) {
    ssl.reset(SSL_new(tls_.get()));
    SSL_set_fd(ssl.get(), socket);
    if (SSL_accept(ssl.get()) != 1) return;
  }
  std::string received;
  while (!stopping_) {
    std::size_t end = 0;
    while ((end = received.find("\r\n\r\n")) == std::string::npos) {
      char piece[4096];
      const long got = ssl ? SSL_read(ssl.get(), piece, sizeof piece) : ::recv(socket, piece, sizeof piece, 0);
      if (got <= 0) return;
      received.append(piece, static_cast<std::size_t>(got));
    }
    Request request;
    const std::string head = received.substr(0, end + 2);
    received.erase(0, end + 4);
    const std::size_t space = head.find(' ');
    request.target = head.substr(space + 1, head.find(' ', space + 1) - space - 1);
    for (std::size_t at = head.find("\r\n") + 2; at < head.size();) {
      const std::size_t line_end = head.find("\r\n", at);
      const std::string line = head.substr(at, line_end - at);
      const std::size_t colon = line.find(':');
      if (colon != std::string::npos) {
        const std::size_t value = line.find_first_not_of(' ', colon + 1);
        request.headers[lower(line.substr(0, colon))] = value == std::string::npos ? "" : line.substr(value);
      }
      at = line_end + 2;
    }
    Reply reply(socket, ssl.get(), stopping_);
    handler_(request, reply);
    if (!reply.is_open()) return;
  }
}

}  // namespace fairlead::k8s::testing
