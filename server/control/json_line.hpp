// A line of the log as a JSON object: for `-log.format json`.
//
//     JsonLine line(base::LogLevel::info);
//     line.add("message", "hello").add("port", 53);
//     write(line.finish());  // {"time":"2026-01-31T12:00:00.000Z","level":"info","message":"hello","port":53}
//
// Threads: any; the text is the thread's, until its next line.
// Limits: json_text_octets_max of a text, as each octet may become six.
// Security: whatever the text holds, the line is one line and valid JSON: quotes and control characters are escaped,
//   also those that break lines outside of ASCII; an octet that is no UTF-8 stands as "\xff", a backslash in front.
// Standards: RFC 8259; RFC 3339 for the time, in UTC.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "zones/base/log.hpp"

namespace fairlead::server {

inline constexpr std::size_t json_text_octets_max = 16 * 1024;

class JsonLine {
 public:
  explicit JsonLine(base::LogLevel level);

  JsonLine& add(std::string_view key, std::string_view text);
  /// A number, true or false, as it is written.
  JsonLine& add_plain(std::string_view key, std::string_view value);
  JsonLine& begin_object(std::string_view key);
  JsonLine& end_object();
  /// With a newline at its end.
  std::string_view finish();

 private:
  void add_key(std::string_view key);

  std::string& out_;
};

/// The text between quotes.
void append_json(std::string& out, std::string_view text);

/// An event of the server: "plugin/kubernetes: in step" has a member for the plugin.
std::string_view json_event(base::LogLevel level, std::string_view message);

}  // namespace fairlead::server
