// A watch in JSON: one event a line.
//
// Threads: one at a time.
// Limits: a line of at most event_octets_max; longer ones are left out and counted.
// Errors: none; what stands in a line is the decoder's business.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "k8s/object_stream.hpp"

namespace fairlead::k8s {

class JsonWatchStream final : public WatchStream {
 public:
  explicit JsonWatchStream(Handler& handler) : handler_(handler) {}

  bool feed(std::string_view bytes) override;
  std::uint64_t oversized_events() const override { return oversized_lines_; }

 private:
  Handler& handler_;
  std::string line_;
  bool oversized_ = false;
  bool ended_ = false;
  std::uint64_t oversized_lines_ = 0;
};

}  // namespace fairlead::k8s
