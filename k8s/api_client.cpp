// The only <cpprest/...>. Its exceptions end in this file.
//
// What is peculiar about the library, and met here: its thread pool is set once per process; a sink that throws ends
// the process; the body may arrive before the task of the header has run, and an error's body comes the same way as
// a good one; the host of a URL goes to the resolver with the brackets of an IPv6 address; certificates of the system
// stay trusted unless the store is replaced; its gzip loses data.
#include "k8s/api_client.hpp"

// The library's headers use Asio's old names, which the rest of the project does without.
#undef BOOST_ASIO_NO_DEPRECATED

#include <utility>

#include <cpprest/http_client.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <pplx/threadpool.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <condition_variable>
#include <functional>
#include <mutex>

#include "k8s/gzip_stream.hpp"
#include "k8s/wire_format.hpp"
#include "zones/base/guarded.hpp"

namespace fairlead::k8s {

namespace http = web::http;
namespace ssl = boost::asio::ssl;
using boost::asio::ip::tcp;
using SteadyClock = std::chrono::steady_clock;

namespace {

// One: with two, every continuation of the library wakes the other thread, which took a third more time for an event.
// Nothing on it waits for anything else on it, and a piece of a list holds up the other watches for milliseconds.
constexpr int pool_threads = 1;
constexpr std::size_t error_octets_max = std::size_t{16} << 10;
// What may arrive before the header's task has run: normally nothing, or the rest of one packet.
constexpr std::size_t early_octets_max = std::size_t{4} << 20;
// The library's own deadline is only a net below ours: it knows one value for every request of a client.
constexpr std::chrono::minutes library_timeout{15};

void start_thread_pool_once() {
  static std::once_flag once;
  std::call_once(once, [] {
    // First, so that OpenSSL is cleaned up behind the pool: its threads hold state of it until they end.
    OPENSSL_init_ssl(0, nullptr);
    try {
      crossplat::threadpool::initialize_with_threads(pool_threads);
    } catch (const std::exception&) {
      // Somebody else was first, with a size of their own: that serves as well.
    }
  });
}

/// Why the last certificate was refused; the library says only that the handshake failed.
base::Guarded<std::string>& last_certificate_fault() {
  static base::Guarded<std::string> fault;
  return fault;
}

extern "C" int verify_certificate(X509_STORE_CTX* store, void*) {
  const int good = X509_verify_cert(store);
  const int error = X509_STORE_CTX_get_error(store);
  last_certificate_fault().with([&](std::string& fault) {
    if (good == 1) {
      fault.clear();
    } else if (error == X509_V_OK || error == X509_V_ERR_UNSPECIFIED || error == X509_V_ERR_APPLICATION_VERIFICATION) {
      fault = "its certificate is for another name or address";
    } else {
      fault = X509_verify_cert_error_string(error);
    }
  });
  return good;
}

void prepare_tls(ssl::context& context, const Credentials& credentials) {
  const auto tls = credentials.read_tls();
  if (!tls) throw std::runtime_error(tls.error());
  const ApiAccess& access = credentials.access();
  const auto named = [](const PemSource& source, std::string_view what) {
    return (source.file.empty() ? std::string("the kubeconfig's data") : source.file) + ": holds no usable " +
           std::string(what);
  };
  context.set_options(ssl::context::no_sslv2 | ssl::context::no_sslv3 | ssl::context::no_tlsv1 |
                      ssl::context::no_tlsv1_1);
  boost::system::error_code fault;
  if (!tls->ca.empty()) {
    X509_STORE* const store = X509_STORE_new();
    if (store == nullptr) throw std::bad_alloc();
    SSL_CTX_set_cert_store(context.native_handle(), store);  // takes it, frees the system's
    // Like Kubernetes' own clients: what stands in the file is trusted, be it a root or an intermediate.
    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
    context.add_certificate_authority(boost::asio::buffer(tls->ca), fault);
    if (fault) throw std::runtime_error(named(access.ca, "CA certificate: ") + fault.message());
  }
  if (!tls->certificate.empty()) {
    context.use_certificate_chain(boost::asio::buffer(tls->certificate), fault);
    if (fault) throw std::runtime_error(named(access.client_certificate, "client certificate: ") + fault.message());
    context.use_private_key(boost::asio::buffer(tls->key), ssl::context::pem, fault);
    if (fault) throw std::runtime_error(named(access.client_key, "key for the client certificate: ") + fault.message());
  }
  SSL_CTX_set_cert_verify_callback(context.native_handle(), &verify_certificate, nullptr);
}

/// Lets the kernel notice a peer that has vanished: a watch waits for minutes and sends nothing.
void prepare_socket(tcp::socket& socket, const ApiUrl& url) {
  boost::system::error_code fault;
  if (!socket.is_open()) {
    // Connecting would open it, too late for us; the family is only known for an address.
    const auto address = base::IpAddress::parse(url.host);
    if (!address) return;
    socket.open(address->is_v4() ? tcp::v4() : tcp::v6(), fault);
    if (fault) return;
  }
  const auto set = [&](int level, int option, int value) {
    ::setsockopt(socket.native_handle(), level, option, &value, sizeof value);
  };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 15);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 5);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, 30'000);
}

