// A small HTTP server on a loopback port whose answers a test writes byte by byte: chunks, silence, resets, TLS.
//
// Threads: one for accepting, one a connection; the handler runs on the latter.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

typedef struct ssl_st SSL;
typedef struct ssl_ctx_st SSL_CTX;

namespace fairlead::k8s::testing {

/// A certificate authority of the test's own and what it signs.
struct TestCertificate {
  std::string certificate, key;  // PEM
};
TestCertificate make_authority(const std::string& name);
/// `alternative_name` as OpenSSL writes it: "IP:127.0.0.1", "IP:::1", "DNS:api.test"; empty: none (a client).
TestCertificate make_certificate(const TestCertificate& authority, const std::string& name,
                                 const std::string& alternative_name);

class ScriptedServer {
 public:
  struct Request {
    std::string target;
    std::map<std::string, std::string> headers;  // names in lower case
    bool has(std::string_view part) const { return target.find(part) != std::string::npos; }
  };

  class Reply {
   public:
    Reply(int socket, SSL* ssl, const std::atomic<bool>& stopping) : socket_(socket), ssl_(ssl), stopping_(stopping) {}
    /// A whole answer.
    void respond(int status, std::string_view body, std::string_view headers = "");
    void begin(int status = 200, std::string_view headers = "");
    void chunk(std::string_view body);
    void end() { raw("0\r\n\r\n"); }
    void raw(std::string_view bytes);
    /// Ends the connection with a reset.
    void reset();
    /// Ends the connection in the midst of things.
    void drop() { open_ = false; }
    /// Until the client goes away, the server stops or `wanted` is true.
    void hold(const std::function<bool()>& wanted = {});
    bool is_open() const { return open_; }

   private:
    int socket_;
    SSL* ssl_;
    const std::atomic<bool>& stopping_;
    bool open_ = true;
  };
  using Handler = std::function<void(const Request&, Reply&)>;

  struct Options {
    bool ipv6 = false;
    int port = 0;
    TestCertificate certificate;  // set: TLS
    std::string client_ca;        // set: clients must prove themselves
  };

  explicit ScriptedServer(Handler handler) : ScriptedServer(std::move(handler), Options{}) {}
  ScriptedServer(Handler handler, Options options);
  ~ScriptedServer();

  int port() const { return port_; }
  std::string url() const;

 private:
  void accept_connections();
  void serve(int socket);

  Handler handler_;
  Options options_;
  int listener_ = -1;
  int port_ = 0;
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> tls_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::list<int> sockets_;
  std::list<std::thread> connections_;
  std::thread acceptor_;
};

}  // namespace fairlead::k8s::testing
