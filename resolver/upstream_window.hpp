// How many queries an upstream may owe us: as many as it can answer before their clients have gone.
//
// An upstream that takes queries faster than it answers them lets them wait. Left alone, that line grows until every
// reply comes too late and nothing at all is answered. A line shows itself in the fastest reply: an upstream that is
// well answers what it knows at once, whatever else takes long; behind a line even that waits. So the limit shrinks, by
// Little's law, when no reply of a quarter of a second came within queue_max of the upstream's own round trip, and when
// nothing came at all for a second; it grows again when it was reached and the fastest reply was fast. Names that time
// out beside others that are answered, or an upstream that drops what is too much, leave it alone.
//
// Where fewer queries did not make replies faster, it was no line but a longer way, which is the round trip from then
// on.
//
// Threads: belongs to one worker.
// Limits: limit_min to limit_max queries.
// Errors: none.
// See also: CoDel (RFC 8289) for the fastest reply as the sign of a standing queue.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

#include "resolver/limits.hpp"
#include "zones/base/clock.hpp"

namespace fairlead::resolver {

class UpstreamWindow {
 public:
  static constexpr std::size_t limit_min = 256;
  static constexpr std::size_t limit_max = upstream_window_max;
  static constexpr std::chrono::milliseconds interval{250};
  /// What replies may wait in a line: stub resolvers ask again after seconds, and a burst is no overload.
  static constexpr std::chrono::milliseconds queue_max{300};
  static constexpr std::chrono::seconds silence{1};
  /// Fewer queries that made replies no faster for so long never will.
  static constexpr std::chrono::seconds patience{5};

  bool has_room(std::size_t outstanding) const { return outstanding < limit_; }
  std::size_t limit() const { return limit_; }

  /// A query goes out, with `outstanding` before it.
  void note_sent(base::TimePoint at, std::size_t outstanding) {
    if (is_idle_) begin(at);
    is_idle_ = false;
    peak_ = std::max(peak_, outstanding + 1);
    if (at - begun_ >= interval) judge(at);
  }
  void note_reply(base::TimePoint at, base::Duration elapsed) {
    lowest_ = std::min(lowest_, elapsed);
    last_reply_ = at;
    if (at - begun_ >= interval) judge(at);
  }
  /// Queries were held back for want of room.
  void note_full() { was_full_ = true; }

 private:
  void begin(base::TimePoint at) {
    begun_ = at;
    if (is_idle_) last_reply_ = at;  // nothing was owed before
    lowest_ = base::Duration::max();
    peak_ = 0;
    was_full_ = false;
  }

  void judge(base::TimePoint at) {
    const bool has_reply = lowest_ != base::Duration::max();
    if (has_reply) {
      judge_replies(at);
    } else if (peak_ >= limit_min && at - last_reply_ >= silence && at >= next_cut_) {
      limit_ = std::max(limit_min, std::min(limit_, peak_) / 2);
      next_cut_ = at + silence;
      last_fall_ = at;
    }
    is_idle_ = peak_ == 0;
    begin(at);
  }

  void judge_replies(base::TimePoint at) {
    if (round_trip_ == base::Duration(0) || lowest_ < round_trip_) round_trip_ = lowest_;
    if (lowest_ - round_trip_ <= queue_max) {
      round_trip_ += (lowest_ - round_trip_) / 256;  // what was fast a minute ago is forgotten
      cut_lowest_ = base::Duration(0);
      if (was_full_) limit_ = std::min(limit_max, limit_ + limit_ / 4);
      return;
    }
    if (peak_ < limit_min) return;
    if (cut_lowest_ == base::Duration(0) || lowest_ < cut_lowest_ * 9 / 10) {
      cut_lowest_ = lowest_;
      last_fall_ = at;
    }
    if (at - last_fall_ >= patience) {
      round_trip_ = lowest_;
      cut_lowest_ = base::Duration(0);
      return;
    }
    if (at < next_cut_) return;
    const double share = static_cast<double>((round_trip_ + queue_max).count()) / static_cast<double>(lowest_.count());
    const auto fitting = static_cast<std::size_t>(static_cast<double>(std::min(limit_, peak_)) * share);
    limit_ = std::clamp(fitting, limit_min, limit_max);
    // Replies to what stands in line already are as late as these.
    next_cut_ = at + lowest_ + interval;
  }

  std::size_t limit_ = limit_max;
  std::size_t peak_ = 0;  // of queries owed in this interval
  bool was_full_ = false;
  bool is_idle_ = true;
  base::TimePoint begun_{};
  base::TimePoint last_reply_{};
  base::TimePoint next_cut_{};
  base::Duration lowest_ = base::Duration::max();
  base::Duration round_trip_{0};
  base::Duration cut_lowest_{0};  // the fastest reply since the limit was first cut; 0: there is no line
  base::TimePoint last_fall_{};   // when that became clearly less
};

}  // namespace fairlead::resolver
