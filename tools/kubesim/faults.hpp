// Faults on demand: what POST /kubesim/faults may ask for, and which of it is still due.
//
// A fault is either an action that happens once, when it is asked for (FaultActions: the caller carries it out), or a
// state that the request and watch paths consult as they go. The README lists the JSON forms.
//
// Threads: one, as the server.
// Limits: `request_faults_max` request faults at a time; times of at most `fault_time_max`.
// Errors: apply() changes nothing if any part of the document is wrong, and says which.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "tools/kubesim/api_error.hpp"
#include "tools/kubesim/json.hpp"

namespace fairlead::kubesim {

inline constexpr std::size_t request_faults_max = 100;
inline constexpr std::chrono::milliseconds fault_time_max{3'600'000};

enum class CloseWatches {
  no,
  clean,   // the stream ends as if its time were over
  abrupt,  // the connection drops
};

struct FaultActions {
  bool expire_history = false;
  CloseWatches close_watches = CloseWatches::no;
  std::string close_watches_of;  // a resource such as "services"; empty: of all kinds
  bool close_connections = false;
  bool accept_connections = false;
  bool refuse_connections = false;
  std::optional<std::chrono::milliseconds> refuse_for;  // absent: until asked to accept again
  std::optional<double> churn;                          // updates a second
};

class Faults {
 public:
  std::expected<FaultActions, std::string> apply(const Json& document);
  /// As GET /kubesim/faults shows it.
  Json state() const;

  /// The error that this request must be answered with, if one is due; counts it as done.
  std::optional<ApiError> take_request_fault(std::string_view path, std::string_view verb);
  std::chrono::milliseconds take_delay(std::string_view path, std::string_view verb);
  bool is_silent() const { return is_silent_; }
  bool is_expiry_http() const { return is_expiry_http_; }
  /// What becomes of sendInitialEvents=true: obeyed, refused as by a server whose feature gate is off, or not known at
  /// all, as by a server from before it was thought of.
  enum class StreamingLists { serve, refuse, ignore };
  StreamingLists streaming_lists() const { return streaming_lists_; }
  enum class EventFault { none, garbage, cut };
  EventFault take_event_fault();
  /// After how many octets the list that begins now must break off.
  std::optional<std::size_t> take_list_cut();

 private:
  struct Match {
    std::string path_prefix;
    std::string verb;  // "list", "watch", "get", ...; empty: any
    bool holds(std::string_view path, std::string_view of) const {
      return path.starts_with(path_prefix) && (verb.empty() || verb == of);
    }
  };
  struct RequestFault {
    Match match;
    std::uint64_t count;
    unsigned status;
    unsigned retry_after_s;
    std::string message;
  };
  struct Delay {
    Match match;
    std::uint64_t count;
    std::chrono::milliseconds time;
  };
  static std::expected<void, std::string> read(const Json& document, Faults& faults, FaultActions& actions);

  std::deque<RequestFault> request_faults_;
  std::deque<Delay> delays_;
  bool is_silent_ = false;
  bool is_expiry_http_ = false;
  StreamingLists streaming_lists_ = StreamingLists::serve;
  std::uint64_t garbage_events_ = 0;
  std::uint64_t cut_events_ = 0;
  std::uint64_t list_cuts_ = 0;
  std::size_t list_cut_octets_ = 0;
};

}  // namespace fairlead::kubesim
