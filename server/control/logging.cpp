#include "server/control/logging.hpp"

#include <spdlog/async.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <utility>

#include "zones/base/guarded.hpp"

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
  line.reserve(prefix.size() + message.size());
  line += prefix;
  append_escaped(line, message.substr(0, log_line_size_max));
  if (line.size() > log_line_size_max) {
    line.resize(log_line_size_max - 3);
    line += "...";
  }
  return line;
}

// One for the process: stdout is one.
class Output {
 public:
  static Output& instance() {
    static Output output;
    return output;
  }

  void set_timestamps(bool on) {
    sink_->set_formatter(std::make_unique<spdlog::pattern_formatter>(on ? "%Y-%m-%dT%H:%M:%S.%eZ %v" : "%v",
                                                                     spdlog::pattern_time_type::utc));
  }

  void write(const std::string& line) { events_->log(spdlog::level::info, spdlog::string_view_t(line)); }

  void write_queued(const std::string& line) {
    if (const auto queue = current_queue()) {
      queue->logger->log(spdlog::level::info, spdlog::string_view_t(line));
    } else {
      write(line);
    }
  }

  std::uint64_t lost() const {
    const auto queue = current_queue();
    return lost_before_ + (queue ? queue->pool->overrun_counter() : 0);
  }

  void start_queue() {
    queue_.with([this](std::shared_ptr<Queue>& queue) {
      if (queue) return;
      queue = std::make_shared<Queue>();
      queue->pool = std::make_shared<spdlog::details::thread_pool>(log_queue_lines, 1);
      queue->logger =
          std::make_shared<spdlog::async_logger>("", sink_, queue->pool, spdlog::async_overflow_policy::overrun_oldest);
    });
  }

  // The pool's destructor writes what is queued.
  void stop_queue() {
    if (const auto queue = queue_.with([](auto& current) { return std::exchange(current, nullptr); })) {
      lost_before_ += queue->pool->overrun_counter();
    }
  }

 private:
  struct Queue {
    std::shared_ptr<spdlog::details::thread_pool> pool;
    std::shared_ptr<spdlog::async_logger> logger;
  };

  std::shared_ptr<Queue> current_queue() const {
    return queue_.with([](const auto& queue) { return queue; });
  }

  Output()
      : sink_(std::make_shared<spdlog::sinks::stdout_sink_mt>()), events_(std::make_shared<spdlog::logger>("", sink_)) {
    set_timestamps(false);
  }

  std::shared_ptr<spdlog::sinks::stdout_sink_mt> sink_;
  std::shared_ptr<spdlog::logger> events_;
  base::Guarded<std::shared_ptr<Queue>> queue_;
  std::atomic<std::uint64_t> lost_before_{0};
};

std::atomic<bool> debug_on{false};
std::atomic<bool> quiet{false};

}  // namespace

void init_logging(const LoggingOptions& options) {
  quiet = options.quiet;
  debug_on = options.debug;
  Output::instance().set_timestamps(options.timestamps);
  Output::instance().start_queue();
}

void shutdown_logging() { Output::instance().stop_queue(); }

void set_debug_logging(bool on) { debug_on = on; }
bool is_debug_logging() { return debug_on.load(std::memory_order_relaxed); }

void log_message(base::LogLevel level, std::string_view message) {
  if (level == base::LogLevel::debug && !is_debug_logging()) return;
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
void log_query(std::string_view line) { log_queued(base::LogLevel::info, line); }
std::uint64_t lost_log_lines() { return Output::instance().lost(); }

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
