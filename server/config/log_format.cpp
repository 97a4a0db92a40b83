#include "server/config/log_format.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "server/config/fault_collector.hpp"
#include "server/config/limits.hpp"
#include "server/config/nearest_name.hpp"

namespace fairlead::server {
namespace {

using enum LogField;

constexpr std::string_view common =
    "{remote}:{port} - {>id} \"{type} {class} {name} {proto} {size} {>do} {>bufsize}\" {rcode} {>rflags} {rsize} "
    "{duration}";
constexpr std::string_view combined =
    "{remote}:{port} - {>id} \"{type} {class} {name} {proto} {size} {>do} {>bufsize}\" {rcode} {>rflags} {rsize} "
    "{duration} \"{>opcode}\"";

constexpr auto fields = std::to_array<std::pair<std::string_view, LogField>>({
    {"type", type},
    {"name", name},
    {"class", qclass},
    {"proto", proto},
    {"remote", remote},
    {"port", port},
    {"local", local},
    {"size", size},
    {">id", id},
    {">opcode", opcode},
    {">do", dnssec_ok},
    {">bufsize", bufsize},
    {"rcode", rcode},
    {"rsize", rsize},
    {"duration", duration},
    {">rflags", rflags},
});

constexpr std::string_view words = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

// What would be read as a placeholder if it had one's name: "nmae", ">ID". Not what stands in a JSON object.
bool is_word(std::string_view text) {
  if (text.starts_with('>')) text.remove_prefix(1);
  return !text.empty() && text.find_first_not_of(words) == std::string_view::npos;
}

std::string braced(std::string_view word) { return quote("{" + std::string(word) + "}"); }

std::string describe_unknown(std::string_view word, std::string_view whose) {
  std::string lower(word);
  std::ranges::transform(lower, lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c; });
  std::vector<std::string_view> names{"common", "combined"};
  for (const auto& [known, field] : fields) names.push_back(known);
  std::string message = "unknown placeholder " + braced(word) + " in " + std::string(whose);
  // "{ID}" and "{rflags}" lack the ">" of the header's.
  const auto header = std::ranges::find(names, ">" + lower);
  const std::string_view nearest = header != names.end() ? *header : nearest_name(lower, names);
  if (!nearest.empty()) return message + "; did you mean " + braced(nearest) + '?';
  return message + "; remove it, or write one such as '{name}', '{>id}' or '{/LABEL}' for metadata";
}

std::string replaced(std::string text, std::string_view what, std::string_view with) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size()) {
    text.replace(at, what.size(), with);
  }
  return text;
}

// "{name" without an end, which would be printed as it is.
std::string_view find_unclosed(std::string_view text) {
  for (std::size_t at = 0; (at = text.find('{', at)) != std::string_view::npos;) {
    const std::string_view rest = text.substr(++at);
    const std::size_t end = std::min(rest.find_first_of(" \t{"), rest.size());
    const std::string_view word = rest.substr(0, end);
    if (std::ranges::find(fields, word, &std::pair<std::string_view, LogField>::first) != fields.end()) return word;
    if (word.starts_with('/') && word.size() > 1) return word;
  }
  return {};
}

class Pieces {
 public:
  void add_text(std::string_view text) {
    if (text.empty()) return;
    if (pieces_.empty() || pieces_.back().field != LogField::text) pieces_.push_back({});
    for (const char c : text) {
      // A line is one line.
      if (c == '\n') {
        pieces_.back().text += "\\n";
      } else if (c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f)) {
        pieces_.back().text += c;
      }
    }
  }
  void add(LogField field, std::string_view label = {}) { pieces_.push_back({field, std::string(label)}); }
  std::vector<LogPiece> take() { return std::move(pieces_); }

 private:
  std::vector<LogPiece> pieces_;
};

// The innermost braces are read first, as CoreDNS does: "{ {name} }" has one placeholder.
std::expected<std::vector<LogPiece>, std::string> take_apart(std::string_view rest, std::string_view whose) {
  Pieces pieces;
  std::string_view unclosed;
  for (std::size_t close = 0; (close = rest.find('}')) != std::string_view::npos; rest.remove_prefix(close + 1)) {
    const std::size_t open = rest.substr(0, close).rfind('{');
    if (open == std::string_view::npos) {
      pieces.add_text(rest.substr(0, close + 1));
      continue;
    }
    const std::string_view word = rest.substr(open + 1, close - open - 1);
    if (unclosed.empty()) unclosed = find_unclosed(rest.substr(0, open));
    const auto field = std::ranges::find(fields, word, &std::pair<std::string_view, LogField>::first);
    if (field != fields.end()) {
      pieces.add_text(rest.substr(0, open));
      pieces.add(field->second);
    } else if (word.starts_with('/') && word.find_first_of(" \t\n\"'") == std::string_view::npos) {
      if (word.size() == 1) {
        return std::unexpected("'{/}' in " + std::string(whose) +
                               " names no metadata; write '{/LABEL}', such as '{/forward/upstream}'");
      }
      pieces.add_text(rest.substr(0, open));
      pieces.add(metadata, word.substr(1));
    } else if (is_word(word)) {
      return std::unexpected(describe_unknown(word, whose));
    } else {
      pieces.add_text(rest.substr(0, close + 1));
    }
  }
  if (unclosed.empty()) unclosed = find_unclosed(rest);
  if (!unclosed.empty()) {
    return std::unexpected("'{" + std::string(unclosed) + "' in " + std::string(whose) + " is never closed; write " +
                           braced(unclosed));
  }
  pieces.add_text(rest);
  return pieces.take();
}

}  // namespace

LogFormat::LogFormat() : pieces_(*take_apart(common, {})) {}

std::expected<LogFormat, std::string> LogFormat::parse(std::string_view text, std::string_view whose) {
  if (text.size() > log_format_octets_max) {
    return std::unexpected(std::string(whose) + " is longer than " + std::to_string(log_format_octets_max) +
                           " octets; write a shorter one");
  }
  auto pieces = take_apart(replaced(replaced(std::string(text), "{common}", common), "{combined}", combined), whose);
  if (!pieces) return std::unexpected(pieces.error());
  return LogFormat(std::move(*pieces));
}

}  // namespace fairlead::server
