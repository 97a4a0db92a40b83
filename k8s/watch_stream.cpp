#include "k8s/watch_stream.hpp"

namespace fairlead::k8s {

bool JsonWatchStream::feed(std::string_view bytes) {
  while (!bytes.empty() && !ended_) {
    const std::size_t newline = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, newline);
    if (!oversized_ && line_.size() + piece.size() > event_octets_max) {
      oversized_ = true;
      line_ = {};
    }
    if (!oversized_) line_.append(piece);
    if (newline == std::string_view::npos) break;
    bytes.remove_prefix(newline + 1);
    if (oversized_) {
      ++oversized_lines_;
      oversized_ = false;
    } else if (line_.find_first_not_of(" \t\r") != std::string::npos) {
      ended_ = !handler_.take_event(line_);
    }
    line_.clear();
    if (line_.capacity() > idle_capacity_max) line_ = {};
  }
  return !ended_;
}

}  // namespace fairlead::k8s