/// One request under way: where the library's threads and the waiting caller meet.
class Exchange {
 public:
  /// `on_header` gets the status of an answer, as soon as there is one.
  Exchange(BodySink& sink, std::unique_ptr<RequestGate::Pass> pass, std::function<void(int)> on_header)
      : sink_(sink), pass_(std::move(pass)), on_header_(std::move(on_header)), last_activity_(SteadyClock::now()) {}

  // From the library's threads. delivery_ keeps the pieces in order and is held while the sink works; mutex_ is
  // taken after it and never held for long.

  void take_header(int status, std::optional<std::chrono::seconds> retry_after, bool packed,
                   std::string_view content_type) {
    const std::scoped_lock delivery(delivery_);
    if (packed) gzip_ = std::make_unique<GzipStream>();
    {
      const std::scoped_lock lock(mutex_);
      status_ = status;
      retry_after_ = retry_after;
      last_activity_ = SteadyClock::now();
    }
    pass_.reset();
    on_header_(status);
    sink_.begin(status, content_type);
    deliver(early_);
    early_ = {};
    changed_.notify_all();
  }

  void take_body(std::string_view piece) noexcept {
    const std::scoped_lock delivery(delivery_);
    bool early = false;
    {
      const std::scoped_lock lock(mutex_);
      last_activity_ = SteadyClock::now();
      early = status_ == 0;
    }
    if (!early) {
      const auto before = sink_.patience();
      deliver(piece);
      if (sink_.patience() != before) wake();  // the waiting thread has another deadline now
    } else if (early_.size() + piece.size() <= early_octets_max) {
      early_.append(piece);
    } else {
      end("the body overtook its header");
    }
  }

  void finish(std::string fault) {
    const std::scoped_lock delivery(delivery_);
    pass_.reset();
    const std::scoped_lock lock(mutex_);
    done_ = true;
    fault_ = std::move(fault);
    if (fault_.empty() && gzip_ && !gzip_->is_complete() && !ended_) fault_ = "the gzip body is cut short";
    changed_.notify_all();
  }

  // From the caller's thread.

  /// Waits for the end, or for a reason to end it.
  std::optional<ApiResult::Phase> wait(const ApiRequest& request, SteadyClock::time_point start,
                                       const std::stop_token& stop) {
    const std::stop_callback wake(stop, [this] {
      const std::scoped_lock lock(mutex_);
      changed_.notify_all();
    });
    std::unique_lock lock(mutex_);
    while (!done_) {
      if (stop.stop_requested()) return ApiResult::Phase::cancelled;
      if (ended_) return unusable_.empty() ? ApiResult::Phase::stopped : ApiResult::Phase::body;
      const auto next = status_ == 0 ? start + request.answer_timeout
                                     : last_activity_ + sink_.patience().value_or(request.idle_timeout);
      const auto deadline = std::min(next, start + request.total_timeout);
      if (SteadyClock::now() >= deadline) return ApiResult::Phase::timed_out;
      changed_.wait_until(lock, deadline);
    }
    return std::nullopt;
  }

