// What the server says to its operator, in CoreDNS's form: "[INFO] plugin/kubernetes: ...", one line each; or as JSON
// objects, one a line (json_line.hpp).
//
// Events are written at once by the caller. What workers write goes through a queue with a thread of its own, because a
// reader of our stdout that stops reading must not stop DNS: a full queue loses lines and counts them (log_queue.hpp).
//
// Threads: every function from any thread; init_logging() and shutdown_logging() from the main thread.
// Limits: a line has at most log_line_size_max octets; the queue is LogQueue's; a LogLimiter holds
//   log_limiter_keys_max keys. shutdown_logging() waits two seconds for an output that nobody reads.
// Security: control characters are escaped, so that no name or upstream can forge a line.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "zones/base/clock.hpp"
#include "zones/base/log.hpp"

namespace fairlead::server {

inline constexpr std::size_t log_line_size_max = 16 * 1024;
inline constexpr std::size_t log_limiter_keys_max = 256;

struct LoggingOptions {
  bool quiet = false;       // -quiet: no start-up output; warnings and events are still written
  bool debug = false;       // the `debug` directive
  bool timestamps = false;  // "2026-01-31T12:00:00.000Z " before each line; CoreDNS writes none
  bool json = false;        // -log.format json; every line has its time then
};

/// May be called again, as after a reload. Without it, the defaults hold.
void init_logging(const LoggingOptions& options);
/// Writes what is queued and ends the queue's thread; later lines are written at once.
void shutdown_logging();

/// What goes through log_query() is a JSON object then.
bool is_json_logging();
void set_debug_logging(bool on);
bool is_debug_logging();

void log_debug(std::string_view message);
void log_info(std::string_view message);
void log_warning(std::string_view message);
void log_error(std::string_view message);
void log_message(base::LogLevel level, std::string_view message);

/// A line of the query log as it is, with its level and a newline at its end, and without control characters: what
/// makes it has escaped them. Never waits for the output.
void log_query(std::string_view line);
/// From now on everything that this thread writes goes through the queue, in order: for workers.
void queue_lines_of_this_thread();
/// Any line, through the queue, on whatever thread.
void log_queued(base::LogLevel level, std::string_view message);
/// Lines that a full queue has lost so far.
std::uint64_t lost_log_lines();

/// Start-up output (the version, the zones served), as it is and without a level; nothing with -quiet.
void print_startup(std::string_view text);
/// The last line before exit code 1, on stderr.
void print_fatal(std::string_view text);

/// For the folders below: "plugin/kubernetes: " as the prefix gives lines as CoreDNS's.
base::LogFunction log_function(std::string prefix = {});

/// At most one line an interval for each key; the next one says how many were swallowed.
///
/// Threads: any. More keys than log_limiter_keys_max share one.
class LogLimiter {
 public:
  explicit LogLimiter(const base::Clock& clock, base::LogFunction write = log_function(),
                      base::Duration interval = std::chrono::minutes(1));

  void log(base::LogLevel level, std::string_view key, std::string_view message);

 private:
  struct Key {
    base::TimePoint next;
    std::uint64_t swallowed = 0;
  };
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };

  const base::Clock& clock_;
  const base::LogFunction write_;
  const base::Duration interval_;
  std::mutex mutex_;
  std::unordered_map<std::string, Key, Hash, std::equal_to<>> keys_;
  Key others_;
};

}  // namespace fairlead::server
