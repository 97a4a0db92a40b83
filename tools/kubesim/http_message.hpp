// What passes between the HTTP server and the API: a request with its parts taken apart, and a reply that is either
// a ready body or a stream that is asked for its next octets.
//
// Threads: one; the thread that runs the server's io_context.
// Limits: a stream is asked again only once its last octets are written, so what is in memory is one chunk.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fairlead::kubesim {

using Clock = std::chrono::steady_clock;

struct Request {
  std::string method;  // "GET"
  std::string path;    // decoded, without the query
  std::multimap<std::string, std::string> query;
  std::string accept;
  std::string accept_encoding;
  std::string content_type;
  std::string authorization;
  std::string body;
  bool has_client_certificate = false;
  bool is_admin_listener = false;  // arrived at --admin-listen, where no token is asked for

  /// The first value of a query parameter, or "".
  std::string parameter(const std::string& name) const;
  /// "true" and "1", as the real server reads booleans.
  bool flag(const std::string& name) const;
};

/// A body that comes in pieces.
class BodyStream {
 public:
  enum class Step {
    more,   // octets were added; ask again once they are written
    wait,   // nothing to send: ask again after a wake-up or at wake_at()
    end,    // complete (octets may have been added)
    abort,  // drop the connection without completing the body
  };
  BodyStream() = default;
  BodyStream(const BodyStream&) = delete;
  BodyStream& operator=(const BodyStream&) = delete;
  virtual ~BodyStream() = default;

  /// Appends to `out`.
  virtual Step next(std::string& out, Clock::time_point now) = 0;
  virtual Clock::time_point wake_at() const { return Clock::time_point::max(); }
  /// Called when a consumer took too long to take what was sent; the connection is dropped after it.
  virtual void stalled() {}

  void set_waker(std::function<void()> waker) { waker_ = std::move(waker); }

 protected:
  void wake() {
    if (waker_) waker_();
  }

 private:
  std::function<void()> waker_;
};

struct Reply {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::unique_ptr<BodyStream> stream;  // used instead of `body` if it is there
};

class Handler {
 public:
  virtual ~Handler() = default;
  /// How long to sit on a request before handling it (a fault on demand).
  virtual std::chrono::milliseconds delay(const Request& request) = 0;
  virtual Reply handle(const Request& request) = 0;
  /// The answer to a request that HTTP itself refuses: 400, 413, 431.
  virtual Reply refuse(unsigned status, const std::string& why) = 0;
};

/// Takes "/a%20b?c=d" apart. False if the escapes are broken.
bool parse_target(std::string_view target, Request& request);

}  // namespace fairlead::kubesim
