// The format of `log`: text with placeholders, taken apart once into pieces that a line is put together from.
//
// Threads: values; immutable.
// Limits: log_format_octets_max.
// Errors: LogFormat::parse() says what is wrong and what to write instead.
// Standards: CoreDNS's: placeholders are `{name}`, `{>name}` for the header and `{/label}` for metadata. A brace that
//   begins no placeholder is text, so that a line may be a JSON object.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace fairlead::server {

enum class LogField : std::uint8_t {
  text,      // as it is
  metadata,  // by its label
  type,
  name,
  qclass,
  proto,
  remote,
  port,
  local,
  size,
  id,
  opcode,
  dnssec_ok,
  bufsize,
  rcode,
  rsize,
  duration,
  rflags,
};

struct LogPiece {
  LogField field = LogField::text;
  std::string text;  // of LogField::text without control characters, or the label
  friend bool operator==(const LogPiece&, const LogPiece&) = default;
};

class LogFormat {
 public:
  /// The Common Log Format.
  LogFormat();
  /// `whose`: what a message calls the text.
  static std::expected<LogFormat, std::string> parse(std::string_view text,
                                                     std::string_view whose = "the format of 'log'");

  const std::vector<LogPiece>& pieces() const { return pieces_; }
  friend bool operator==(const LogFormat&, const LogFormat&) = default;

 private:
  explicit LogFormat(std::vector<LogPiece> pieces) : pieces_(std::move(pieces)) {}

  std::vector<LogPiece> pieces_;
};

}  // namespace fairlead::server
