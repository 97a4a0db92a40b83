// Gathers the faults and warnings of all passes and returns them in the order of the file.
//
// Passes find faults out of order: the lexer in a file before the parser, a directive's options before a clash of two
// blocks. The order of the report is the order of reading: a line of an imported file stands where its import stands.
//
// Threads: one.
// Limits: faults_kept_max are kept, faults_max returned; the rest are counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "server/config/fault.hpp"

namespace fairlead::server {

/// A line of one reading of a file. A file that is imported twice is two sources.
struct SourcePosition {
  std::uint32_t source = 0;
  std::uint32_t line = 0;
};

/// `'text'` for a message: one line, printable, cut at quoted_octets_max.
std::string quote(std::string_view text);

class FaultCollector {
 public:
  /// A new source, read because of the import at `importer`; the first source has none and its argument is ignored.
  std::uint32_t add_source(std::string name, SourcePosition importer);
  const std::string& source_name(std::uint32_t source) const { return sources_[source].name; }
  SourceLine line_of(SourcePosition at) const { return {sources_[at.source].name, at.line}; }

  void fault(SourcePosition at, std::string message) { add(faults_, at, std::move(message)); }
  void warn(SourcePosition at, std::string message) { add(warnings_, at, std::move(message)); }

  bool has_faults() const { return !faults_.found.empty(); }
  std::vector<Fault> faults() const { return report(faults_, "faults"); }
  std::vector<Fault> warnings() const { return report(warnings_, "warnings"); }

 private:
  struct Source {
    std::string name;
    SourcePosition importer;
  };
  struct Found {
    SourcePosition at;
    std::string message;
  };
  struct Findings {
    std::vector<Found> found;
    std::size_t uncounted = 0;
    std::unordered_set<std::string> seen;  // a snippet that is imported ten times has its fault once
  };
  void add(Findings& findings, SourcePosition at, std::string message);
  std::vector<std::uint32_t> reading_order(SourcePosition at) const;
  std::vector<Fault> report(const Findings& findings, std::string_view noun) const;

  std::vector<Source> sources_;
  Findings faults_;
  Findings warnings_;
};

}  // namespace fairlead::server
