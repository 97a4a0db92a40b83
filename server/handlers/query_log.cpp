#include "server/handlers/query_log.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <string>

#include "server/control/json_line.hpp"
#include "server/control/logging.hpp"
#include "server/query/metadata.hpp"

namespace fairlead::server {
namespace {

using dns::Header;

constexpr std::string_view none = "-";
constexpr std::string_view level = "[INFO] ";
constexpr std::string_view cut = "...\n";

// What stands for an octet of a name: itself in lower case, or 0 where it is escaped.
constexpr auto plain_octets = [] {
  std::array<char, 256> octets{};
  for (unsigned i = 0x21; i < 0x7f; ++i) octets[i] = static_cast<char>(dns::to_lower(static_cast<std::uint8_t>(i)));
  for (const char special : std::string_view(".'@;()\"\\")) octets[static_cast<std::uint8_t>(special)] = 0;
  return octets;
}();

/// Text into memory of a fixed size. What does not fit is left out, and the line then ends with "...".
class Line {
 public:
  explicit Line(std::span<char, query_line_octets_max> buffer)
      : begin_(buffer.data()), at_(begin_), end_(begin_ + buffer.size() - cut.size()) {}

  void add(std::string_view text) {
    if (!has_room(text.size())) return;
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  void add(char c) {
    if (has_room(1)) *at_++ = c;
  }
  void add(std::uint64_t number) {
    const auto [end, error] = std::to_chars(at_, end_, number);
    if (error == std::errc()) {
      at_ = end;
    } else {
      is_cut_ = true;
    }
  }
  // As the name's own text may hold anything, a label is written whole or not at all.
  void add(dns::NameView name) {
    if (name.is_root()) return add('.');
    for (const std::uint8_t* label = name.data(); *label != 0; label += 1 + *label) {
      if (!has_room(4u * *label + 1)) return;
      for (const std::uint8_t octet : std::span(label + 1, *label)) add_octet(octet);
      *at_++ = '.';
    }
  }
  void add(const base::IpAddress& address) {
    const auto octets = address.octets();
    if (address.is_v4()) {
      for (std::size_t i = 0; i < 4; ++i) {
        if (i > 0) add('.');
        add(std::uint64_t{octets[i]});
      }
      return;
    }
    std::array<char, INET6_ADDRSTRLEN> text{};
    inet_ntop(AF_INET6, octets.data(), text.data(), text.size());
    add('[');
    add(std::string_view(text.data()));
    add(']');
  }
  // Control characters as in other lines of the log.
  void add_escaped(std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    for (const char c : text) {
      const auto octet = static_cast<std::uint8_t>(c);
      if (octet >= 0x20 && octet != 0x7f) {
        add(c);
      } else {
        const std::array<char, 4> escaped = {'\\', 'x', digits[octet >> 4], digits[octet & 15]};
        add(std::string_view(escaped.data(), escaped.size()));
      }
    }
  }
  std::string_view finish() {
    const std::string_view end = is_cut_ ? cut : cut.substr(cut.size() - 1);
    at_ = std::copy(end.begin(), end.end(), at_);
    return {begin_, at_};
  }

 private:
  bool has_room(std::size_t octets) {
    if (is_cut_ || static_cast<std::size_t>(end_ - at_) < octets) is_cut_ = true;
    return !is_cut_;
  }

  void add_octet(std::uint8_t octet) {
    if (const char plain = plain_octets[octet]; plain != 0) {
      *at_++ = plain;
      return;
    }
    *at_++ = '\\';
    if (octet >= 0x20 && octet < 0x7f) {
      *at_++ = static_cast<char>(octet);
      return;
    }
    *at_++ = static_cast<char>('0' + octet / 100);
    *at_++ = static_cast<char>('0' + octet / 10 % 10);
    *at_++ = static_cast<char>('0' + octet % 10);
  }

  char* const begin_;
  char* at_;
  char* const end_;
  bool is_cut_ = false;
};

void add_rcode(Line& line, dns::Rcode rcode) {
  const std::string name = to_string(rcode);
  if (name.starts_with("RCODE")) return line.add(std::uint64_t{static_cast<std::uint16_t>(rcode)});
  line.add(std::string_view(name));
}

// "qr,aa,rd"
void add_flags(Line& line, const Header& header) {
  constexpr std::uint16_t zero = 0x0040;
  constexpr std::array<std::pair<std::uint16_t, std::string_view>, 8> flags = {{{Header::qr, "qr"},
                                                                                {Header::aa, "aa"},
                                                                                {Header::tc, "tc"},
                                                                                {Header::rd, "rd"},
                                                                                {Header::ra, "ra"},
                                                                                {zero, "z"},
                                                                                {Header::ad, "ad"},
                                                                                {Header::cd, "cd"}}};
  bool is_first = true;
  for (const auto& [flag, name] : flags) {
    if (!header.has(flag)) continue;
    if (!std::exchange(is_first, false)) line.add(',');
    line.add(name);
  }
}

// Seconds without trailing zeros: "0.000123s", "2s".
void add_duration(Line& line, std::chrono::nanoseconds duration) {
  constexpr std::uint64_t second = 1'000'000'000;
  const auto count = static_cast<std::uint64_t>(std::max<std::int64_t>(duration.count(), 0));
  line.add(count / second);
  if (std::uint64_t rest = count % second; rest > 0) {
    std::array<char, 10> digits;
    digits[0] = '.';
    for (std::size_t i = 9; i > 0; --i, rest /= 10) digits[i] = static_cast<char>('0' + rest % 10);
    std::size_t size = digits.size();
    while (digits[size - 1] == '0') --size;
    line.add(std::string_view(digits.data(), size));
  }
  line.add('s');
}

void add_metadata(Line& line, std::string_view label, const LoggedQuery& query, const LoggedReply& reply) {
  if (label == "log/type") return line.add(reply_type(query.query, reply));
  if (label == "log/class") return line.add(reply_class(reply_type(query.query, reply)));
  const auto value = query.context != nullptr ? metadata_value(*query.context, label) : std::nullopt;
  if (value) {
    line.add_escaped(*value);
  } else {
    line.add(none);
  }
}

// As CoreDNS counts: without EDNS what every client takes, over TCP what a length prefix can say.
std::uint64_t buffer_octets(const LoggedQuery& query) {
  if (query.transport == Transport::tcp) return dns::message_octets_max;
  if (!query.query.edns) return dns::udp_octets_classic;
  return std::max<std::uint64_t>(query.query.edns->udp_octets, dns::udp_octets_classic);
}

// Inlined where pieces are written one after the other: a call for each, with the line in memory, is a seventh of what
// a logged query takes.
[[gnu::always_inline]] inline void add_field(Line& line, const LogPiece& piece, const LoggedQuery& query,
                                             const LoggedReply& reply) {
  const dns::Query& asked = query.query;
  switch (piece.field) {
    case LogField::text: return line.add(std::string_view(piece.text));
    case LogField::metadata: return add_metadata(line, piece.text, query, reply);
    case LogField::type: return line.add(std::string_view(to_string(asked.qtype)));
    case LogField::name: return line.add(asked.qname);
    case LogField::qclass: return line.add(std::string_view(to_string(asked.qclass)));
    case LogField::proto: return line.add(query.transport == Transport::udp ? "udp" : "tcp");
    case LogField::remote: return line.add(query.client);
    case LogField::port: return line.add(std::uint64_t{query.client_port});
    case LogField::local: {
      const auto local = query.origin != nullptr ? query.origin->local_address() : std::nullopt;
      return local ? line.add(*local) : line.add(none);
    }
    case LogField::size: return line.add(std::uint64_t{query.octets});
    case LogField::id: return line.add(std::uint64_t{asked.header.id});
    case LogField::opcode: return line.add(std::uint64_t{static_cast<std::uint8_t>(asked.header.opcode())});
    case LogField::dnssec_ok: return line.add(asked.edns && asked.edns->dnssec_ok ? "true" : "false");
    case LogField::bufsize: return line.add(buffer_octets(query));
    case LogField::rcode: return reply.message.empty() ? line.add(none) : add_rcode(line, reply.rcode);
    case LogField::rsize: return line.add(std::uint64_t{reply.octets});
    case LogField::duration: return add_duration(line, reply.duration);
    case LogField::rflags:
      return reply.message.empty() ? line.add(none) : add_flags(line, dns::read_header(reply.message));
  }
}

// The names are ours, and stay.
struct JsonMember {
  std::string_view key;
  LogField field;
  bool is_text;
};
constexpr auto json_members = std::to_array<JsonMember>({
    {"client", LogField::remote, true},
    {"port", LogField::port, false},
    {"id", LogField::id, false},
    {"opcode", LogField::opcode, false},
    {"type", LogField::type, true},
    {"class", LogField::qclass, true},
    {"name", LogField::name, true},
    {"proto", LogField::proto, true},
    {"size", LogField::size, false},
    {"do", LogField::dnssec_ok, false},
    {"bufsize", LogField::bufsize, false},
    {"rcode", LogField::rcode, true},
    {"rflags", LogField::rflags, true},
    {"rsize", LogField::rsize, false},
    {"duration", LogField::duration, false},
});

bool is_wanted(const LogOptions::Classes& wanted, const LoggedQuery& query, const LoggedReply& reply) {
  if (wanted == LogOptions::Classes{}) return true;
  const std::string_view is = reply_class(reply_type(query.query, reply));
  return (wanted.success && is == "success") || (wanted.denial && is == "denial") || (wanted.error && is == "error");
}

}  // namespace

std::string_view reply_type(const dns::Query& query, const LoggedReply& reply) {
  if (reply.message.empty()) return "OTHERERROR";
  if (query.qtype == dns::RRType::axfr || query.qtype == dns::RRType::ixfr) return "META";
  const bool has_answers = dns::read_header(reply.message).answer_count > 0;
  switch (reply.rcode) {
    case dns::Rcode::noerror: break;
    // The end of an alias that does not exist is an error to CoreDNS, and so it is here.
    case dns::Rcode::nxdomain: return has_answers ? "OTHERERROR" : "NXDOMAIN";
    case dns::Rcode::servfail:
    case dns::Rcode::notimp: return "SERVERERROR";
    default: return "OTHERERROR";
  }
  if (has_answers) return "NOERROR";
  bool has_ns = false;
  auto reader = dns::RecordReader::open(reply.message);
  while (reader) {
    const auto record = reader->next();
    if (!record || !*record) break;
    if ((*record)->section != dns::Section::authority) continue;
    if ((*record)->type == dns::RRType::soa) return "NODATA";
    has_ns |= (*record)->type == dns::RRType::ns;
  }
  return has_ns ? "DELEGATION" : "NOERROR";
}

std::string_view reply_class(std::string_view reply_type) {
  if (reply_type == "NOERROR" || reply_type == "DELEGATION") return "success";
  if (reply_type == "NXDOMAIN" || reply_type == "NODATA") return "denial";
  return "error";
}

std::string_view format_line(const LogFormat& format, const LoggedQuery& query, const LoggedReply& reply,
                             std::span<char, query_line_octets_max> buffer) {
  Line line(buffer);
  line.add(level);
  for (const LogPiece& piece : format.pieces()) add_field(line, piece, query, reply);
  return line.finish();
}

std::string_view format_text(const LogFormat& format, const LoggedQuery& query, const LoggedReply& reply,
                             std::span<char, query_line_octets_max> buffer) {
  Line line(buffer);
  for (const LogPiece& piece : format.pieces()) add_field(line, piece, query, reply);
  const std::string_view text = line.finish();
  return text.substr(0, text.size() - 1);
}

std::string_view format_json_line(const LogFormat* format, const LoggedQuery& query, const LoggedReply& reply) {
  std::array<char, query_line_octets_max> buffer;
  JsonLine json(base::LogLevel::info);
  json.add("plugin", "log");
  for (const JsonMember& member : json_members) {
    Line line(buffer);
    add_field(line, {.field = member.field, .text = {}}, query, reply);
    std::string_view value = line.finish();
    value.remove_suffix(1);
    if (value == none) continue;  // there was no reply
    if (member.field == LogField::remote && value.starts_with('[')) value = value.substr(1, value.size() - 2);
    if (member.field == LogField::duration) value.remove_suffix(1);  // "s"
    member.is_text ? json.add(member.key, value) : json.add_plain(member.key, value);
  }
  if (format == nullptr) return json.finish();
  json.add("message", format_text(*format, query, reply, buffer));
  json.begin_object("metadata");
  std::vector<std::string_view> shown;
  for (const LogPiece& piece : format->pieces()) {
    if (piece.field != LogField::metadata || std::ranges::find(shown, piece.text) != shown.end()) continue;
    shown.push_back(piece.text);
    Line line(buffer);
    add_metadata(line, piece.text, query, reply);
    std::string_view value = line.finish();
    value.remove_suffix(1);
    if (value != none) json.add(piece.text, value);
  }
  return json.end_object().finish();
}

QueryLog::QueryLog(std::vector<LogOptions> rules) {
  for (LogOptions& rule : rules) {
    const bool has_format = rule.format != LogFormat();
    rules_.push_back({std::move(rule), has_format});
  }
}

void QueryLog::write(const LoggedQuery& query, const LoggedReply& reply) const {
  const auto covers = [&](const dns::DomainName& name) { return query.query.qname.is_at_or_below(name); };
  const auto rule =
      std::ranges::find_if(rules_, [&](const Rule& one) { return std::ranges::any_of(one.options.names, covers); });
  if (rule == rules_.end() || !is_wanted(rule->options.classes, query, reply)) return;
  if (is_json_logging()) {
    return log_query(format_json_line(rule->has_format ? &rule->options.format : nullptr, query, reply));
  }
  std::array<char, query_line_octets_max> buffer;
  log_query(format_line(rule->options.format, query, reply, buffer));
}

void QueryLog::write(const QueryContext& context, std::span<const std::uint8_t> message,
                     std::chrono::nanoseconds duration) const {
  const std::uint16_t port = context.origin.client_port();
  if (port == 0 || context.alias_depth > 0) return;
  write({.query = context.query,
         .octets = context.packet.size(),
         .transport = context.origin.transport(),
         .client = context.origin.client_address(),
         .client_port = port,
         .origin = &context.origin,
         .context = &context},
        {.message = message, .rcode = context.writer.rcode(), .octets = message.size(), .duration = duration});
}

}  // namespace fairlead::server
