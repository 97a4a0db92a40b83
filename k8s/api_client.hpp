// GET requests to the Kubernetes API, whose bodies are handed over as they arrive.
//
// get() waits for the end of the request on the caller's thread; the body is taken by the sink on a thread of the
// client meanwhile. The client behind it is cpprestsdk with one thread for the whole process.
//
// Threads: get() from any number of threads at once, never from a sink.
// Limits: nothing of a body is kept; 16 KiB of an error's body; every wait ends by a deadline of the request.
// Errors: ApiResult says in which phase a request ended, because the library's error codes mislead.
// Security: the cluster's CA alone is trusted if there is one; redirects are not followed, so that the token goes
//   nowhere else.
#pragma once

#include <chrono>
#include <expected>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "k8s/api_counters.hpp"
#include "k8s/credentials.hpp"
#include "k8s/object_decoder.hpp"
#include "k8s/request_gate.hpp"

namespace fairlead::k8s {

class BodySink {
 public:
  virtual ~BodySink() = default;
  /// The header of any answer is here; the body may follow for minutes.
  virtual void begin(int http_status, std::string_view content_type) noexcept {
    static_cast<void>(http_status);
    static_cast<void>(content_type);
  }
  /// A piece of the body of a 2xx answer, on a thread of the client. False: enough, the request ends as `stopped`.
  virtual bool take(std::string_view piece) noexcept = 0;
  /// How long the body may be silent from now on; nothing: as long as the request says. From the caller's thread.
  virtual std::optional<std::chrono::milliseconds> patience() const noexcept { return std::nullopt; }
};

struct ApiRequest {
  std::string target;  // path and query, percent-encoded, behind the base path of the URL
  std::string accept = "application/json";
  bool is_watch = false;                             // long, and not subject to the rate limit
  bool compressed = false;                           // ask for gzip: for lists, which are large
  std::chrono::milliseconds answer_timeout{30'000};  // until the header is there, connecting included
  std::chrono::milliseconds idle_timeout{30'000};    // between two pieces of the body
  std::chrono::milliseconds total_timeout{120'000};
};

struct ApiResult {
  enum class Phase : std::uint8_t {
    complete,   // the whole answer is here, whatever its HTTP status
    request,    // no answer: not connected, TLS failed, or nothing came back
    body,       // broke off within the body
    stopped,    // by the sink
    timed_out,  // by one of the request's deadlines
    cancelled,  // by the stop token
  };
  Phase phase = Phase::request;
  int http_status = 0;  // 0: no header arrived
  std::optional<std::chrono::seconds> retry_after;
  ApiStatus status;     // of an error answer, as far as it said one
  std::string message;  // for people; empty when all went well

  bool is_ok() const { return phase == Phase::complete && http_status >= 200 && http_status < 300; }
};

class ApiClient {
 public:
  /// Reads the credentials once, to report what is wrong with them at once.
  static std::expected<std::unique_ptr<ApiClient>, std::string> create(ApiAccess access, ApiLimits limits = {});
  virtual ~ApiClient() = default;

  virtual ApiResult get(const ApiRequest& request, BodySink& sink, std::stop_token stop = {}) = 0;
  /// Where requests go, for messages.
  virtual std::string url() const = 0;
  virtual ApiCounters counters() const = 0;
};

/// Keeps a small body, for callers that want all of it; ends the request at `octets_max`.
class TextSink final : public BodySink {
 public:
  explicit TextSink(std::size_t octets_max) : octets_max_(octets_max) {}
  bool take(std::string_view piece) noexcept override;
  const std::string& text() const { return text_; }

 private:
  std::size_t octets_max_;
  std::string text_;
};

}  // namespace fairlead::k8s
