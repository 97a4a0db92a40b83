#include "server/control/logging.hpp"

#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <ctime>
#include <mutex>
#include <utility>

#include "server/control/log_queue.hpp"

namespace fairlead::server {
namespace {

std::string_view prefix_of(base::LogLevel level) {
  switch (level) {
    case base::LogLevel::debug: return "[DEBUG] ";
    case base::LogLevel::info: return "[INFO] ";
    case base::LogLevel::warning: return "[WARNING] ";
    case base::LogLevel::error: return "[ERROR] ";
  }
  return "[INFO] ";
}

void append_escaped(std::string& out, std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (c == '\n') {
      out += "\\n";
    } else if ((octet < 0x20 && c != '\t') || octet == 0x7f) {
      out += "\\x";
      out += digits[octet >> 4];
      out += digits[octet & 15];
    } else {
      out += c;
    }
  }
}

std::string make_line(base::LogLevel level, std::string_view message) {
  const auto prefix = prefix_of(level);
  std::string line;
  line.reserve(prefix.size() + message.size() + 1);
  line += prefix;
  append_escaped(line, message.substr(0, log_line_size_max));
  if (line.size() > log_line_size_max) {
    line.resize(log_line_size_max - 3);
    line += "...";
  }
  line += '\n';
  return line;
}

// "2026-01-31T12:00:00.000Z "
std::string timestamp() {
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto milliseconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 48> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(text.data() + size, text.size() - size, ".%03dZ ", static_cast<int>(milliseconds));
  return text.data();
}

// One for the process: stdout is one. It is never destroyed: a thread may wait for an output that nobody reads when the
// process exits.
class Output {
 public:
  static Output& instance() {
    static Output& output = *new Output;
    return output;
  }

  void set_timestamps(bool on) { timestamps_ = on; }
  LogQueue& queue() { return queue_; }

  void abandon() { is_abandoned_ = true; }

  void write(std::string_view line) {
    if (is_abandoned_) return;
    const std::string stamp = timestamps_ ? timestamp() : std::string();
    const std::scoped_lock lock(mutex_);
    std::fwrite(stamp.data(), 1, stamp.size(), stdout);
    std::fwrite(line.data(), 1, line.size(), stdout);
    std::fflush(stdout);
  }

  void write_queued(std::string_view line) {
    if (!queue_.is_running()) return write(line);
    if (timestamps_) {
      queue_.push(timestamp() + std::string(line));
    } else {
      queue_.push(line);
    }
  }

 private:
  Output() : queue_(STDOUT_FILENO, mutex_) {}

  std::mutex mutex_;
  std::atomic<bool> timestamps_{false};
  std::atomic<bool> is_abandoned_{false};  // whoever writes would wait as well
  LogQueue queue_;
};

std::atomic<bool> debug_on{false};
std::atomic<bool> quiet{false};
thread_local bool is_worker = false;

// How long the exit waits for an output that nobody reads.
constexpr std::chrono::seconds shutdown_max{2};

}  // namespace

void init_logging(const LoggingOptions& options) {
  quiet = options.quiet;
  debug_on = options.debug;
  Output::instance().set_timestamps(options.timestamps);
  Output::instance().queue().start();
}

void shutdown_logging() {
  if (!Output::instance().queue().stop(shutdown_max)) Output::instance().abandon();
}

void queue_lines_of_this_thread() { is_worker = true; }

void set_debug_logging(bool on) { debug_on = on; }
bool is_debug_logging() { return debug_on.load(std::memory_order_relaxed); }

void log_message(base::LogLevel level, std::string_view message) {
  if (level == base::LogLevel::debug && !is_debug_logging()) return;
  if (is_worker) return Output::instance().write_queued(make_line(level, message));
  Output::instance().write(make_line(level, message));
}
void log_debug(std::string_view message) { log_message(base::LogLevel::debug, message); }
void log_info(std::string_view message) { log_message(base::LogLevel::info, message); }
void log_warning(std::string_view message) { log_message(base::LogLevel::warning, message); }
void log_error(std::string_view message) { log_message(base::LogLevel::error, message); }

void log_queued(base::LogLevel level, std::string_view message) {
  if (level == base::LogLevel::debug && !is_debug_logging()) return;
  Output::instance().write_queued(make_line(level, message));
}
void log_query(std::string_view line) { Output::instance().write_queued(line); }
std::uint64_t lost_log_lines() { return Output::instance().queue().lost(); }

void print_startup(std::string_view text) {
  if (quiet) return;
  std::fprintf(stdout, "%.*s\n", static_cast<int>(text.size()), text.data());
  std::fflush(stdout);
}

void print_fatal(std::string_view text) {
  std::fflush(stdout);
  std::fprintf(stderr, "%.*s\n", static_cast<int>(text.size()), text.data());
  std::fflush(stderr);
}

base::LogFunction log_function(std::string prefix) {
  return [prefix = std::move(prefix)](base::LogLevel level, std::string_view message) {
    if (level == base::LogLevel::debug && !is_debug_logging()) return;
    log_message(level, prefix + std::string(message));
  };
}

LogLimiter::LogLimiter(const base::Clock& clock, base::LogFunction write, base::Duration interval)
    : clock_(clock), write_(std::move(write)), interval_(interval) {}

void LogLimiter::log(base::LogLevel level, std::string_view key, std::string_view message) {
  std::uint64_t swallowed = 0;
  {
    const std::scoped_lock lock(mutex_);
    const auto now = clock_.now();
    auto found = keys_.find(key);
    if (found == keys_.end()) {
      if (keys_.size() >= log_limiter_keys_max) {
        // A key whose interval is over and that swallowed nothing says nothing any more.
        std::erase_if(keys_,
                      [&](const auto& entry) { return entry.second.next <= now && entry.second.swallowed == 0; });
      }
      if (keys_.size() < log_limiter_keys_max) found = keys_.emplace(key, Key{}).first;
    }
    Key& state = found == keys_.end() ? others_ : found->second;
    if (now < state.next) {
      ++state.swallowed;
      return;
    }
    state.next = now + interval_;
    swallowed = std::exchange(state.swallowed, 0);
  }
  if (swallowed == 0) {
    write_(level, message);
  } else {
    write_(level, std::string(message) + " (and " + std::to_string(swallowed) + " more like this since the last line)");
  }
}

}  // namespace fairlead::server
