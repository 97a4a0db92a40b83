// The body of a list, object by object.
//
// Holds the objects of one page (shared with the registry, not copied), so a list stays consistent however slowly a
// client takes it, and costs one chunk of memory besides.
//
// Threads: one, as the server.
// Limits: chunks of about `list_chunk_octets`.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tools/kubesim/http_message.hpp"
#include "tools/kubesim/object_registry.hpp"
#include "tools/kubesim/representation.hpp"
#include "tools/kubesim/stats.hpp"

namespace fairlead::kubesim {

// Large enough that system calls do not count, small enough that a thousand slow clients fit into memory.
inline constexpr std::size_t list_chunk_octets = 64 * 1024;

class ListStream : public BodyStream {
 public:
  /// `cut_after`: break off there, or at half of the list if it is shorter (a fault on demand).
  ListStream(std::string head, std::vector<ObjectPtr> objects, Representation representation, Stats& stats,
             std::optional<std::size_t> cut_after);
  Step next(std::string& out, Clock::time_point now) override;

 private:
  std::string head_;
  std::vector<ObjectPtr> objects_;
  Representation representation_;
  Stats& stats_;
  std::optional<std::size_t> cut_after_;
  std::size_t sent_octets_ = 0;
  std::size_t next_object_ = 0;
};

/// `inner`, compressed. The reply needs "Content-Encoding: gzip".
std::unique_ptr<BodyStream> make_gzip_stream(std::unique_ptr<BodyStream> inner);

}  // namespace fairlead::kubesim