  void wait_for_end() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return done_; });
  }

  // After the end: nobody else is here any more.
  int status() const { return status_; }
  const std::optional<std::chrono::seconds>& retry_after() const { return retry_after_; }
  const std::string& error_text() const { return error_text_; }
  const std::string& fault() const { return unusable_.empty() ? fault_ : unusable_; }
  bool ended_by_sink() const { return ended_ && unusable_.empty(); }

 private:
  void deliver(std::string_view piece) noexcept {
    if (piece.empty() || ended_) return;
    if (!gzip_) {
      deliver_plain(piece);
    } else if (!gzip_->feed(piece, [this](std::string_view plain) { return deliver_plain(plain); })) {
      end("the body is no gzip");
    }
  }

  bool deliver_plain(std::string_view piece) noexcept {
    if (status_ >= 200 && status_ < 300) {
      if (!sink_.take(piece)) end({});
    } else if (error_text_.size() < error_octets_max) {
      error_text_.append(piece.substr(0, error_octets_max - error_text_.size()));
    }
    return !ended_;
  }

  void wake() noexcept {
    const std::scoped_lock lock(mutex_);
    changed_.notify_all();
  }

  /// Without a reason: the sink has enough.
  void end(std::string reason) noexcept {
    const std::scoped_lock lock(mutex_);
    ended_ = true;
    unusable_ = std::move(reason);
    changed_.notify_all();
  }

  BodySink& sink_;
  std::mutex delivery_;
  std::unique_ptr<RequestGate::Pass> pass_;  // until the header is here
  const std::function<void(int)> on_header_;
  std::string early_;
  std::string error_text_;
  std::unique_ptr<GzipStream> gzip_;

  std::mutex mutex_;
  std::condition_variable changed_;
  int status_ = 0;  // written with both locks held
  bool ended_ = false;
  bool done_ = false;
  std::optional<std::chrono::seconds> retry_after_;
  SteadyClock::time_point last_activity_;
  std::string unusable_;
  std::string fault_;
};

/// The library writes a body into this; nothing can be read from it.
class PushBuffer final : public concurrency::streams::details::streambuf_state_manager<std::uint8_t> {
 public:
  using Base = concurrency::streams::details::streambuf_state_manager<std::uint8_t>;
  using Base::int_type;
  using Base::off_type;
  using Base::pos_type;
  using Base::traits;

  explicit PushBuffer(std::shared_ptr<Exchange> exchange) : Base(std::ios_base::out), exchange_(std::move(exchange)) {}

  bool can_seek() const override { return false; }
  bool has_size() const override { return false; }
  std::size_t buffer_size(std::ios_base::openmode) const override { return 0; }
  void set_buffer_size(std::size_t, std::ios_base::openmode) override {}
  std::size_t in_avail() const override { return 0; }
  pos_type getpos(std::ios_base::openmode) const override { return static_cast<pos_type>(traits::eof()); }
  pos_type seekpos(pos_type, std::ios_base::openmode) override { return static_cast<pos_type>(traits::eof()); }
  pos_type seekoff(off_type, std::ios_base::seekdir, std::ios_base::openmode) override {
    return static_cast<pos_type>(traits::eof());
  }
  bool acquire(std::uint8_t*&, std::size_t&) override { return false; }
  void release(std::uint8_t*, std::size_t) override {}

 private:
  pplx::task<int_type> _putc(std::uint8_t octet) override {
    exchange_->take_body({reinterpret_cast<const char*>(&octet), 1});
    return pplx::task_from_result<int_type>(octet);
  }
  pplx::task<std::size_t> _putn(const std::uint8_t* data, std::size_t octets) override {
    exchange_->take_body({reinterpret_cast<const char*>(data), octets});
    return pplx::task_from_result(octets);
  }
  pplx::task<bool> _sync() override { return pplx::task_from_result(true); }
  pplx::task<int_type> _bumpc() override { return pplx::task_from_result<int_type>(traits::eof()); }
  int_type _sbumpc() override { return traits::eof(); }
  pplx::task<int_type> _getc() override { return pplx::task_from_result<int_type>(traits::eof()); }
  int_type _sgetc() override { return traits::eof(); }
  pplx::task<int_type> _nextc() override { return pplx::task_from_result<int_type>(traits::eof()); }
  pplx::task<int_type> _ungetc() override { return pplx::task_from_result<int_type>(traits::eof()); }
  pplx::task<std::size_t> _getn(std::uint8_t*, std::size_t) override { return pplx::task_from_result<std::size_t>(0); }
  std::size_t _scopy(std::uint8_t*, std::size_t) override { return 0; }
  std::uint8_t* _alloc(std::size_t) override { return nullptr; }
  void _commit(std::size_t) override {}

  std::shared_ptr<Exchange> exchange_;
};

