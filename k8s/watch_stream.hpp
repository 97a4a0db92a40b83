// A watch as it arrives: one event a line, in pieces cut anywhere.
//
// Threads: one at a time.
// Limits: a line of at most line_octets_max; longer ones are left out and counted.
// Errors: none; what stands in a line is the decoder's business.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "k8s/list_stream.hpp"

namespace fairlead::k8s {

/// An object and the few words around it.
inline constexpr std::size_t line_octets_max = item_octets_max + 4096;

class WatchStream {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;
    /// One event as JSON. The text may be changed or taken. False: no more.
    virtual bool take_event(std::string& json) = 0;
  };

  explicit WatchStream(Handler& handler) : handler_(handler) {}

  /// False once the handler wanted no more.
  bool feed(std::string_view bytes);
  std::uint64_t oversized_lines() const { return oversized_lines_; }

 private:
  Handler& handler_;
  std::string line_;
  bool oversized_ = false;
  bool ended_ = false;
  std::uint64_t oversized_lines_ = 0;
};

}  // namespace fairlead::k8s
