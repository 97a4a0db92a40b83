#include "server/handlers/error_log.hpp"

#include "server/control/logging.hpp"

namespace fairlead::server {
namespace {

base::LogLevel as_log_level(ErrorsOptions::Level level) {
  switch (level) {
    case ErrorsOptions::Level::debug: return base::LogLevel::debug;
    case ErrorsOptions::Level::info: return base::LogLevel::info;
    case ErrorsOptions::Level::warning: return base::LogLevel::warning;
    case ErrorsOptions::Level::error: break;
  }
  return base::LogLevel::error;
}

// "30s", "5m0s": as Go prints what the Corefile says.
std::string duration_text(Duration duration) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration).count();
  std::string text;
  if (seconds >= 3600) text += std::to_string(seconds / 3600) + "h";
  if (seconds >= 60) text += std::to_string(seconds / 60 % 60) + "m";
  return text + std::to_string(seconds % 60) + "s";
}

}  // namespace

ErrorLog::ErrorLog(ErrorsOptions options, const base::Clock& clock) : options_(std::move(options)), clock_(clock) {
  periods_.with([this](auto& periods) { periods.resize(options_.consolidate.size()); });
}

void ErrorLog::report(dns::Rcode rcode, const dns::Query& query, std::string_view error) {
  base::LogLevel level = base::LogLevel::error;
  for (std::size_t i = 0; i < options_.consolidate.size(); ++i) {
    const auto& line = options_.consolidate[i];
    if (!line.pattern.matches(error)) continue;
    const bool is_first = periods_.with([&](auto& periods) {
      Period& period = periods[i];
      if (period.count++ > 0) return false;
      period.ends = clock_.now() + line.period;
      return true;
    });
    if (!is_first || !line.show_first) return;
    level = as_log_level(line.level);
    break;
  }
  std::string text = "plugin/errors: " + std::to_string(static_cast<unsigned>(rcode)) + " ";
  text += query.qname.to_string();
  text += " ";
  text += to_string(query.qtype);
  text += ": ";
  text += error;
  log_queued(level, text);
}

void ErrorLog::flush() { flush(false); }
void ErrorLog::flush_all() { flush(true); }

void ErrorLog::flush(bool all) {
  for (std::size_t i = 0; i < options_.consolidate.size(); ++i) {
    const auto& line = options_.consolidate[i];
    const std::uint64_t count = periods_.with([&](auto& periods) -> std::uint64_t {
      Period& period = periods[i];
      if (period.count == 0 || (!all && clock_.now() < period.ends)) return 0;
      return std::exchange(period.count, 0);
    });
    if (count == 0) continue;
    log_message(as_log_level(line.level), "plugin/errors: " + std::to_string(count) + " errors like '" +
                                              std::string(line.pattern.text()) + "' occurred in last " +
                                              duration_text(line.period));
  }
}

}  // namespace fairlead::server