std::optional<std::chrono::seconds> retry_after_of(const http::http_response& response) {
  const auto found = response.headers().find("Retry-After");
  if (found == response.headers().end()) return std::nullopt;
  const std::string& text = found->second;  // API servers send seconds, never a date
  unsigned seconds = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (fault != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return std::chrono::seconds(std::min(seconds, 3600U));
}

std::string printable(std::string_view text, std::size_t octets_max) {
  std::string result(text.substr(0, octets_max));
  for (char& c : result) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return result;
}

class CpprestClient final : public ApiClient {
 public:
  CpprestClient(ApiAccess access, ApiLimits limits)
      : credentials_(std::make_shared<Credentials>(std::move(access))),
        gate_(limits),
        client_(base_uri(), configuration()) {
    const ApiUrl& url = credentials_->access().url;
    const bool brackets = url.host.find(':') != std::string::npos;
    counters_.with([&](ApiCounters& counters) {
      counters.host = (brackets ? "[" + url.host + "]" : url.host) + ":" + std::to_string(url.port);
    });
  }

  ApiResult get(const ApiRequest& request, BodySink& sink, std::stop_token stop) override {
    ApiResult result;
    if (stop.stop_requested()) {
      result.phase = ApiResult::Phase::cancelled;
      return result;
    }
    auto token = credentials_->bearer_token();
    if (!token) {
      result.message = token.error();
      return result;
    }
    base::Duration waited{};
    auto pass = gate_.enter(request.is_watch, stop, waited);
    if (!pass) {
      result.phase = ApiResult::Phase::cancelled;
      return result;
    }
    const auto exchange = std::make_shared<Exchange>(sink, std::move(pass), [this](int status) {
      counters_.with([&](ApiCounters& counters) { ++counters.requests[std::to_string(status)]; });
    });
    const auto start = SteadyClock::now();
    pplx::cancellation_token_source cancellation;
    try {
      send(request, *token, exchange, cancellation.get_token());
    } catch (const std::exception& error) {
      result.message = error.what();
      return result;
    }
    const auto reason = exchange->wait(request, start, stop);
    if (reason) cancellation.cancel();
    // The sink is the caller's: not one step of the library may be left when this returns.
    exchange->wait_for_end();
    result = conclude(*exchange, reason);
    count(request, result, SteadyClock::now() - start, waited);
    return result;
  }

  std::string url() const override { return credentials_->access().url.to_string(); }

  ApiCounters counters() const override {
    return counters_.with([](const ApiCounters& counters) { return counters; });
  }

 private:
  web::uri base_uri() const {
    const ApiUrl& url = credentials_->access().url;
    // Set part by part: the host must not have brackets, or it is neither resolved nor found in a certificate.
    web::uri_builder builder;
    builder.set_scheme(url.tls ? "https" : "http").set_host(url.host).set_port(url.port).set_path(url.base_path);
    return builder.to_uri();
  }

  http::client::http_client_config configuration() const {
    http::client::http_client_config config;
    const ApiAccess& access = credentials_->access();
    config.set_timeout(library_timeout);
    config.set_max_redirects(0);
    config.set_validate_certificates(!access.skip_tls_verify);
    // An address is no server name (RFC 6066 §3).
    config.set_tlsext_sni_enabled(!access.tls_server_name.empty() || !base::IpAddress::parse(access.url.host));
    config.set_ssl_context_callback(
        [credentials = credentials_](ssl::context& context) { prepare_tls(context, *credentials); });
    config.set_nativehandle_options([url = access.url](http::client::native_handle handle) {
      if (url.tls) {
        prepare_socket(static_cast<ssl::stream<tcp::socket&>*>(handle)->next_layer(), url);
      } else {
        prepare_socket(*static_cast<tcp::socket*>(handle), url);
      }
    });
    return config;
  }

  void send(const ApiRequest& request, const std::string& token, const std::shared_ptr<Exchange>& exchange,
            const pplx::cancellation_token& cancellation) {
    const ApiAccess& access = credentials_->access();
    http::http_request message(http::methods::GET);
    message.set_request_uri(web::uri(request.target));
    message.headers().add("Accept", request.accept);
    if (request.compressed) message.headers().add("Accept-Encoding", "gzip");
    message.headers().add("User-Agent", "fairlead/" FAIRLEAD_VERSION);
    if (!token.empty()) message.headers().add("Authorization", "Bearer " + token);
    // The library verifies the certificate against this header if there is one.
    if (!access.tls_server_name.empty()) message.headers().add("Host", access.tls_server_name);
    message.set_response_stream(
        concurrency::streams::streambuf<std::uint8_t>(std::make_shared<PushBuffer>(exchange)).create_ostream());
    client_.request(message, cancellation)
        .then([exchange](http::http_response response) {
          std::string encoding, type;
          response.headers().match("Content-Encoding", encoding);
          response.headers().match("Content-Type", type);
          exchange->take_header(response.status_code(), retry_after_of(response), encoding == "gzip", type);
          return response.content_ready();
        })
        .then([exchange](const pplx::task<http::http_response>& task) {
          std::string fault;
          try {
            task.get();
          } catch (const std::exception& error) {
            fault = error.what();
            if (fault.empty()) fault = "unknown";
          } catch (...) {
            fault = "unknown";
          }
          exchange->finish(std::move(fault));
        });
  }

  ApiResult conclude(const Exchange& exchange, std::optional<ApiResult::Phase> reason) const {
    ApiResult result;
    result.http_status = exchange.status();
    result.retry_after = exchange.retry_after();
    const bool good_status = result.http_status >= 200 && result.http_status < 300;
    if (reason) {
      result.phase = *reason;
    } else if (exchange.ended_by_sink()) {
      result.phase = ApiResult::Phase::stopped;
    } else if (exchange.fault().empty() || (result.http_status != 0 && !good_status)) {
      result.phase = ApiResult::Phase::complete;  // of an error nothing but its status matters
    } else {
      result.phase = result.http_status == 0 ? ApiResult::Phase::request : ApiResult::Phase::body;
    }
    switch (result.phase) {
      case ApiResult::Phase::complete:
        if (!good_status) describe_error(exchange.error_text(), result);
        break;
      case ApiResult::Phase::request:
        result.message = exchange.fault();
        if (result.message.find("SSL") != std::string::npos) {
          const std::string why = last_certificate_fault().with([](const std::string& fault) { return fault; });
          result.message += why.empty() ? " (does this port speak HTTPS?)" : ": " + why;
        }
        break;
      case ApiResult::Phase::body: result.message = "the answer broke off: " + exchange.fault(); break;
      case ApiResult::Phase::timed_out:
        result.message = result.http_status == 0 ? "no answer in time" : "the answer fell silent or took too long";
        break;
      case ApiResult::Phase::stopped:
      case ApiResult::Phase::cancelled: break;
    }
    return result;
  }

  void count(const ApiRequest& request, const ApiResult& result, base::Duration took, base::Duration waited) {
    if (result.phase == ApiResult::Phase::cancelled) return;
    const auto seconds = [](base::Duration time) { return std::chrono::duration<double>(time).count(); };
    counters_.with([&](ApiCounters& counters) {
      if (result.http_status == 0) ++counters.requests["<error>"];
      if (request.is_watch) return;
      counters.duration.observe(seconds(took), request_duration_bounds);
      counters.rate_limiter.observe(seconds(waited), request_duration_bounds);
    });
  }

  static void describe_error(const std::string& text, ApiResult& result) {
    result.message = "HTTP " + std::to_string(result.http_status);
    if (auto status = decode_status(text)) {
      result.status = std::move(*status);
      if (!result.retry_after) result.retry_after = result.status.retry_after;
      result.message += ": " + printable(result.status.message, 400);
    } else if (!text.empty()) {
      result.message += ": " + printable(text, 200);
    }
  }

  std::shared_ptr<Credentials> credentials_;
  RequestGate gate_;
  base::Guarded<ApiCounters> counters_;
  http::client::http_client client_;
};

}  // namespace

std::expected<std::unique_ptr<ApiClient>, std::string> ApiClient::create(ApiAccess access, ApiLimits limits) {
  start_thread_pool_once();
  try {
    const Credentials credentials(access);
    if (auto token = credentials.bearer_token(); !token) return std::unexpected(token.error());
    if (access.url.tls) {
      ssl::context context(ssl::context::sslv23);
      prepare_tls(context, credentials);
    }
    return std::make_unique<CpprestClient>(std::move(access), limits);
  } catch (const std::exception& error) {
    return std::unexpected(std::string(error.what()));
  }
}

bool TextSink::take(std::string_view piece) noexcept {
  const std::size_t room = octets_max_ - text_.size();
  text_.append(piece.substr(0, room));
  return piece.size() <= room;
}

}  // namespace fairlead::k8s
