// What kubesim counts, as GET /kubesim/stats shows it. Scenario tests assert on differences of these.
//
// Threads: one, as the server.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "tools/kubesim/kinds.hpp"

namespace fairlead::kubesim {

struct Stats {
  std::map<std::string, std::array<std::uint64_t, kind_count>> requests;  // by verb, then by kind
  std::map<unsigned, std::uint64_t> responses;                            // by status code; streams as they begin
  std::array<std::uint64_t, kind_count> events_sent{};                    // ADDED, MODIFIED, DELETED
  std::array<std::uint64_t, kind_count> open_watches{};
  std::uint64_t bookmarks_sent = 0;
  std::uint64_t watch_errors_sent = 0;  // ERROR events
  std::uint64_t lists_completed = 0;
  std::uint64_t stalled_watches = 0;  // cut off because the consumer did not keep up
  std::uint64_t unauthorized = 0;
  std::uint64_t faults_injected = 0;
  std::uint64_t manifest_loads = 0;
  std::uint64_t manifest_errors = 0;
  std::uint64_t churned = 0;  // updates made by --churn
};

}  // namespace fairlead::kubesim
