// `log`: a line for each query that a server block has answered, in the block's format.
//
// Threads: any; immutable. The lines go through the log queue of the thread that writes them.
// Limits: query_line_octets_max a line, which is put together without heap unless it shows metadata.
// Security: names and metadata are escaped, so that no query can forge a line.
// Standards: lines, classes and the escapes of names as CoreDNS's; the members of JSON lines are ours (log.md).
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "server/config/directive_options.hpp"
#include "server/query/query_context.hpp"

namespace fairlead::server {

/// The name of a question escaped throughout has 1,004 octets; the rest holds any sensible format.
inline constexpr std::size_t query_line_octets_max = 4096;

/// What a line tells of a query and its client.
struct LoggedQuery {
  const dns::Query& query;
  std::size_t octets;
  Transport transport;
  base::IpAddress client;
  std::uint16_t client_port;
  const Origin* origin = nullptr;         // for {local}; may be null
  const QueryContext* context = nullptr;  // for metadata; may be null
};

struct LoggedReply {
  /// Where there are several, the last; empty where none was sent.
  std::span<const std::uint8_t> message;
  dns::Rcode rcode = dns::Rcode::noerror;
  std::size_t octets = 0;
  std::chrono::nanoseconds duration{0};
};

class QueryLog {
 public:
  explicit QueryLog(std::vector<LogOptions> rules);

  /// Writes a line, if the rule for the name wants one.
  void write(const LoggedQuery& query, const LoggedReply& reply) const;
  /// A query that is answered, or whose `message` is empty because no reply is owed. Questions of our own are not
  /// logged.
  void write(const QueryContext& context, std::span<const std::uint8_t> message,
             std::chrono::nanoseconds duration) const;

 private:
  struct Rule {
    LogOptions options;
    bool has_format = false;  // of its own
  };
  std::vector<Rule> rules_;
};

/// The line as it is written, with its level and newline, in `buffer` of query_line_octets_max.
std::string_view format_line(const LogFormat& format, const LoggedQuery& query, const LoggedReply& reply,
                             std::span<char, query_line_octets_max> buffer);

/// The same without level and newline.
std::string_view format_text(const LogFormat& format, const LoggedQuery& query, const LoggedReply& reply,
                             std::span<char, query_line_octets_max> buffer);

/// The line for `-log.format json`: members for what the Common Log Format tells, and, if there is a `format`, its text
/// and the metadata in it. Valid until the thread's next one.
std::string_view format_json_line(const LogFormat* format, const LoggedQuery& query, const LoggedReply& reply);

/// What CoreDNS calls the type of a reply: "NOERROR", "NXDOMAIN", "SERVERERROR", "NODATA", "DELEGATION", "META",
/// "OTHERERROR"; and its class: "success", "denial" or "error".
std::string_view reply_type(const dns::Query& query, const LoggedReply& reply);
std::string_view reply_class(std::string_view reply_type);

}  // namespace fairlead::server
