// `errors`: queries that failed for a reason outside of their question, one line each, or one line a period for those
// that match `consolidate`.
//
// Threads: report() from any worker; flush() from the control thread, about once a second.
// Limits: as many counters as there are consolidate lines; the lines go through the bounded log queue.
#pragma once

#include <chrono>
#include <string_view>
#include <vector>

#include "server/config/directive_options.hpp"
#include "zones/base/clock.hpp"
#include "zones/base/guarded.hpp"
#include "zones/dns/message_reader.hpp"

namespace fairlead::server {

class ErrorLog {
 public:
  ErrorLog(ErrorsOptions options, const base::Clock& clock);

  void report(dns::Rcode rcode, const dns::Query& query, std::string_view error);
  /// Writes the sums of the periods that have ended.
  void flush();
  /// Writes the sums so far; at the end.
  void flush_all();

 private:
  struct Period {
    std::uint64_t count = 0;
    base::TimePoint ends;
  };
  void flush(bool all);

  const ErrorsOptions options_;
  const base::Clock& clock_;
  base::Guarded<std::vector<Period>> periods_;  // by the index of the consolidate line
};

}  // namespace fairlead::server
