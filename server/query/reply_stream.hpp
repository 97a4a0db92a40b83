// A reply of many messages, taken by the listener as fast as the client reads.
//
// Threads: its connection's worker.
// Limits: one slice a call, short enough for other queries to be answered in between.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

namespace fairlead::server {

class ReplyStream {
 public:
  enum class Step : std::uint8_t {
    message,  // one is ready to be sent
    working,  // ask again soon
    waiting,  // ask again when wake() was called
    end,
    broken,  // the client must see that the reply is not whole: the connection is closed
  };
  virtual ~ReplyStream() = default;

  /// Called once before advance(): `wake` may be called on any thread, also when the stream is gone.
  virtual void start(std::function<void()> wake) = 0;
  /// `message` is valid until the next call.
  virtual Step advance(std::span<const std::uint8_t>& message) = 0;
};

}  // namespace fairlead::server
