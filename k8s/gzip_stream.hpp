// Unpacks a gzip body as it arrives. (cpprestsdk's own unpacking loses data when a chunk fills its buffer exactly.)
//
// Threads: one at a time.
// Limits: 32 KiB of window and 16 KiB of output at a time, however far the body unpacks.
// Errors: feed() is false for bytes that are no gzip; that stays.
// Standards: RFC 1952.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

namespace fairlead::k8s {

class GzipStream {
 public:
  /// Gets the unpacked pieces. False: no more are wanted.
  using Output = std::function<bool(std::string_view piece)>;

  GzipStream();
  ~GzipStream();
  GzipStream(const GzipStream&) = delete;
  GzipStream& operator=(const GzipStream&) = delete;

  /// True also when the output wanted no more; the rest is ignored then.
  bool feed(std::string_view packed, const Output& output);
  /// The end of the stream was seen.
  bool is_complete() const { return complete_; }

 private:
  struct State;
  std::unique_ptr<State> state_;
  bool complete_ = false;
  bool failed_ = false;
};

}  // namespace fairlead::k8s
