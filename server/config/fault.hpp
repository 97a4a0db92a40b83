// What is wrong with a Corefile: where, what, and what to write instead.
//
// Threads: values.
// Limits: faults_max faults are returned; what is beyond them is counted in a last line.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace fairlead::server {

/// A line of a configuration file. Line 0 means the file as a whole.
struct SourceLine {
  std::string file;
  std::size_t line = 0;

  friend bool operator==(const SourceLine&, const SourceLine&) = default;
};

/// "Corefile:12", or "Corefile" for a file as a whole.
std::string to_string(const SourceLine& at);

/// A fault or a warning. The message is one line and ends without a full stop.
struct Fault {
  std::string file;
  std::size_t line = 0;
  std::string message;

  friend bool operator==(const Fault&, const Fault&) = default;
};

/// "Corefile:12: Unknown directive 'x'".
std::string to_string(const Fault& fault);

/// One fault a line, each line ended.
std::string to_string(const std::vector<Fault>& faults);

}  // namespace fairlead::server
