// One open watch: the initial objects, if asked for, then events from the registry's history as they happen.
//
// Threads: one, as the server.
// Limits: nothing is queued for a watch. It holds a cursor into the bounded history; one that falls behind the history
//   is ended, and its client lists or resumes again.
// Errors: an ERROR event, then the end, as the real server.
// Standards: Kubernetes API concepts, "Efficient detection of changes", "Streaming lists", "Watch bookmarks".
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tools/kubesim/faults.hpp"
#include "tools/kubesim/http_message.hpp"
#include "tools/kubesim/object_registry.hpp"
#include "tools/kubesim/representation.hpp"
#include "tools/kubesim/selectors.hpp"
#include "tools/kubesim/stats.hpp"

namespace fairlead::kubesim {

// As for lists: a bound for what one write holds.
inline constexpr std::size_t watch_chunk_octets = 64 * 1024;

class WatchStream;

/// What all watches share. The open ones are known here, so that a fault can end or silence them.
struct WatchHub {
  WatchHub(ObjectRegistry& the_registry, Faults& the_faults, Stats& the_stats)
      : registry(the_registry), faults(the_faults), stats(the_stats) {}

  void close(CloseWatches how, const std::string& resource);
  /// After faults changed.
  void wake_all();

  ObjectRegistry& registry;
  Faults& faults;
  Stats& stats;
  std::set<WatchStream*> open;
};

struct WatchRequest {
  const Kind* kind = nullptr;
  std::string ns;  // empty: all namespaces
  Selection selection;
  Representation representation;
  std::vector<ObjectPtr> initial;  // sent as ADDED first
  ResourceVersion from = 0;        // events after this version follow
  ObjectRegistry::Cursor cursor = 0;
  bool ends_initial_with_bookmark = false;  // sendInitialEvents=true
  std::optional<std::size_t> cut_after;     // drop the connection so far into the initial objects (a fault on demand)
  bool wants_bookmarks = false;
  std::chrono::milliseconds bookmark_interval{10'000};
  std::chrono::milliseconds timeout{0};
};

class WatchStream : public BodyStream, private RegistryListener {
 public:
  WatchStream(WatchHub& hub, WatchRequest request);
  ~WatchStream() override;

  Step next(std::string& out, Clock::time_point now) override;
  Clock::time_point wake_at() const override;
  void stalled() override;

  const Kind& kind() const { return *request_.kind; }
  void close(CloseWatches how);
  void faults_changed() { wake(); }

 private:
  void history_grew() override { wake(); }
  void append_event(const Event& event, std::string& out);
  void append_line(std::string_view type, const std::string& object, std::string& out);
  void append_bookmark(bool is_initial_end, std::string& out);
  bool is_selected(const ObjectPtr& object) const;
  void cut_initial(std::string& out, std::size_t before);

  WatchHub& hub_;
  WatchRequest request_;
  std::size_t next_initial_ = 0;
  std::size_t sent_octets_ = 0;
  Clock::time_point end_;
  Clock::time_point next_bookmark_;
  CloseWatches closing_ = CloseWatches::no;
};

/// A watch that says why it cannot be: one ERROR event.
class ErrorWatchStream : public BodyStream {
 public:
  ErrorWatchStream(const ApiError& error, Representation representation, Stats& stats)
      : error_(error), representation_(std::move(representation)), stats_(stats) {}
  Step next(std::string& out, Clock::time_point now) override;

 private:
  ApiError error_;
  Representation representation_;
  Stats& stats_;
};

}  // namespace fairlead::kubesim
