#include "server/control/logging.hpp"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <mutex>
#include <utility>

#include "server/control/json_line.hpp"
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

std::atomic<bool> json_on{false};

std::string make_line(base::LogLevel level, std::string_view message) {
  if (json_on.load(std::memory_order_relaxed)) return std::string(json_event(level, message));
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

// As make_line() made them, with their newline.
constexpr const char* plain = "%v";
constexpr const char* stamped = "%Y-%m-%dT%H:%M:%S.%eZ %v";

std::unique_ptr<spdlog::pattern_formatter> formatter_of(const char* pattern) {
  return std::make_unique<spdlog::pattern_formatter>(pattern, spdlog::pattern_time_type::utc, "");
}

// stdout, for whoever may wait for it. The log queue writes to the same descriptor, under the same lock.
class StdoutSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  StdoutSink() : base_sink(formatter_of(plain)) {}
  std::mutex& mutex() { return mutex_; }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    std::fwrite(line.data(), 1, line.size(), stdout);
  }
  void flush_() override { std::fflush(stdout); }
};

// One for the process: stdout is one. It is never destroyed: a thread may wait for an output that nobody reads when the
// process exits.
class Output {
 public:
  static Output& instance() {
    static Output& output = *new Output;
    return output;
  }

  void set_timestamps(bool on) {
    // Not without need: the sink's lock may be held by who waits for a reader.
    if (timestamps_.exchange(on) != on) sink_->set_formatter(formatter_of(on ? stamped : plain));
  }
  LogQueue& queue() { return queue_; }

  void abandon() { is_abandoned_ = true; }

  void write(std::string_view line) {
    if (!is_abandoned_) events_.log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
  }

  // spdlog's own queue has one lock for all who write, and costs them 1.1 us a line.
  void write_queued(std::string_view line) {
    if (!queue_.is_running()) return write(line);
    if (!timestamps_) {
      queue_.push(line);
      return;
    }
    thread_local const auto formatter = formatter_of(stamped);
    const spdlog::details::log_msg message("", spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
    spdlog::memory_buf_t stamped_line;
    formatter->format(message, stamped_line);
    queue_.push({stamped_line.data(), stamped_line.size()});
  }

 private:
  Output()
      : sink_(std::make_shared<StdoutSink>()), events_("", sink_), queue_(STDOUT_FILENO, sink_->mutex(), make_line) {
    events_.flush_on(spdlog::level::info);
  }

  std::shared_ptr<StdoutSink> sink_;
  spdlog::logger events_;
  std::atomic<bool> timestamps_{false};
  std::atomic<bool> is_abandoned_{false};  // whoever writes would wait as well
  LogQueue queue_;
};

std::atomic<bool> debug_on{false};
std::atomic<bool> quiet{false};
thread_local bool is_worker = false;

// As it is; or an object for each line that is not empty.
void print(std::FILE* file, base::LogLevel level, std::string_view text) {
  if (!is_json_logging()) {
    std::fprintf(file, "%.*s\n", static_cast<int>(text.size()), text.data());
    return;
  }
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (end > 0) {
      const std::string_view line = json_event(level, text.substr(0, end));
      std::fwrite(line.data(), 1, line.size(), file);
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

// How long the exit waits for an output that nobody reads.
constexpr std::chrono::seconds shutdown_max{2};

}  // namespace

void init_logging(const LoggingOptions& options) {
  quiet = options.quiet;
  debug_on = options.debug;
  json_on = options.json;
  Output::instance().set_timestamps(options.timestamps && !options.json);
  Output::instance().queue().start();
}

void shutdown_logging() {
  if (!Output::instance().queue().stop(shutdown_max)) Output::instance().abandon();
}

void queue_lines_of_this_thread() { is_worker = true; }

bool is_json_logging() { return json_on.load(std::memory_order_relaxed); }
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
  print(stdout, base::LogLevel::info, text);
  std::fflush(stdout);
}

void print_fatal(std::string_view text) {
  std::fflush(stdout);
  print(stderr, base::LogLevel::error, text);
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
