#include "server/control/json_line.hpp"

#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>

namespace fairlead::server {
namespace {

constexpr std::string_view digits = "0123456789abcdef";
constexpr std::string_view plugin_prefix = "plugin/";

std::string_view name_of(base::LogLevel level) {
  switch (level) {
    case base::LogLevel::debug: return "debug";
    case base::LogLevel::info: return "info";
    case base::LogLevel::warning: return "warning";
    case base::LogLevel::error: return "error";
  }
  return "info";
}

// "2026-01-31T12:00:00.000Z". The second is made once.
void append_time(std::string& out) {
  thread_local std::time_t known = -1;
  thread_local std::array<char, 32> text{};
  const auto now = std::chrono::system_clock::now();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
  const std::time_t second = std::chrono::system_clock::to_time_t(seconds);
  if (second != known) {
    std::tm parts{};
    gmtime_r(&second, &parts);
    std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
    known = second;
  }
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(now - seconds).count();
  out += text.data();
  out += '.';
  for (const auto part : {milliseconds / 100, milliseconds / 10 % 10, milliseconds % 10}) {
    out += static_cast<char>('0' + part);
  }
  out += 'Z';
}

void append_unicode(std::string& out, std::uint32_t character) {
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += digits[character >> shift & 15];
}

// The octets of the UTF-8 character at the beginning of `text`, and what it is; 0 where it is none (RFC 3629 §4).
std::size_t read_utf8(std::string_view text, std::uint32_t& character) {
  const auto octet = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t first = octet(0);
  const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < size) return 0;
  character = first & (0xff >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    if ((octet(i) & 0xc0) != 0x80) return 0;
    character = character << 6 | (octet(i) & 0x3f);
  }
  constexpr std::array<std::uint32_t, 5> smallest{0, 0, 0x80, 0x800, 0x10000};
  const bool is_surrogate = character >= 0xd800 && character <= 0xdfff;
  return character < smallest[size] || character > 0x10ffff || is_surrogate ? 0 : size;
}

bool breaks_lines(std::uint32_t character) { return character < 0xa0 || character == 0x2028 || character == 0x2029; }

}  // namespace

void append_json(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const auto octet = static_cast<std::uint8_t>(text.front());
    std::size_t size = 1;
    if (octet == '"' || octet == '\\') {
      out += '\\';
      out += text.front();
    } else if (octet >= 0x20 && octet < 0x7f) {
      out += text.front();
    } else if (octet == '\n') {
      out += "\\n";
    } else if (octet == '\t') {
      out += "\\t";
    } else if (octet < 0x80) {
      append_unicode(out, octet);
    } else {
      std::uint32_t character = 0;
      size = read_utf8(text, character);
      if (size == 0) {
        out += "\\\\x";
        out += digits[octet >> 4];
        out += digits[octet & 15];
        size = 1;
      } else if (breaks_lines(character)) {
        append_unicode(out, character);
      } else {
        out += text.substr(0, size);
      }
    }
    text.remove_prefix(size);
  }
}

JsonLine::JsonLine(base::LogLevel level)
    : out_([]() -> std::string& {
        thread_local std::string text;
        return text;
      }()) {
  out_ = "{\"time\":\"";
  append_time(out_);
  out_ += "\",\"level\":\"";
  out_ += name_of(level);
  out_ += '"';
}

void JsonLine::add_key(std::string_view key) {
  if (out_.back() != '{') out_ += ',';
  out_ += '"';
  append_json(out_, key);
  out_ += "\":";
}

JsonLine& JsonLine::add(std::string_view key, std::string_view text) {
  add_key(key);
  out_ += '"';
  append_json(out_, text.substr(0, json_text_octets_max));
  out_ += text.size() > json_text_octets_max ? "...\"" : "\"";
  return *this;
}

JsonLine& JsonLine::add_plain(std::string_view key, std::string_view value) {
  add_key(key);
  out_ += value;
  return *this;
}

JsonLine& JsonLine::begin_object(std::string_view key) {
  add_key(key);
  out_ += '{';
  return *this;
}

JsonLine& JsonLine::end_object() {
  out_ += '}';
  return *this;
}

std::string_view JsonLine::finish() {
  out_ += "}\n";
  return out_;
}

std::string_view json_event(base::LogLevel level, std::string_view message) {
  JsonLine line(level);
  if (message.starts_with(plugin_prefix)) {
    const std::string_view rest = message.substr(plugin_prefix.size());
    const std::size_t end = rest.find(": ");
    if (end != std::string_view::npos && rest.substr(0, end).find(' ') == std::string_view::npos) {
      line.add("plugin", rest.substr(0, end));
      message = rest.substr(end + 2);
    }
  }
  return line.add("message", message).finish();
}

}  // namespace fairlead::server
