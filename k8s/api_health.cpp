#include "k8s/api_health.hpp"

namespace fairlead::k8s {

namespace {
constexpr std::chrono::seconds log_interval{60};

std::string seconds_text(base::Duration duration) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(duration).count()) + " s";
}
}  // namespace

bool LogThrottle::allows(base::TimePoint now) {
  if (last_ && now - *last_ < log_interval) return false;
  last_ = now;
  return true;
}

ApiHealth::ApiHealth(std::string url, const base::Clock& clock, base::LogFunction log)
    : url_(std::move(url)), clock_(clock), log_(std::move(log)) {}

void ApiHealth::note_answer() {
  const base::TimePoint now = clock_.now();
  std::optional<base::Duration> away;
  state_.with([&](State& state) {
    state.last_answer = now;
    if (state.away_since) away = now - *state.away_since;
    state.away_since.reset();
    state.throttle = {};
    reachable_.store(true, std::memory_order_relaxed);
  });
  if (away && log_)
    log_(base::LogLevel::info, "the API server at " + url_ + " answers again after " + seconds_text(*away));
}

void ApiHealth::note_silence(base::TimePoint start, std::string_view why) {
  const base::TimePoint now = clock_.now();
  std::string line;
  state_.with([&](State& state) {
    if (state.last_answer && *state.last_answer >= start) return;
    reachable_.store(false, std::memory_order_relaxed);
    if (!state.away_since) state.away_since = start;
    if (!state.throttle.allows(now)) return;
    line = "no answer from the API server at " + url_ + " since " + seconds_text(now - *state.away_since) + ": " +
           std::string(why) +
           (state.last_answer ? "; answering from what is known, and trying again" : "; trying again");
  });
  if (!line.empty() && log_) log_(base::LogLevel::warning, line);
}

}  // namespace fairlead::k8s
